"""``manage.py benchmark``: measure what the bus can do on this machine."""

import signal
import sys
from argparse import ArgumentParser
from functools import partial
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import connections

from bench.benchmark.pgbench import find_ceiling
from bench.benchmark.results import Result, ResultsError, save
from bench.benchmark.run import Plan, perform
from bench.benchmark.scenario import BenchmarkError
from bench.benchmark.scenarios import SCENARIOS, chosen


class Command(BaseCommand):
    help = "Measure what the bus can do on this machine, in a database of its own that is dropped afterwards."
    requires_system_checks = ()  # the site's own database is not used

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("scenario", nargs="*", help=f"which to run (all): {', '.join(SCENARIOS)}")
        parser.add_argument("--quick", action="store_true", help="small sizes: figures to look at, not to decide by")
        parser.add_argument("--runs", type=int, default=3, metavar="N", help="rounds of each (3)")
        parser.add_argument("--json", type=Path, metavar="FILE", help="put the results into this file")
        parser.add_argument(
            "--size", action="append", default=[], metavar="SCENARIO.NAME=N", help="another size: drain.commands=5000"
        )
        parser.add_argument("--pgbench", metavar="PROGRAM", help="the pgbench to use; none: a minimal client of ours")

    def handle(self, **options: Any) -> None:
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the database is dropped
        connections.close_all()
        try:
            plan = Plan(
                scenarios=chosen(options["scenario"]),
                runs=options["runs"],
                quick=options["quick"],
                sizes=dict(map(_size, options["size"])),
                ceiling=find_ceiling(options["pgbench"]),
            )
            failures = perform(plan, partial(_keep, options["json"]))
        except (BenchmarkError, ResultsError) as exc:
            raise CommandError(str(exc)) from exc
        if failures:
            raise CommandError("\n".join(failures))


def _keep(file: Path | None, result: Result) -> None:
    if file is not None:
        save(file, {result.scenario: result})


def _size(text: str) -> tuple[str, int]:
    name, _, number = text.partition("=")
    if not number.isdecimal() or int(number) < 1:
        raise BenchmarkError(f"--size takes SCENARIO.NAME=N with a whole number from 1, not {text!r}.")
    return name, int(number)
