"""``manage.py prune``: remove history that is finished and old."""

import sys
import time
from argparse import ArgumentParser
from collections import Counter
from typing import Any

import psycopg
from django.core.management.base import CommandError

from commands.bus.prune import CHUNK_SIZE, COUNT_LIMIT, LONGEST, SHORTEST, Options, prune, time_before
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
        age, size = Age(SHORTEST, LONGEST), Number(1, LARGEST_CHUNK)
        parser.add_argument("--older-than", type=age, required=True, metavar="AGE", help="12h, 30d, 4w")
        parser.add_argument("--domain", metavar="NAME", help="only this one's (default: all)")
        parser.add_argument("--replies", action="store_true", help="also replies of that age that nobody took")
        parser.add_argument("--dry-run", action="store_true", help="say how many, remove nothing")
        parser.add_argument(
            "--chunk-size", type=size, default=CHUNK_SIZE, metavar="N", help=f"commands a transaction ({CHUNK_SIZE})"
        )

    def handle(self, **options: Any) -> None:
        refuse(problems())
        names, name = Domain.objects.names(), options["domain"]
        domains = tuple(names) if name is None else (Domain.objects.known(name),)
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
        total: Counter[str] = Counter()
        said = time.monotonic()
        try:
            for removed in prune(conn, options):
                total += removed
                if time.monotonic() - said >= PROGRESS_S:
                    said = time.monotonic()
                    self.stdout.write(f"  {_told(total)} so far")
                    self.stdout.flush()
        except KeyboardInterrupt:
            self.stdout.write(f"Interrupted. {verb} {_told(total)}. Run it again to go on.")
            sys.exit(Exit.INTERRUPTED)
        cut = options.dry_run and max(total.values(), default=0) >= COUNT_LIMIT
        self.stdout.write(f"{verb} {'at least ' if cut else ''}{_told(total)}.")
        if held := total["held"]:
            told = _told(Counter(commands=held))
            self.stdout.write(f"Not removed: {told} that another transaction held. The next run looks again.")


def _told(counts: Counter[str]) -> str:
    counted = [f"{counts[key]:,} {words[counts[key] != 1]}" for key, words in WORDS.items() if counts[key]]
    return ", ".join(counted) or "nothing"
