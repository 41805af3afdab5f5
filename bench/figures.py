"""Medians, spreads, percentiles, slopes and ratios. Pure: numbers in, numbers out."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from statistics import StatisticsError, linear_regression, median, quantiles
from typing import Self


@dataclass(frozen=True, kw_only=True)
class Figure:
    """What several measurements of one thing say: their median, and the smallest and largest of them."""

    median: float
    low: float
    high: float
    count: int

    @classmethod
    def of(cls, values: Sequence[float]) -> Self:
        """Raises ValueError where nothing was measured."""
        if not values:
            raise ValueError("a figure needs at least one value")
        return cls(median=median(values), low=min(values), high=max(values), count=len(values))


def percentile(values: Sequence[float], percent: int) -> float:
    """The 1st to 99th percentile as PostgreSQL's percentile_cont has it: between two values in proportion.

    So it may be compared with figures that a query made. Raises ValueError without values.
    """
    if not values:
        raise ValueError("a percentile needs at least one value")
    if len(values) == 1:
        return values[0]
    return quantiles(values, n=100, method="inclusive")[percent - 1]


def slope(points: Sequence[tuple[float, float]]) -> float:
    """How fast y grows with x, by least squares; 0 where x does not vary."""
    try:
        return linear_regression([x for x, _ in points], [y for _, y in points]).slope
    except StatisticsError:  # fewer than two points, or all at one x
        return 0.0


def theil_sen(points: Sequence[tuple[float, float]]) -> float:
    """How fast y grows with x: the median of the slopes between all pairs, which a few wild values do not move; 0 where
    x does not vary."""
    slopes = [(b[1] - a[1]) / (b[0] - a[0]) for a, b in combinations(points, 2) if a[0] != b[0]]
    return median(slopes) if slopes else 0.0


def ratios(numerators: Sequence[float], denominators: Sequence[float]) -> list[float]:
    """One ratio for each round, of what was measured in the same round."""
    return [a / b for a, b in zip(numerators, denominators, strict=False) if b]
