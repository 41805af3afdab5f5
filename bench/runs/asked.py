"""A run as a page or a program asks for it: one judgment for both, with every problem at once.

    name, YAML text or JSON object ─► Scenario, or the problems with it (field, line where there are lines, message)

What only a person with a shell may ask for, modules of one's own among it, is a problem here.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bench.errors import WrongCallError
from bench.runs.variants import shipped, varied
from bench.scenarios.model import Place, Scenario
from bench.scenarios.yaml_file import ScenarioError, parse_scenario, scenario_from, to_json
from e2e_site.texts import cut, storable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from bench.scenarios.yaml_file import Told
    from commands.rules.words import Engine

MOST_STORED = 60_000  # bytes of JSON
LONGEST_S = 3600  # of the load and the drain together
_LONGEST_FIELD, _LONGEST_MESSAGE = 200, 500  # characters


@dataclass(frozen=True, kw_only=True)
class Problem:
    """``field``: the way to it, such as load[0].rate; ``line``: of the text, from 1."""

    field: str
    message: str
    line: int | None = None

    def __str__(self) -> str:
        line = f"line {self.line}: " if self.line else ""
        return f"{line}{self.field}: {self.message}" if self.field else f"{line}{self.message}"


class AskedError(Exception):
    """What was asked for cannot be run."""

    def __init__(self, problems: list[Problem]) -> None:
        super().__init__("; ".join(map(str, problems)))
        self.problems = problems


def of_name(name: str) -> Scenario:
    """A shipped scenario. Raises AskedError."""
    found = shipped().get(name)
    if found is None:
        said = f"There is no scenario {cut(storable(name), 60)!r}; there are {', '.join(shipped())}."
        raise AskedError([Problem(field="scenario", message=said)])
    return found


def of_text(text: str) -> Scenario:
    """A scenario that was typed as YAML. Raises AskedError."""
    return _checked(lambda: parse_scenario(text))


def of_object(value: Mapping[str, Any]) -> Scenario:
    """A scenario as a JSON object. Raises AskedError."""
    return _checked(lambda: scenario_from(dict(value)))


def chosen(scenario: Scenario, *, seed: int | None, engine: Engine | None) -> Scenario:
    """With the seed and the engine that were chosen. Raises AskedError."""
    try:
        return varied(scenario, seed=seed, engine=engine)
    except WrongCallError as exc:
        raise AskedError([Problem(field="engine", message=str(exc))]) from exc


def needs_sending(scenario: Scenario) -> bool:
    """Whether it sends commands in the site's own database, which needs the right to send."""
    return scenario.place is Place.SITE


def _checked(read: Callable[[], Scenario]) -> Scenario:
    try:
        scenario = read()
    except ScenarioError as exc:
        raise AskedError([_problem(told) for told in exc.problems]) from exc
    if problems := [*_of_a_page(scenario)]:
        raise AskedError(problems)
    return scenario


def _problem(told: Told) -> Problem:
    """What a scenario's text holds may be of any kind and length."""
    field, message = storable(cut(told.path, _LONGEST_FIELD)), storable(cut(told.text, _LONGEST_MESSAGE))
    return Problem(field=field, message=message, line=told.line)


def _of_a_page(scenario: Scenario) -> Iterator[Problem]:
    lasts_s = scenario.lasts_s + scenario.seconds(scenario.drains_within)
    if lasts_s > LONGEST_S:
        said = f"Load and drain last {lasts_s:,.0f} s: at most {LONGEST_S:,} s, but on the command line."
        yield Problem(field="load", message=said)
    for place, workers in enumerate(scenario.workers):
        if workers.handlers:
            yield Problem(field=f"workers[{place}].handlers", message="A module is named on the command line only.")
    if len(json.dumps(to_json(scenario)).encode()) > MOST_STORED:
        yield Problem(field="", message=f"As JSON it has more than {MOST_STORED:,} bytes.")
