"""Targets and the verdict on each. Pure: results in, verdicts out.

OK: reached. BOUND: not reached, but PostgreSQL alone does not reach it here either, measured with the same
statements in the same run; or what is reached is what the limit comes to at the pace of this machine, measured in the
same run too. MISSED: anything else, also what was not measured.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from statistics import median

from bench.benchmark.measures import Measure, of
from bench.benchmark.results import Results
from bench.figures import Figure


class Word(StrEnum):
    """What a verdict comes to."""

    OK = "OK"
    BOUND = "BOUND"
    MISSED = "MISSED"


class Side(StrEnum):
    """On which side of its limit a figure has to be."""

    AT_LEAST = "≥"
    AT_MOST = "≤"


@dataclass(frozen=True, kw_only=True)
class Target:
    """One figure to reach, decided by the median.

    ``ceiling`` is the same figure for PostgreSQL alone: a target that has one can be BOUND, but not where less than
    ``floor`` was reached. ``pace``: what the limit comes to here, by what PostgreSQL alone does. ``resource``:
    the metric (case, name) while which the processors were watched.
    """

    text: str
    measure: Measure
    side: Side
    limit: float
    unit: str = ""
    digits: int = 3
    ceiling: Measure | None = None
    pace: Measure | None = None
    floor: float | None = None
    resource: tuple[str, str] | None = None
    remark: str = ""

    @property
    def needs(self) -> frozenset[str]:
        """The cases that it is measured by."""
        others = (measure.needs for measure in (self.ceiling, self.pace) if measure)
        return self.measure.needs.union(*others)

    def reached_by(self, value: float, limit: float | None = None) -> bool:
        """Whether such a figure is on the right side of the limit, or of another one."""
        limit = self.limit if limit is None else limit
        return value >= limit if self.side is Side.AT_LEAST else value <= limit

    def shown(self, value: float) -> str:
        return f"{value:,.{self.digits}f} {self.unit}".strip()


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What was measured against a target; ``because``: what PostgreSQL alone did, and what limits it."""

    target: Target
    figure: Figure | None
    word: Word
    because: str = ""


def judge(target: Target, results: Results) -> Verdict:
    """The verdict on one target."""
    values = target.measure.values(results)
    if not values:
        return Verdict(target=target, figure=None, word=Word.MISSED, because="not measured")
    figure = Figure.of(values)
    if target.reached_by(figure.median):
        return Verdict(target=target, figure=figure, word=Word.OK)
    if target.pace and (paces := target.pace.values(results)):
        return _at_pace(target, figure, median(paces))
    allowed = target.ceiling.values(results) if target.ceiling else []
    if not allowed:
        return Verdict(target=target, figure=figure, word=Word.MISSED)
    below_floor = target.floor is not None and figure.median < target.floor
    bound = not below_floor and not target.reached_by(median(allowed))
    return Verdict(
        target=target,
        figure=figure,
        word=Word.BOUND if bound else Word.MISSED,
        because=_because(target, median(allowed), results),
    )


def _at_pace(target: Target, figure: Figure, limit: float) -> Verdict:
    """A faster machine than the one that the limit is for makes no limit stricter."""
    slower = not target.reached_by(limit)
    bound = slower and target.reached_by(figure.median, limit)
    sign = target.side.value
    because = f"at this machine's pace {sign} {target.shown(limit)}" if slower else ""
    return Verdict(target=target, figure=figure, word=Word.BOUND if bound else Word.MISSED, because=because)


def judge_all(targets: Iterable[Target], results: Results) -> list[Verdict]:
    return [judge(target, results) for target in targets]


def _because(target: Target, allowed: float, results: Results) -> str:
    about = results[min(target.ceiling.needs if target.ceiling else target.needs)].environment
    said = [f"pgbench {target.shown(allowed)}"]
    if target.resource and (busy := of(*target.resource).values(results)):
        said.append(f"processors {median(busy):.0f} % busy")
    if disk := about.get("fdatasync_ms"):
        said.append(f"fdatasync {disk[0]:.2f} ms")
    return ", ".join(said)
