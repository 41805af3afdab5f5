"""Running what was planned, one case after the other, in one database."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from bench.benchmark.case import Case, Run
from bench.benchmark.pgbench import Ceiling
from bench.benchmark.progress import Progress
from bench.benchmark.results import Result
from bench.errors import BenchError, WrongCallError
from bench.machine import environment
from bench.testbed import Testbed
from e2e_site.schema.own_database import own_database

PURPOSE = "benchmark"


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What to measure. ``sizes`` are those of the command line, by ``case.name``; they win."""

    cases: Sequence[Case]
    runs: int
    quick: bool
    sizes: Mapping[str, int]
    ceiling: Ceiling

    def __post_init__(self) -> None:
        known = {f"{one.name}.{size}" for one in self.cases for size in one.sizes}
        if unknown := sorted(set(self.sizes) - known):
            raise WrongCallError(f"There is no size {', '.join(unknown)}; there are {', '.join(sorted(known))}.")

    def sizes_of(self, one: Case) -> dict[str, int]:
        sizes = one.quick if self.quick else one.sizes
        return {name: self.sizes.get(f"{one.name}.{name}", size) for name, size in sizes.items()}

    def planned_s(self, one: Case) -> float:
        return one.planned_s(self.runs, quick=self.quick)


def perform(plan: Plan, keep: Callable[[Result], None]) -> list[str]:
    """Measure all of it; ``keep`` gets each result at once. Returns what went wrong, a sentence for each case."""
    progress = Progress(sum(map(plan.planned_s, plan.cases)))
    failures: list[str] = []
    with own_database(PURPOSE) as database, closing(Testbed(database)) as testbed:
        progress.say(f"works in database {database.name}")
        about = environment(testbed)
        for one in plan.cases:
            run = _prepared(plan, one, testbed, progress, about)
            try:
                one.perform(run)
                keep(run.result)
            except BenchError as exc:  # the others can still be measured
                run.say(f"FAILED: {exc}")
                failures.append(f"{one.name}: {exc}")
            progress.done(plan.planned_s(one))
    return failures


def _prepared(plan: Plan, one: Case, testbed: Testbed, progress: Progress, about: Mapping[str, Any]) -> Run:
    result = Result(
        case=one.name,
        measured_at=datetime.now(UTC).isoformat(timespec="seconds"),
        runs=plan.runs,
        quick=plan.quick,
        sizes=plan.sizes_of(one),
        environment=dict(about),
    )
    return Run(
        testbed=testbed,
        ceiling=plan.ceiling,
        sizes=result.sizes,
        rounds=plan.runs,
        result=result,
        progress=progress,
        metrics=one.metrics,
    )
