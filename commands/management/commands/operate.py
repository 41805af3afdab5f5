"""``manage.py operate``: work off what people asked to be done to many commands, without a worker."""

import sys
import time
from argparse import ArgumentParser
from typing import Any

import psycopg

from commands.bus.operations import WORK
from commands.checks import problems, refuse
from e2e_site.command import SiteCommand
from e2e_site.database import connection_params
from e2e_site.options import SECONDS, Exit

PROGRESS_S = 1.0


class Command(SiteCommand):
    help = "Work off all operations: bulk sends, retries, cancels and completions. Workers do so too; both may at once."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--max-wait", type=SECONDS, metavar="SECONDS", help="stop after this time; exit code 3 if any is not over"
        )

    def handle(self, **options: Any) -> None:
        refuse(problems())
        ends = None if options["max_wait"] is None else time.monotonic() + options["max_wait"]
        try:
            with psycopg.connect(**connection_params(), autocommit=True) as conn:
                if not self._work_all(conn, ends):
                    self.stdout.write("The time is up; not all operations are over.")
                    sys.exit(Exit.TIME_IS_UP)
        except KeyboardInterrupt:
            self.stdout.write("Interrupted between two chunks. Run it again to go on.")
            sys.exit(Exit.INTERRUPTED)
        self.stdout.write("No operation is left to be worked off.")

    def _work_all(self, conn: psycopg.Connection[Any], ends: float | None) -> bool:
        said = time.monotonic()
        while ends is None or time.monotonic() < ends:
            answer = _answer(conn)
            if answer["operation"] is None:
                if answer["due_ms"] is None:
                    return True
                time.sleep(answer["due_ms"] / 1000)
            elif answer["state"] != "running" or time.monotonic() - said >= PROGRESS_S:
                said = time.monotonic()
                self.stdout.write(f"Operation {answer['operation']}: {answer['done']:,} done, {answer['state']}.")
                self.stdout.flush()
        return False


def _answer(conn: psycopg.Connection[Any]) -> dict[str, Any]:
    row = conn.execute(WORK).fetchone()
    assert row is not None
    answer: dict[str, Any] = row[0]
    return answer
