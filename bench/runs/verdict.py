"""PASS, FAIL or UNKNOWN, and why in one sentence. Pure.

A run that never became quiet, whose fault did not fire, or of which a rule could not be decided is UNKNOWN, never PASS;
what is broken is FAIL, whatever else is unknown.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from bench.report.document import WORST, CommandVerdict, RuleWord
from bench.scenarios.model import RunVerdict

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from bench.report.document import Accounting, Criterion, FaultRecord, Rule

_BAD = (CommandVerdict.LOST, CommandVerdict.MISMATCH, CommandVerdict.STUCK)


@dataclass(frozen=True, kw_only=True)
class Seen:
    """Everything that decides. ``unknowns``: what the conductor itself could not tell, in words. ``known``: deviations
    of the engine that the scenario tolerates: a rule that one of them breaks may be broken, and is told as such."""

    accounting: Accounting
    verdicts: Mapping[str, int]
    rules: Iterable[Rule]
    faults: Iterable[FaultRecord]
    expectations: list[Criterion]
    sometimes: list[Criterion]
    known: frozenset[str] = frozenset()
    unknowns: list[str] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True)
class Decided:
    verdict: RunVerdict
    why: str
    unknowns: list[str]


def decide(seen: Seen) -> Decided:
    """The verdict on a run."""
    broken, unknowns = list(_broken(seen)), [*seen.unknowns, *_unknown(seen)]
    if broken:
        return Decided(verdict=RunVerdict.FAIL, why=_sentence(broken), unknowns=unknowns)
    if unknowns:
        return Decided(verdict=RunVerdict.UNKNOWN, why=_sentence(unknowns), unknowns=unknowns)
    count = seen.accounting.acknowledged
    fired = sum(1 for fault in seen.faults if fault.fired)
    faults = f" through {fired} fault{'s' if fired > 1 else ''}" if fired else ""
    known = seen.verdicts.get(CommandVerdict.KNOWN.value, 0)
    so = f", {known:,} of them by known deviations of the engine" if known else ""
    why = f"All {count:,} acknowledged commands came to what had to become of them{faults}{so}."
    return Decided(verdict=RunVerdict.PASS, why=why, unknowns=[])


def _broken(seen: Seen) -> Iterator[str]:
    for verdict in WORST:
        number = seen.verdicts.get(verdict.value, 0)
        if number and verdict in _BAD:
            yield f"{number:,} command{'s are' if number > 1 else ' is'} {verdict.label.lower()}"
    for rule in seen.rules:
        if rule.word is RuleWord.BROKEN and not seen.known.intersection(rule.deviations):
            yield f"{rule.id} is broken {rule.violations:,} time{'s' if rule.violations > 1 else ''}: {rule.text}"
    for fault in seen.faults:
        for criterion in fault.criteria:
            if criterion.held is False:
                yield f"{fault.do}: not so: {criterion.text} ({criterion.seen})"
    for criterion in seen.expectations:
        if criterion.held is False:
            yield f"not so: {criterion.text} ({criterion.seen})"


def _unknown(seen: Seen) -> Iterator[str]:
    for fault in seen.faults:
        if not fault.fired:
            yield f"{fault.do} did not fire{': ' + fault.detail if fault.detail else ''}"
        for criterion in fault.criteria:
            if criterion.held is None:
                yield f"{fault.do}: not told: {criterion.text}"
    for rule in seen.rules:
        if rule.word is RuleWord.UNKNOWN:
            yield f"{rule.id} was not decided: {rule.why}"
    for criterion in (*seen.sometimes, *seen.expectations):
        if criterion.held is None or (criterion in seen.sometimes and criterion.held is False):
            yield f"{criterion.text}: {criterion.seen}"


def _sentence(found: list[str]) -> str:
    first = f"{found[0][0].upper()}{found[0][1:]}"
    more = f" ({len(found) - 1} more)" if len(found) > 1 else ""
    return f"{first.rstrip('.')}{more}."
