"""What pages, API and command line read of runs: their documents, the shipped scenarios, two runs side by side."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from bench.models import BenchRun
from bench.report.document import Document
from bench.runs.compare import PARTS, Comparison, compare
from bench.runs.row import engines_of
from bench.runs.variants import command_line, shipped
from bench.scenarios.plan import Plan
from bench.scenarios.yaml_file import ScenarioError, scenario_from

if TYPE_CHECKING:
    from bench.scenarios.model import Scenario

MOST_LIKE = 9  # runs of one scenario and seed that medians are made of


@dataclass(frozen=True, kw_only=True)
class ShownScenario:
    """A shipped scenario in a list. ``seconds``: of its load and, at most, of its drain."""

    name: str
    about: str
    engines: list[str]
    place: str
    commands: int
    seconds: float
    faults: list[str]
    expects: str
    long: bool


def shown_scenarios() -> list[ShownScenario]:
    """All that come with the bench, in the order of their names."""
    return [shown_scenario(scenario) for scenario in shipped().values()]


def shown_scenario(scenario: Scenario) -> ShownScenario:
    return ShownScenario(
        name=scenario.scenario, about=scenario.about, engines=engines_of(scenario), place=scenario.place.value,
        commands=Plan(scenario, scenario.seed).count,
        seconds=scenario.lasts_s + scenario.seconds(scenario.drains_within),
        faults=[fault.do for fault in scenario.faults], expects=scenario.expect.verdict.value, long=scenario.long,
    )  # fmt: skip


def scenario_of(run: BenchRun) -> Scenario | None:
    """What it was asked for; None where this version does not take such a scenario any more."""
    try:
        return scenario_from(run.source)
    except ScenarioError:
        return None


def command_of(run: BenchRun) -> str:
    """The command line that makes it again; empty where there is none."""
    scenario = scenario_of(run)
    return command_line(scenario, run.seed, run.run_id) if scenario else ""


def document_of(stored: Any) -> Document | None:
    """The document as its row has it; None without one, and of one that an older version wrote in another format."""
    if stored is None:
        return None
    try:
        return Document.model_validate(stored)
    except ValidationError:
        return None


def comparison_of(a: BenchRun, b: BenchRun) -> Comparison | None:
    """Of two runs, with all that are like the one and the other; None where one has no document that can be read."""
    first, second = document_of(a.document), document_of(b.document)
    if first is None or second is None:
        return None
    return compare(first, second, _parts(a), _parts(b))


def _parts(run: BenchRun) -> list[dict[str, Any]]:
    """What is compared of the newest runs like this one: without the rest of their documents, which is long."""
    rows = BenchRun.objects.like(run, MOST_LIKE).values_list(*(f"document__{part}" for part in PARTS))
    return [dict(zip(PARTS, row, strict=True)) for row in rows]
