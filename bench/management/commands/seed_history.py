"""``manage.py seed_history``: fill a database with the history of a month, for pages to be looked at and measured."""

import sys
import time
from argparse import ArgumentParser
from typing import Any

import psycopg

from bench.history.seed import Wanted, Written, seed, tidy
from commands.checks import problems, refuse
from commands.models import Domain
from commands.rules.words import DOMAIN
from e2e_site.command import SiteCommand
from e2e_site.database import connection_params
from e2e_site.options import Exit, Number

COMMANDS = 2_000_000
SHARES = {"parked": 50, "failed": 300, "canceled": 100, "waiting": 25}  # of 10,000 commands
COUNT = Number(0, 10_000_000)


class Command(SiteCommand):
    help = (
        "Fill a database with history: commands of many days with all their events, messages and operators' actions, "
        "as the bus writes them. To be looked at and measured: nothing of it has happened."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--commands", type=Number(1, 10_000_000), default=COMMANDS, metavar="N", help=f"{COMMANDS:,}"
        )
        for name, share in SHARES.items():
            parser.add_argument(f"--{name}", type=COUNT, metavar="N", help=f"of these; {share / 100:g} % unless given")
        parser.add_argument(
            "--days", type=Number(1, 3650), default=30, metavar="N", help="how far back it reaches (30)"
        )
        parser.add_argument("--domain", default=DOMAIN, metavar="NAME", help=f"whose commands they are ({DOMAIN})")
        parser.add_argument(
            "--seed", type=Number(0, 2**31 - 1), default=1, metavar="N", help="another one, another history (1)"
        )
        parser.add_argument(
            "--add", action="store_true", help="also where there are commands: behind their newest event"
        )

    def handle(self, **options: Any) -> None:
        refuse(problems())
        counts = {
            name: options["commands"] * share // 10_000 if options[name] is None else options[name]
            for name, share in SHARES.items()
        }
        wanted = Wanted(
            commands=options["commands"],
            days=options["days"],
            domain=Domain.objects.known(options["domain"]),
            seed=options["seed"],
            **counts,
        )
        began = time.monotonic()
        with psycopg.connect(**connection_params(), autocommit=True) as conn:
            written = self._write(conn, wanted, add=options["add"])
            self.stdout.write("Vacuum and analyze …")
            tidy(conn, wanted.domain)
        seconds = time.monotonic() - began
        self.stdout.write(f"Wrote {_told(written)} of domain {wanted.domain} in {seconds:,.0f} s.")

    def _write(self, conn: psycopg.Connection[Any], wanted: Wanted, *, add: bool) -> Written | None:
        written: Written | None = None
        try:
            for written in seed(conn, wanted, add=add):
                self.stdout.write(f"  {_told(written)}, until {written.until:%Y-%m-%d %H:%M}, of {wanted.commands:,}")
                self.stdout.flush()
        except KeyboardInterrupt:
            self.stdout.write(
                f"Interrupted. There are {_told(written)}, each with its whole story; --add adds more behind them."
            )
            sys.exit(Exit.INTERRUPTED)
        return written


def _told(written: Written | None) -> str:
    return f"{written.commands:,} commands with {written.events:,} events" if written else "no commands"
