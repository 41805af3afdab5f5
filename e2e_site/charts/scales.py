"""Axes: which round numbers to write beside one, and where a value lies on it. Pure."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self


def short(value: float) -> str:
    """A number for an axis: "0.5", "20", "1.5k", "3M"."""
    for size, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= size:
            return f"{value / size:.4g}{unit}"
    return f"{value:.4g}"


def short_time(milliseconds: float) -> str:
    """ "20 ms", "1.5 s", "100 s": one unit, as short as an axis needs it."""
    return f"{milliseconds:.3g} ms" if milliseconds < 1000 else f"{milliseconds / 1000:.4g} s"


@dataclass(frozen=True, kw_only=True)
class Scale:
    """Values from ``low`` to ``high``, laid out from ``start`` to ``end``, evenly or by their logarithm."""

    low: float
    high: float
    start: float
    end: float
    log: bool = False
    ticks: Sequence[float]

    @classmethod
    def of_values(
        cls, values: Sequence[float | None], *, start: float, end: float, log: bool, whole: bool = False
    ) -> Self:
        """From a tick to a tick, for an axis of values: all are shown, and 0 unless it is logarithmic.

        ``whole``: of things that are counted, which have no halves.
        """
        low, high = _ends(values, log=log)
        ticks = log_ticks(low, high) if log else even_ticks(min(low, 0), max(high, 0), whole=whole)
        return cls(low=ticks[0], high=ticks[-1], start=start, end=end, log=log, ticks=ticks)

    @classmethod
    def of_range(cls, values: Sequence[float], *, start: float, end: float, log: bool) -> Self:
        """From the lowest value to the highest, for an axis of time or size, with the ticks between them."""
        low, high = _ends(values, log=log)
        if high <= low:
            high = low * 10 if log else low + 1
        ticks = [tick for tick in (log_ticks(low, high) if log else even_ticks(low, high)) if low <= tick <= high]
        return cls(low=low, high=high, start=start, end=end, log=log, ticks=ticks)

    def at(self, value: float | None) -> float | None:
        """Where a value is; None for what cannot be shown: nothing, no number, on a logarithmic scale 0 and below."""
        if value is None or not math.isfinite(value) or (self.log and value <= 0):
            return None
        return self.place(value)

    def place(self, value: float) -> float:
        """Where a value that can be shown is."""
        low, high, number = (math.log10(n) if self.log else n for n in (self.low, self.high, value))
        return round(self.start + (number - low) / (high - low) * (self.end - self.start), 1)


def _ends(values: Sequence[float | None], *, log: bool) -> tuple[float, float]:
    known = [value for value in values if value is not None and math.isfinite(value) and (value > 0 or not log)]
    return (min(known), max(known)) if known else (1.0, 10.0)


def even_ticks(low: float, high: float, wanted: int = 5, *, whole: bool = False) -> list[float]:
    """Round numbers at equal distances, from at most ``low`` to at least ``high``; ``whole``: no halves."""
    if high <= low:
        high = low + (abs(low) or 1)
    rough = max(1.0, (high - low) / wanted) if whole else (high - low) / wanted
    size = 10.0 ** math.floor(math.log10(rough))
    factors = (factor for factor in (1, 2, 2.5, 5, 10) if not whole or (size * factor).is_integer())
    step = next(size * factor for factor in factors if size * factor >= rough * 0.999)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [round(number * step, 12) for number in range(first, last + 1)]


def log_ticks(low: float, high: float) -> list[float]:
    """Powers of ten round the values; 2 and 5 times each where the powers are few."""
    first, last = math.floor(math.log10(low) + 1e-9), math.ceil(math.log10(high) - 1e-9)
    last = max(last, first + 1)
    steps = (1, 2, 5) if last - first <= 2 else (1,)
    return [step * 10.0**power for power in range(first, last) for step in steps] + [10.0**last]
