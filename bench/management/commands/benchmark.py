"""``manage.py benchmark``: measure what the bus can do on this machine."""

import os
import signal
import sys
import weakref
from argparse import ArgumentParser
from pathlib import Path
from threading import Timer
from types import FrameType
from typing import Any

from django.conf import settings
from django.core.management.base import CommandError
from django.db import connections

from bench.benchmark.cases import CASES, chosen
from bench.benchmark.pgbench import find_ceiling
from bench.benchmark.report import LATEST, write_docs
from bench.benchmark.results import Result, Results, load, save
from bench.benchmark.run import Plan, perform
from bench.benchmark.tables import as_text, metric_table, page_table, verdict_table
from bench.benchmark.targets import decidable, needed
from bench.benchmark.verdicts import Word, judge_all
from e2e_site.command import SiteCommand
from e2e_site.options import Exit, NamedNumber, Number

RUNS = Number(1, 1000)
SIZE = NamedNumber("CASE.NAME=N", Number(1, 1_000_000_000))
_AGAIN_S = 0.05
QUICK = "A quick run: figures to look at, not to decide by."


class Command(SiteCommand):
    help = "Measure what the bus can do on this machine, in a database of its own that is dropped afterwards."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("case", nargs="*", help=f"which to run (all): {', '.join(CASES)}")
        parser.add_argument(
            "--check", action="store_true", help="compare with the figures to reach; 1 if one is missed"
        )
        parser.add_argument("--quick", action="store_true", help="small sizes: figures to look at, not to decide by")
        parser.add_argument("--runs", type=RUNS, default=3, metavar="N", help="rounds of each (3)")
        parser.add_argument(
            "--json", type=Path, metavar="FILE", help="put the results into this file; others in it stay"
        )
        parser.add_argument(
            "--size",
            type=SIZE,
            action="append",
            default=[],
            metavar=SIZE.form,
            help="another size: drain.commands=5000",
        )
        parser.add_argument("--pgbench", metavar="PROGRAM", help="another pgbench than the embedded server's")
        parser.add_argument(
            "--write-docs",
            nargs="?",
            type=Path,
            const=settings.BASE_DIR / LATEST,
            metavar="FILE",
            help=f"measure nothing: put the results of this file ({LATEST}) into docs/performance.md",
        )

    def handle(self, **options: Any) -> None:
        if options["write_docs"]:
            for file in write_docs(load(options["write_docs"]), settings.BASE_DIR / "docs"):
                self.stdout.write(f"wrote {file.relative_to(settings.BASE_DIR)}")
            return
        names = options["case"] or (sorted(needed()) if options["check"] else [])
        failures, results = _measure(_plan(names, options), options["json"])
        missed = self._check(results, names) if options["check"] else self._show(results)
        if options["quick"]:
            self.stdout.write(QUICK)
        if failures:
            raise CommandError("\n".join(failures))
        if missed and not options["quick"]:
            sys.exit(Exit.FAILED)

    def _check(self, results: Results, names: list[str]) -> int:
        """Print the verdicts on all targets that these cases decide; how many were missed."""
        verdicts = judge_all(decidable(names), results)
        self.stdout.write(as_text(verdict_table(verdicts)))
        return sum(verdict.word is Word.MISSED for verdict in verdicts)

    def _show(self, results: Results) -> int:
        for name, result in results.items():
            self.stdout.write(f"\n{CASES[name].title}\n{as_text(metric_table(result, CASES[name].metrics))}")
            if pages := page_table(result):
                self.stdout.write(f"\n{as_text(pages)}")
        return 0


def _plan(names: list[str], options: dict[str, Any]) -> Plan:
    return Plan(
        cases=chosen(names),
        runs=options["runs"],
        quick=options["quick"],
        sizes=dict(options["size"]),
        ceiling=find_ceiling(options["pgbench"]),
    )


def _stop(number: int, frame: FrameType | None) -> None:
    """Unwind, so that the database is dropped. What is raised in a finalizer is lost: then again in a moment."""
    while frame is not None:
        if frame.f_code.co_name == "__del__" or frame.f_code.co_filename == weakref.__file__:
            Timer(_AGAIN_S, os.kill, (os.getpid(), number)).start()
            return
        frame = frame.f_back
    if number == signal.SIGINT:
        raise KeyboardInterrupt
    sys.exit(128 + number)


def _measure(plan: Plan, file: Path | None) -> tuple[list[str], Results]:
    """What went wrong, and the results, each of which is in the file as soon as it is there."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _stop)
    connections.close_all()
    if file is not None and file.exists():
        load(file)  # what cannot be added to is better found now
    results: Results = {}

    def keep(result: Result) -> None:
        results[result.case] = result
        if file is not None:
            save(file, {result.case: result})

    return perform(plan, keep), results
