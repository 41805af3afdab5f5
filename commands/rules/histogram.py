"""Durations counted in buckets of a quarter octave: each is 19 % wider than the one before. Pure.

Bucket 0 holds what took less than a millisecond; bucket n, from 1 on, what took from ``2 ** ((n - 1) / 4)`` up to
``2 ** (n / 4)`` ms. The last one, `BUCKETS` - 1, holds all that took longer than about four days.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass

BUCKETS = 114


@dataclass(frozen=True)
class Histogram:
    """``counts`` of the buckets from the first on; those that are left out at the end are empty."""

    counts: tuple[int, ...] = ()

    @property
    def total(self) -> int:
        return sum(self.counts)

    def percentile(self, share: float) -> float | None:
        """Milliseconds that ``share`` (0 to 1) of them did not exceed, within 19 %: a bucket's upper end."""
        rank, seen = max(1, math.ceil(self.total * share)), 0
        for number, count in enumerate(self.counts):
            seen += count
            if seen >= rank:
                return upper_ms(number)
        return None

    @staticmethod
    def sum_of(parts: "Iterable[Histogram]") -> "Histogram":
        counts = [0] * BUCKETS
        for part in parts:
            for number, count in enumerate(part.counts):
                counts[number] += count
        while counts and not counts[-1]:
            counts.pop()
        return Histogram(tuple(counts))


def upper_ms(bucket: int) -> float:
    """Where a bucket ends, in milliseconds."""
    return float(2 ** (bucket / 4))
