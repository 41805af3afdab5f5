"""Scenarios as YAML files, ``*.bench.yaml``: read strictly, every problem told at once, and written.

file ─► text ─► strict_yaml ─► Scenario, or ScenarioError with each problem's line, path and valid names
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml
from pydantic import ValidationError

from bench.scenarios import strict_yaml
from bench.scenarios.model import Scenario
from bench.scenarios.wording import one_of, path_text, problems_of
from e2e_site.options import Exit, SiteError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from bench.scenarios.model import KeyPath

SHIPPED = Path(__file__).with_name("shipped")
SUFFIX = ".bench.yaml"
SCHEMA = "scenario.schema.json"  # of docs/
MOST_BYTES = 64 * 1024
MOST_SHOWN = 50
# What other problems follow from: with one of these wrong, the whole is not looked at.
_BASIS = ("bus", "commands", "load", "place", "workers")


@dataclass(frozen=True, kw_only=True)
class Told:
    """One problem, for people and pages. ``line``: None where there is no file. ``path``: ``load[0].rate``; empty: the
    whole."""

    line: int | None = 1
    path: str = ""
    text: str

    def __str__(self) -> str:
        return f"{self.path}: {self.text}" if self.path else self.text


class ScenarioError(SiteError):
    """A scenario that cannot be run: every problem of it, one a line, with file and line."""

    exit_code = Exit.REFUSED

    def __init__(self, name: str, problems: Iterable[Told]) -> None:
        self.name = name
        self.problems = list(problems)
        lines = [
            f"{name}: {told}" if told.line is None else f"{name}:{told.line}: {told}"
            for told in self.problems[:MOST_SHOWN]
        ]
        if len(self.problems) > 1:
            lines.insert(0, f"{name} has {len(self.problems):,} problems:")
        if len(self.problems) > MOST_SHOWN:
            lines.append(f"and {len(self.problems) - MOST_SHOWN:,} more.")
        super().__init__("\n".join(lines))


def shipped() -> list[str]:
    """The names of the scenarios that come with the site."""
    return sorted(path.name.removesuffix(SUFFIX) for path in SHIPPED.glob(f"*{SUFFIX}"))


def read_scenario(name: str) -> Scenario:
    """The shipped scenario of that name, or that of a file. Raises ScenarioError."""
    if name in shipped():
        return read_file(SHIPPED / f"{name}{SUFFIX}")
    path = Path(name)
    if "\0" in name or not (path.suffix or path.exists()):
        why = f"is no file and no shipped scenario; {one_of(shipped(), name)}"
        raise ScenarioError(name, [Told(line=None, text=why)])
    return read_file(path)


def read_file(path: Path) -> Scenario:
    """Raises ScenarioError."""
    try:
        with path.open("rb") as file:
            content = file.read(MOST_BYTES + 1)
    except OSError as exc:
        why = f"cannot be read: {exc.strerror or exc}"
        raise ScenarioError(str(path), [Told(line=None, text=why)]) from exc
    return parse_scenario(content, str(path))


def parse_scenario(content: bytes | str, name: str = "the scenario") -> Scenario:
    """The scenario that a file's content describes; ``name`` is what problems call it. Raises ScenarioError."""
    read = strict_yaml.read(_text(content, name))
    if read.faults or not isinstance(read.value, dict):
        found = _checked(read.value)[1] if isinstance(read.value, dict) else []
        # Of what YAML itself made doubtful, nothing more is said.
        blamed = {fault.path for fault in read.faults if fault.path}
        more = [strict_yaml.Fault(read.line_of(path), path, text) for path, text in found if path not in blamed]
        mapping = strict_yaml.Fault(1, (), f"a scenario is a mapping; {one_of(Scenario.model_fields)}")
        raise ScenarioError(name, _told([*read.faults, *more] or [mapping]))
    return scenario_from(read.value, name, read.line_of)


