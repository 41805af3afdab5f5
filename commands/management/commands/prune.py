"""``manage.py prune``: remove history that is finished and old."""

import sys
import time
from argparse import ArgumentParser
from collections import Counter
from typing import Any

import psycopg
from django.core.management.base import CommandError

from commands.bus.prune import CHUNK_SIZE, LONGEST, SHORTEST, Options, prune, time_before
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
        parser.add_argument("--domain", metavar="NAME", help="only this one's (default: all)")
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
        names, domain = Domain.objects.names(), options["domain"]
        domains = tuple(names) if domain is None else (Domain.objects.known(domain),)
        try:
            with psycopg.connect(**connection_params(), autocommit=True) as conn:
                self._run(
                    conn,
                    Options(
                        before=time_before(conn, options["older_than"]),
                        domains=domains,
                        chunk_size=options["chunk_size"],
                        unread_replies=options["replies"],
                        dry_run=options["dry_run"],
                    ),
                )
        except psycopg.errors.LockNotAvailable as exc:
            raise CommandError("A lock that prune cannot step over is held. Run it again later.") from exc

    def _run(self, conn: psycopg.Connection[Any], options: Options) -> None:
        verb = "Would remove" if options.dry_run else "Removed"
        domains = " and ".join(options.domains)
        self.stdout.write(f"What ended before {options.before:%Y-%m-%d %H:%M:%S %Z}, in {domains}:")
        removed: Counter[str] = Counter()
        said, at_least = time.monotonic(), ""
        try:
            for chunk in prune(conn, options):
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
        if removed["held"]:
            held = _told(Counter(commands=removed["held"]))
            self.stdout.write(f"Not removed: {held} that another transaction held. The next run looks again.")


def _told(removed: Counter[str]) -> str:
    counted = [f"{removed[key]:,} {words[removed[key] != 1]}" for key, words in WORDS.items() if removed[key]]
    return ", ".join(counted) or "nothing"
