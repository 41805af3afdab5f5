"""Runs that this process works off itself, one after the other: what it says of them, and how it ends."""

from __future__ import annotations

import signal
import sys
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django.db import connections

from bench.cli import report_files
from bench.loadtest.progress import Progress
from bench.runs.queue import Queue
from bench.runs.row import engines_of
from bench.scenarios.model import RunVerdict
from commands.rules.formatting import duration
from e2e_site.options import Exit, SiteError
from e2e_site.programs import StopRequests
from e2e_site.texts import cut

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bench.report.document import Document
    from bench.scenarios.model import Scenario

CODES = {RunVerdict.PASS: Exit.DONE, RunVerdict.FAIL: Exit.FAILED, RunVerdict.UNKNOWN: Exit.TIME_IS_UP}
# The worst of several, the last one first.
_WORST = (Exit.INTERRUPTED, Exit.REFUSED, Exit.FAILED, Exit.TIME_IS_UP, Exit.DONE)
_WHY_SHOWN = 100


@dataclass(frozen=True, kw_only=True)
class Result:
    """One of several. ``document`` None: it came to none, and ``why`` says the reason."""

    scenario: Scenario
    run_id: int | None = None
    document: Document | None = None
    why: str = ""
    failed: int = Exit.DONE

    @property
    def is_as_expected(self) -> bool:
        return self.document is not None and self.document.head.verdict == self.scenario.expect.verdict

    @property
    def code(self) -> int:
        """0 where the verdict is the one that its scenario expects, else that of the verdict, and never 0."""
        if self.document is None:
            return self.failed
        return Exit.DONE if self.is_as_expected else CODES[self.document.head.verdict] or Exit.FAILED


def perform(scenarios: Sequence[Scenario], options: dict[str, Any], out: Any) -> int:
    """Work them off; the exit code. Of a single one errors are raised, of several they stand in the table."""
    several = len(scenarios) > 1
    report_files.check(options, several=several)
    connections.close_all()
    shown = Progress(sys.stderr)
    stop_requests = StopRequests(signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    results: list[Result] = []

    def show(text: str) -> None:
        if not options["quiet"]:
            shown.show(text)

    def is_stopped() -> bool:
        return stop_requests.count > 0

    with stop_requests.heard(), closing(Queue(show=show, say=shown.say, stopped=is_stopped)) as queue:
        for scenario in scenarios:
            result = _performed(queue, scenario, options, shown, raises=not several)
            results.append(result)
            if several:
                out.write(_line(result))
            if stop_requests.count:
                break
    if not several:
        return _said(results[0], out)
    out.write(_summary(results, left=len(scenarios) - len(results)))
    return min((result.code for result in results), key=_WORST.index)


def _performed(queue: Queue, scenario: Scenario, options: dict[str, Any], shown: Progress, *, raises: bool) -> Result:
    try:
        run_id, document = queue.run(scenario, waits=not options["no_wait"])
    except SiteError as exc:
        shown.end()
        if raises:
            raise
        return Result(scenario=scenario, why=str(exc), failed=exc.exit_code)
    shown.end()
    report_files.write(document, options, several=not raises)
    return Result(scenario=scenario, run_id=run_id, document=document, why=document.head.why)


def _said(result: Result, out: Any) -> int:
    assert result.document is not None
    head = result.document.head
    out.write(f"{head.verdict}: {head.why}")
    engines = ", ".join(engines_of(result.scenario)) or "no workers"
    out.write(f"run {result.run_id}: {head.scenario}, seed {head.seed}, {engines}, {duration(head.seconds * 1000)}")
    if not result.is_as_expected:
        out.write(f"Its scenario expects {result.scenario.expect.verdict}.")
    return CODES[head.verdict] if result.is_as_expected else CODES[head.verdict] or Exit.FAILED


def _line(result: Result) -> str:
    """ "smoke            PASS       9.4 s  run 7: All 300 acknowledged commands …"."""
    if result.document is None:
        return f"{result.scenario.scenario:<32} {'–':<8} {result.why}"  # noqa: RUF001  # a dash for nothing
    head = result.document.head
    mark = "" if result.is_as_expected else f"  NOT AS EXPECTED ({result.scenario.expect.verdict})"
    return (
        f"{head.scenario:<32} {head.verdict:<8} {duration(head.seconds * 1000):>9}  run {result.run_id}: "
        f"{cut(head.why, _WHY_SHOWN)}{mark}"
    )


def _summary(results: Sequence[Result], *, left: int) -> str:
    expected = sum(result.is_as_expected for result in results)
    seconds = sum(result.document.head.seconds for result in results if result.document)
    more = f"; {left} not begun" if left else ""
    return f"{expected} of {len(results)} as expected, in {duration(seconds * 1000)}{more}"
