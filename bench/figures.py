"""Medians, spreads, percentiles and slopes. Pure: numbers in, numbers out."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
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


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest value that at least this share (0 to 1) of the values do not exceed. ValueError without values."""
    if not values:
        raise ValueError("a percentile needs at least one value")
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def slope(points: Sequence[tuple[float, float]]) -> float:
    """How fast y grows with x, by least squares; 0 where x does not vary."""
    count = len(points)
    if count < 2:
        return 0.0
    mean_x = sum(x for x, _ in points) / count
    mean_y = sum(y for _, y in points) / count
    spread = sum((x - mean_x) ** 2 for x, _ in points)
    return sum((x - mean_x) * (y - mean_y) for x, y in points) / spread if spread else 0.0


def ratios(numerators: Sequence[float], denominators: Sequence[float]) -> list[float]:
    """One ratio for each round, of what was measured in the same round."""
    return [a / b for a, b in zip(numerators, denominators, strict=False) if b]
