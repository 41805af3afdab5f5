"""``manage.py prune``: remove history that is finished and old."""

import sys
import time
from argparse import ArgumentParser
from collections import Counter
from datetime import datetime
from typing import Any

import psycopg
from django.core.management.base import CommandError

from commands.bus.prune import CHUNK_SIZE, LONGEST, SHORTEST, Options, before_age, prune
from commands.checks import problems, refuse
from commands.models import Domain
from e2e_site.command import SiteCommand
from e2e_site.database import connection_params
from e2e_site.options import Age, Exit, Number

PROGRESS_S = 1.0
LARGEST_CHUNK = 50_000
WORDS = {
    "commands": ("command", "commands"),
    "events": ("event", "events"),
    "messages": ("archived message", "archived messages"),
    "rejected": ("rejected message", "rejected messages"),
    "batches": ("batch", "batches"),
    "replies": ("reply", "replies"),
}


class Command(SiteCommand):
    help = (
        "Remove finished history: commands that are COMPLETED, FAILED or CANCELED and did not change for that long, "
        "with their events, and replies that were read. What is live or waits for an operator stays."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--older-than", type=Age(SHORTEST, LONGEST), required=True, metavar="AGE", help="12h, 30d, 4w"
        )
        parser.add_argument("--domain", help="only this one's (default: all)")
        parser.add_argument("--replies", action="store_true", help="also replies of that age that nobody took")
        parser.add_argument("--dry-run", action="store_true", help="say how many, remove nothing")
        parser.add_argument(
            "--chunk-size",
            type=Number(1, LARGEST_CHUNK),
            default=CHUNK_SIZE,
            metavar="N",
            help=f"commands a transaction ({CHUNK_SIZE})",
        )

    def handle(self, **options: Any) -> None:
        refuse(problems())
        parsed = Options(
            older_than=options["older_than"],
            domains=(options["domain"],) if options["domain"] else tuple(Domain.objects.names()),
            chunk_size=options["chunk_size"],
            unread_replies=options["replies"],
            dry_run=options["dry_run"],
        )
        try:
            with psycopg.connect(**connection_params(), autocommit=True) as conn:
                self._run(conn, parsed, before_age(conn, parsed.older_than))
        except psycopg.errors.LockNotAvailable as exc:
            raise CommandError("Somebody holds a lock that cannot be stepped over. Run it again later.") from exc

    def _run(self, conn: psycopg.Connection[Any], options: Options, before: datetime) -> None:
        verb = "Would remove" if options.dry_run else "Removed"
        self.stdout.write(f"What ended before {before:%Y-%m-%d %H:%M:%S %Z}, in {' and '.join(options.domains)}:")
        removed: Counter[str] = Counter()
        said, at_least = time.monotonic(), ""
        try:
            for chunk in prune(conn, options, before):
                removed += chunk.removed
                at_least = " at least" if chunk.cut else at_least
                if time.monotonic() - said >= PROGRESS_S:
                    said = time.monotonic()
                    self.stdout.write(f"  {chunk.domain}: {_told(removed)}")
                    self.stdout.flush()
        except KeyboardInterrupt:
            self.stdout.write(f"Interrupted. {verb} {_told(removed)}. Run it again to go on.")
            sys.exit(Exit.INTERRUPTED)
        self.stdout.write(f"{verb}{at_least} {_told(removed)}.")
        if removed["kept"]:
            self.stdout.write(
                f"Not removed: {removed['kept']:,} that somebody held or that changed since. The next run looks again."
            )


def _told(removed: Counter[str]) -> str:
    counted = [f"{removed[key]:,} {words[removed[key] != 1]}" for key, words in WORDS.items() if removed[key]]
    return ", ".join(counted) or "nothing"
