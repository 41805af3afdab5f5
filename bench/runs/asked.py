"""A run as a page or a program asks for it: one judgment for both, with every problem at once.

    name, YAML text or JSON object ─► Scenario, or the problems with it (field, line where there are lines, message)

What only a person with a shell may ask for, modules of one's own among it, is a problem here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import yaml
from pydantic import ValidationError

from bench.errors import WrongCallError
from bench.runs.variants import shipped, varied
from bench.scenarios.model import Place, Scenario
from e2e_site.texts import cut, storable

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from commands.rules.words import Engine

MOST_CHARACTERS = 60_000
LONGEST_S = 3600  # of the load and the drain together
_LONGEST_FIELD = 200


@dataclass(frozen=True, kw_only=True)
class Problem:
    """``field``: the way to it, such as load.0.rate; ``line``: of the text, from 1."""

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


def of_text(text: str, *, for_page: bool = True) -> Scenario:
    """A scenario that was typed as YAML; a file's is not ``for_page``. Raises AskedError."""
    if len(text) > MOST_CHARACTERS:
        raise AskedError([Problem(field="", message=f"A scenario has at most {MOST_CHARACTERS:,} characters.")])
    try:
        value, node = yaml.safe_load(text), yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as exc:
        line = exc.problem_mark.line + 1 if exc.problem_mark else None
        raise AskedError([Problem(field="", message=f"This is no YAML: {exc.problem}.", line=line)]) from exc
    except (yaml.YAMLError, ValueError, RecursionError) as exc:
        raise AskedError([Problem(field="", message="This is no YAML that can be read.")]) from exc
    return _checked(value, node, for_page=for_page)


def of_object(value: Mapping[str, Any]) -> Scenario:
    """A scenario as a JSON object. Raises AskedError."""
    return _checked(value, None, for_page=True)


def chosen(scenario: Scenario, *, seed: int | None, engine: Engine | None) -> Scenario:
    """With the seed and the engine that were chosen. Raises AskedError."""
    try:
        return varied(scenario, seed=seed, engine=engine)
    except WrongCallError as exc:
        raise AskedError([Problem(field="engine", message=str(exc))]) from exc


def needs_sending(scenario: Scenario) -> bool:
    """Whether it sends commands in the site's own database, which needs the right to send."""
    return scenario.place is Place.SITE


def _checked(value: Any, node: yaml.Node | None, *, for_page: bool) -> Scenario:
    if not isinstance(value, dict):
        raise AskedError([Problem(field="", message="A scenario is an object of keys and values.")])
    try:
        scenario = Scenario.model_validate(value)
    except ValidationError as exc:
        raise AskedError([_problem(error, node) for error in exc.errors()]) from exc
    except (RecursionError, OverflowError) as exc:
        raise AskedError([Problem(field="", message="It is nested too deeply, or a number is too large.")]) from exc
    if problems := [*_unstorable(scenario), *(_of_a_page(scenario) if for_page else ())]:
        raise AskedError(problems)
    return scenario


def _of_a_page(scenario: Scenario) -> Iterator[Problem]:
    lasts_s = scenario.lasts_s + scenario.seconds(scenario.drains_within)
    if lasts_s > LONGEST_S:
        said = f"Load and drain last {lasts_s:,.0f} s: at most {LONGEST_S:,} s, but on the command line."
        yield Problem(field="load", message=said)
    for place, workers in enumerate(scenario.workers):
        if workers.handlers:
            yield Problem(field=f"workers.{place}.handlers", message="A module is named on the command line only.")


def _unstorable(scenario: Scenario) -> Iterator[Problem]:
    if any(storable(text) != text for text in _texts(scenario.model_dump(mode="json"))):
        yield Problem(field="", message="A text has NUL characters or half surrogate pairs.")


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    for each in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from _texts(each)


def _problem(error: Any, node: yaml.Node | None) -> Problem:
    steps = [str(step) for step in error["loc"]]
    message = str(error["msg"]).removeprefix("Value error, ")
    field = storable(cut(".".join(steps), _LONGEST_FIELD))
    return Problem(field=field, message=storable(cut(message, 500)), line=_line(node, error["loc"]))


def _line(node: yaml.Node | None, way: tuple[int | str, ...]) -> int | None:
    """Where the value at the end of this way stands; of a key that is missing, where its object begins."""
    if node is None:
        return None
    line = node.start_mark.line + 1
    for step in way:
        if isinstance(node, yaml.MappingNode):
            found = [(key, value) for key, value in node.value if getattr(key, "value", None) == str(step)]
            if not found:
                continue  # a step of the model, not of the text
            key, node = found[0]
            line = key.start_mark.line + 1
        elif isinstance(node, yaml.SequenceNode) and isinstance(step, int) and step < len(node.value):
            node = node.value[step]
            line = node.start_mark.line + 1
    return line
