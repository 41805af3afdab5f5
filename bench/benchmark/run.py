"""Running what was planned, one scenario after the other, in one database."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from bench.benchmark.case import BenchmarkError, Run, Scenario
from bench.benchmark.pgbench import Ceiling
from bench.benchmark.progress import Progress
from bench.benchmark.results import Result
from bench.machine import environment
from bench.testbed import Stage
from e2e_site.schema.own_database import own_database


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What to measure. ``sizes`` are those of the command line, by ``scenario.name``; they win."""

    scenarios: Sequence[Scenario]
    runs: int
    quick: bool
    sizes: Mapping[str, int]
    ceiling: Ceiling

    def __post_init__(self) -> None:
        known = {f"{one.name}.{size}" for one in self.scenarios for size in one.sizes}
        if unknown := sorted(set(self.sizes) - known):
            raise BenchmarkError(f"There is no size {', '.join(unknown)}; there are {', '.join(sorted(known))}.")
        if self.runs < 1:
            raise BenchmarkError("--runs must be 1 or more.")

    def sizes_of(self, one: Scenario) -> dict[str, int]:
        sizes = one.quick if self.quick else one.sizes
        return {name: self.sizes.get(f"{one.name}.{name}", size) for name, size in sizes.items()}

    def planned_s(self, one: Scenario) -> float:
        return one.planned_s(self.runs, quick=self.quick)


def perform(plan: Plan, keep: Callable[[Result], None]) -> list[str]:
    """Measure all of it; ``keep`` gets each result at once. Returns what went wrong, a sentence for each scenario."""
    progress = Progress(sum(map(plan.planned_s, plan.scenarios)))
    failures: list[str] = []
    with own_database("benchmark") as database:
        progress.say(f"works in database {database.name}")
        stage = Stage(database, plan.ceiling)
        try:
            about = environment(stage)
            for one in plan.scenarios:
                run = _prepared(plan, one, stage, progress, about)
                try:
                    one.perform(run)
                    keep(run.result)
                except BenchmarkError as exc:  # the others can still be measured
                    run.say(f"FAILED: {exc}")
                    failures.append(f"{one.name}: {exc}")
                progress.done(plan.planned_s(one))
        finally:
            stage.close()
    return failures


def _prepared(plan: Plan, one: Scenario, stage: Stage, progress: Progress, about: Mapping[str, Any]) -> Run:
    result = Result(
        scenario=one.name,
        measured_at=datetime.now(UTC).isoformat(timespec="seconds"),
        runs=plan.runs,
        quick=plan.quick,
        sizes=plan.sizes_of(one),
        environment=dict(about),
    )
    return Run(stage=stage, sizes=result.sizes, rounds=plan.runs, result=result, progress=progress, metrics=one.metrics)