def scenario_from(
    value: dict[str, Any], name: str = "the scenario", line_of: Callable[[KeyPath], int] = lambda path: 0
) -> Scenario:
    """The scenario that a mapping describes, as JSON has it. Raises ScenarioError, whose problems have lines where
    ``line_of`` knows them (0: it does not)."""
    scenario, found = _checked(value)
    if scenario is None:
        raise ScenarioError(name, _told(strict_yaml.Fault(line_of(path), path, text) for path, text in found))
    return scenario


def to_json(scenario: Scenario) -> dict[str, Any]:
    """What differs from the defaults, as JSON; `parse_scenario` of its text answers the same scenario."""
    found: dict[str, Any] = scenario.model_dump(mode="json", by_alias=True, exclude_defaults=True)
    found["mix"] = {kind: part["weight"] if list(part) == ["weight"] else part for kind, part in found["mix"].items()}
    if scenario.faults:  # the kind of each is a default, which is left out
        found["faults"] = [
            {"do": fault.do, **written} for fault, written in zip(scenario.faults, found["faults"], strict=True)
        ]
    return found


def to_yaml(scenario: Scenario) -> str:
    """The same as a file, with the line that editors need."""
    text = yaml.dump(to_json(scenario), Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=110)
    return f"# yaml-language-server: $schema={SCHEMA}\n{text}"


def _text(content: bytes | str, name: str) -> str:
    size = len(content if isinstance(content, bytes) else content.encode(errors="surrogatepass"))
    if size > MOST_BYTES:
        raise ScenarioError(name, [Told(text=f"is larger than {MOST_BYTES // 1024} KiB")])
    if isinstance(content, str):
        return content
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as exc:
        line = content.count(b"\n", 0, exc.start) + 1
        raise ScenarioError(name, [Told(line=line, text="is not UTF-8")]) from exc


def _told(faults: Iterable[strict_yaml.Fault]) -> list[Told]:
    """In the order of the file, each once."""
    ordered = sorted(set(faults), key=lambda fault: (fault.line, path_text(fault.path), fault.text))
    return [Told(line=fault.line or None, path=path_text(fault.path), text=fault.text) for fault in ordered]


def _checked(value: dict[str, Any]) -> tuple[Scenario | None, list[tuple[KeyPath, str]]]:
    """The scenario, or every problem of its fields and, where these leave it to be seen, of the whole."""
    try:
        return Scenario.model_validate(value, by_alias=True, by_name=False), []
    except ValidationError as exc:
        found = [(problem.path, problem.text) for problem in problems_of(exc)]
    if all(path and path[0] not in _BASIS for path, _ in found):
        found += _of_the_rest(value, [path for path, _ in found])
    return None, found


def _of_the_rest(value: dict[str, Any], wrong: list[KeyPath]) -> list[tuple[KeyPath, str]]:
    """What is wrong with the whole, once what is wrong in itself is left out."""
    rest = dict(value)
    for path in wrong:
        match path:
            case ("faults", int(place), *_):
                faults = list(rest["faults"])
                faults[place] = {"do": "kill_worker"}  # so that the others keep their places
                rest["faults"] = faults
            case ("expect", key, *_):
                rest["expect"] = {name: given for name, given in rest["expect"].items() if name != key}
            case _:
                rest.pop(str(path[0]), None)
    rest = {"scenario": "x", "about": "x", "mix": {"success": 1}, **rest}
    try:
        Scenario.model_validate(rest, by_alias=True, by_name=False)
    except ValidationError as exc:
        return [(problem.path, problem.text) for problem in problems_of(exc)]
    return []


class _Dumper(yaml.SafeDumper):
    """Quotes every text that a reader could take for something else."""


def _represent_text(dumper: yaml.SafeDumper, text: str) -> yaml.Node:
    try:
        plain = isinstance(strict_yaml.scalar(text), str)
    except ValueError:
        plain = False
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=None if plain else '"')


_Dumper.add_representer(str, _represent_text)
