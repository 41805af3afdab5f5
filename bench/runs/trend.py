"""Whether something grows while the load stays as it is: by its trend, not by its level. Pure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING

from bench.figures import theil_sen
from bench.report.document import Criterion

if TYPE_CHECKING:
    from bench.report.document import Point
    from bench.scenarios.model import Scenario

SETTLING = 0.1  # of the load, at its beginning: caches fill
FEWEST = 10  # points that tell a trend
SHARE = 0.5  # of the median, that may be added over the load


@dataclass(frozen=True)
class Measure:
    """``least``: growth that is never too much, in ``unit``."""

    what: str
    unit: str
    least: float
    of: Callable[[Point], float | None]


MEASURES = (
    Measure("the p95 of each second", "ms", 50, lambda point: point.p95_ms),
    Measure("the queue", "messages", 20, lambda point: point.visible + point.leased + point.delayed),
    Measure("the age of the oldest message", "s", 0.5, lambda point: point.oldest_s),
    Measure("the processors' work", "%", 10, lambda point: point.processor),
)


def trends(scenario: Scenario, points: list[Point]) -> list[Criterion]:
    """One for each measure where the scenario asks for it."""
    if not scenario.expect.level:
        return []
    lasts = scenario.lasts_s
    during = [point for point in points if lasts * SETTLING <= point.at_s <= lasts]
    return [_criterion(measure, during) for measure in MEASURES]


def _criterion(measure: Measure, points: list[Point]) -> Criterion:
    text = f"{measure.what} does not grow"
    seen = [(point.at_s, value) for point in points if (value := measure.of(point)) is not None]
    if len(seen) < FEWEST:
        return Criterion(text=text, held=None, seen=f"{len(seen)} points are too few")
    growth = theil_sen(seen) * (seen[-1][0] - seen[0][0])
    allowed = max(measure.least, SHARE * median(value for _, value in seen))
    return Criterion(
        text=text, held=growth <= allowed, seen=f"{growth:+.1f} {measure.unit} over the load; {allowed:.1f} is allowed"
    )
