"""What a chart consists of: shapes with their positions, for templates to draw. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Tone = Literal["blue", "emerald", "cyan", "amber", "orange", "slate", "rose", "violet"]  # classes tone-* of status.css
LEFT, RIGHT, TOP, BOTTOM = 46.0, 14.0, 26.0, 30.0  # margins round the plot, for labels
# Small shapes round 0 0, as SVG path data.
DIAMOND, UP, DOWN, SQUARE = "M0-5l5 5-5 5-5-5z", "M0-4.5l5 8.5h-10z", "M0 4.5l-5-8.5h10z", "M-4-4h8v8h-8z"
LEGEND_ROW = 18.0  # height of a row


@dataclass(frozen=True, kw_only=True)
class Tick:
    """Something at one place of an axis: a tick with its number, a rule with its label."""

    at: float
    label: str


@dataclass(frozen=True, kw_only=True)
class Line:
    """``path`` is SVG path data; ``dots`` are points with a gap on both sides, which a path would not show."""

    tone: Tone
    dash: str
    path: str
    dots: Sequence[tuple[float, float]]


@dataclass(frozen=True, kw_only=True)
class Bar:
    """``title`` says which bar it is, and its value; ``whisker`` is the top and the bottom of one."""

    tone: Tone
    x: float
    y: float
    width: float
    height: float
    label: str
    title: str
    whisker: tuple[float, float] | None

    @property
    def middle(self) -> float:
        return round(self.x + self.width / 2, 1)

    @property
    def label_y(self) -> float:
        return round(min(self.y, *self.whisker) - 4 if self.whisker else self.y - 4, 1)


@dataclass(frozen=True, kw_only=True)
class Hover:
    """A column of the plot, and what a pointer over it is told."""

    x: float
    width: float
    title: str


@dataclass(frozen=True, kw_only=True)
class Key:
    """One entry of the legend. ``x`` and ``y`` are where a file draws it; a page makes a list of them instead."""

    name: str
    tone: Tone
    dash: str
    x: float
    y: float
    block: bool = False  # a filled shape, not a line


@dataclass(frozen=True, kw_only=True)
class Blocks:
    """Filled shapes of one series, as SVG path data; ``open_path`` those of columns that have not ended."""

    tone: Tone
    path: str
    open_path: str


@dataclass(frozen=True, kw_only=True)
class Slot:
    """A column of the plot, ``path``: what it is told with, and the address of what is behind it."""

    path: str
    title: str
    href: str
    open: bool


@dataclass(frozen=True, kw_only=True)
class Flag:
    """A moment that is marked; ``symbol``: one of the small shapes."""

    x: float
    symbol: str
    title: str


@dataclass(frozen=True, kw_only=True)
class Shade:
    """A stretch of the plot that is shaded, from top to bottom; ``label`` stands in it, ``title`` says what it is."""

    x: float
    width: float
    label: str
    title: str


@dataclass(frozen=True, kw_only=True)
class Chart:
    """What a template draws. ``height`` is that without the legend, ``full_height`` with it.

    ``slots`` are links, so such a chart is for pages alone.
    """

    title: str
    description: str
    x_label: str
    y_label: str
    width: float
    height: float
    x_ticks: Sequence[Tick]
    y_ticks: Sequence[Tick]
    rules: Sequence[Tick]
    legend: Sequence[Key]
    lines: Sequence[Line] = ()
    bars: Sequence[Bar] = ()
    hovers: Sequence[Hover] = ()
    blocks: Sequence[Blocks] = ()
    slots: Sequence[Slot] = ()
    flags: Sequence[Flag] = ()
    shades: Sequence[Shade] = ()

    left = LEFT
    top = TOP

    @property
    def right(self) -> float:
        return self.width - RIGHT

    @property
    def bottom(self) -> float:
        return self.height - BOTTOM

    @property
    def plot_height(self) -> float:
        return self.bottom - self.top

    @property
    def full_height(self) -> float:
        return (self.legend[-1].y + LEGEND_ROW) if self.legend else self.height
