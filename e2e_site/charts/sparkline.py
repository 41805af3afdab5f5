"""A row of small bars for a line of a table; charts/_sparkline.html draws it. Pure: numbers in, positions out."""

from collections.abc import Sequence
from dataclasses import dataclass

STEP, GAP = 12.0, 2.0  # from bar to bar, between two bars
HEIGHT = 20.0
LEAST = 2.0  # height of the lowest bar that is not empty


@dataclass(frozen=True, kw_only=True)
class SmallBar:
    """``title`` is what a pointer over it is told."""

    x: float
    y: float
    height: float
    title: str

    width = STEP - GAP


@dataclass(frozen=True, kw_only=True)
class Sparkline:
    """What a template draws; ``description`` says all of it in words."""

    bars: Sequence[SmallBar]
    description: str

    height = HEIGHT

    @property
    def width(self) -> float:
        return len(self.bars) * STEP - GAP


def sparkline(values: Sequence[int], names: Sequence[str]) -> Sparkline:
    """One bar a value, the highest as high as the line; 0 is a bar of no height. ``names`` say what each one counts."""
    most = max(values, default=0)
    told = [f"{name}: {value:,}" for name, value in zip(names, values, strict=True)]
    heights = [max(LEAST, round(HEIGHT * value / most, 1)) if value else 0.0 for value in values]
    return Sparkline(
        bars=[
            SmallBar(x=STEP * place, y=round(HEIGHT - height, 1), height=height, title=title)
            for place, (height, title) in enumerate(zip(heights, told, strict=True))
        ],
        description=", ".join(title for title, value in zip(told, values, strict=True) if value) or "none",
    )
