"""Two runs side by side: what was asked for otherwise, and what came out otherwise. Pure.

A figure of a run of which there are several (the same scenario and seed) is shown with their median and spread: what
differs by less says nothing.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bench.figures import Figure
from bench.report.document import RuleWord
from bench.scenarios.model import Part

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from bench.report.document import Document

LEAST_FOR_A_MEDIAN = 3
MOST_TEXT = 200
_ACCOUNT = (
    *("attempted", "acknowledged", "errors", "unknown", "recovered", "completed", "failed", "parked", "canceled"),
    *("stuck", "lost", "unexpected", "duplicate_deliveries", "duplicate_effects", "duplicate_replies"),
)
_NAMES = {"pickup": "Pickup", "service": "Service", "end_to_end": "End to end", "send_delay": "Send delay"}
_PLAIN_PART = Part(weight=1).model_dump(mode="json", exclude={"weight"})
# What the comparison reads of each further run of the same scenario and seed: as in its document.
PARTS = ("accounting", "latency", "costs")


@dataclass(frozen=True, kw_only=True)
class Difference:
    """Something in words that is not the same in both; "" where one has it not at all."""

    name: str
    a: str
    b: str


@dataclass(frozen=True, kw_only=True)
class Measure:
    """One number of both runs, None where one has none. ``of_a``, ``of_b``: of all runs like that one, if several."""

    name: str
    unit: str
    a: float | None
    b: float | None
    of_a: Figure | None = None
    of_b: Figure | None = None

    @property
    def differs(self) -> bool:
        return self.a != self.b

    @property
    def change(self) -> float | None:
        """Percent from a to b, by the medians where both have one; None without a base."""
        a = self.of_a.median if self.of_a and self.of_b else self.a
        b = self.of_b.median if self.of_a and self.of_b else self.b
        return None if not a or b is None else (b - a) / a * 100

    @property
    def within_spread(self) -> bool:
        """Both spreads overlap: the difference may be chance."""
        return bool(self.of_a and self.of_b and self.of_a.low <= self.of_b.high and self.of_b.low <= self.of_a.high)


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """``settings``: what was asked for; ``surroundings``: versions and machine; ``outcome``: what came, in words."""

    settings: list[Difference]
    surroundings: list[Difference]
    outcome: list[Difference]
    measures: list[Measure]


def compare(
    a: Document, b: Document, like_a: Sequence[Mapping[str, Any]] = (), like_b: Sequence[Mapping[str, Any]] = ()
) -> Comparison:
    """``like_a``, ``like_b``: the `PARTS` of all runs like the one and the other, itself included."""
    return Comparison(
        settings=_differences(_setting(a), _setting(b)),
        surroundings=_differences(_surroundings(a), _surroundings(b)),
        outcome=_differences(_outcome(a), _outcome(b)),
        measures=list(_measures(a, b, like_a, like_b)),
    )


def _setting(document: Document) -> dict[str, str]:
    """What was asked for; of the parts of the mix what is not as it is by default."""
    first = {"scenario": document.head.scenario, "seed": str(document.head.seed)}
    asked = {name: value for name, value in document.scenario.items() if name not in ("about", *first)}
    asked["mix"] = {
        kind: {name: value for name, value in part.items() if value != _PLAIN_PART.get(name)}
        for kind, part in asked.get("mix", {}).items()
    }
    return {**first, **dict(_flat(asked))}


def _surroundings(document: Document) -> dict[str, str]:
    return dict(_flat({"version": document.versions, "environment": document.environment}))


def _outcome(document: Document) -> dict[str, str]:
    found = {"verdict": document.head.verdict.value, "why": document.head.why}
    found |= {f"{row.behavior}": _ends(row.cells) for row in document.matrix}
    found["rules broken"] = _listed(rule.id for rule in document.rules if rule.word is RuleWord.BROKEN)
    found["rules not decided"] = _listed(rule.id for rule in document.rules if rule.word is RuleWord.UNKNOWN)
    found["not as expected"] = _listed(each.text for each in document.expectations if each.held is False)
    found["never happened"] = _listed(each.text for each in document.sometimes if each.held is False)
    for place, fault in enumerate(document.faults):
        fired = {True: "fired", False: "did not fire", None: "not told"}[fault.fired]
        kept = _listed(each.text for each in fault.criteria if each.held is False)
        found[f"fault {place + 1}, {fault.do}"] = fired + (f"; not so: {kept}" if kept else "")
    return found


def _ends(cells: Iterable[Any]) -> str:
    return _listed(f"{cell.count:,} {cell.status}" for cell in sorted(cells, key=lambda cell: str(cell.status)))


def _listed(words: Iterable[str]) -> str:
    return ", ".join(words)


def _flat(value: Any, way: str = "") -> Iterator[tuple[str, str]]:
    """Every value at the end of its way: ``load.0.rate``."""
    steps = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else None
    if steps is None:
        yield way, value if isinstance(value, str) else json.dumps(value)
        return
    for step, inner in steps:
        yield from _flat(inner, f"{way}.{step}" if way else str(step))


def _differences(a: Mapping[str, str], b: Mapping[str, str]) -> list[Difference]:
    names = [*a, *(name for name in b if name not in a)]
    return [Difference(name=name, a=a.get(name, ""), b=b.get(name, "")) for name in names if a.get(name) != b.get(name)]


def _measures(
    a: Document, b: Document, like_a: Sequence[Mapping[str, Any]], like_b: Sequence[Mapping[str, Any]]
) -> Iterator[Measure]:
    of_a, of_b = (_numbers(document.model_dump(include=set(PARTS), mode="json")) for document in (a, b))
    of_a["Seconds", "s"], of_b["Seconds", "s"] = a.head.seconds, b.head.seconds
    all_a, all_b = [_numbers(part) for part in like_a], [_numbers(part) for part in like_b]
    for name, unit in [*of_a, *(key for key in of_b if key not in of_a)]:
        yield Measure(
            name=name, unit=unit, a=of_a.get((name, unit)), b=of_b.get((name, unit)),
            of_a=_spread(all_a, (name, unit)), of_b=_spread(all_b, (name, unit)),
        )  # fmt: skip


def _numbers(parts: Mapping[str, Any]) -> dict[tuple[str, str], float | None]:
    """Every number of a document that may be compared, by its name and unit."""
    found: dict[tuple[str, str], float | None] = {}
    account = parts.get("accounting") or {}
    for name in _ACCOUNT:
        found[name.replace("_", " ").capitalize(), ""] = account.get(name)
    for latency in parts.get("latency") or ():
        for point in ("p50", "p90", "p99", "most"):
            found[f"{_NAMES.get(latency['name'], latency['name'])}, {point}", "ms"] = latency.get(point)
    for cost in parts.get("costs") or ():
        if cost.get("per_command") is not None:
            found[f"{cost['name']} per command", cost["unit"]] = cost["per_command"]
        else:
            found[cost["name"], cost["unit"]] = cost.get("value")
    return found


def _spread(numbers: Sequence[Mapping[tuple[str, str], float | None]], key: tuple[str, str]) -> Figure | None:
    values = [value for each in numbers if (value := each.get(key)) is not None]
    return Figure.of(values) if len(values) >= LEAST_FOR_A_MEDIAN else None
