"""A chart over columns of time: counts stacked, lines over them, and each column a link to what is behind it. Pure.

The newest column may be open: more may come. It is drawn apart from those that have ended. Only a page can draw such a
chart (``charts/_chart.html``).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import accumulate

from e2e_site.charts.geometry import Format, Series, Value, dash_of, legend_of, line_of, tone_of
from e2e_site.charts.scales import Scale, short
from e2e_site.charts.shapes import BOTTOM, LEFT, RIGHT, TOP, Blocks, Chart, Flag, Line, Slot, Tick
from e2e_site.charts.times import time_ticks

FILLED = 0.82  # how much of its width a column takes
LEAST = 1.0  # height of what is there at all


@dataclass(frozen=True, kw_only=True)
class Place:
    """One column: where its link leads, what it is told with, whether more may come."""

    title: str
    href: str
    open: bool


@dataclass(frozen=True, kw_only=True)
class Moment:
    """Something that is marked over the chart; ``symbol``: one of the small shapes of `shapes`."""

    at: datetime
    symbol: str
    title: str


def column_chart(
    *,
    title: str,
    description: str,
    span: tuple[datetime, datetime],
    places: Sequence[Place],
    stacks: Sequence[Series] = (),
    lines: Sequence[Series] = (),
    moments: Sequence[Moment] = (),
    y_label: str = "",
    log_y: bool = False,
    y_format: Format = short,
    width: float = 560,
    height: float = 200,
) -> Chart:
    """``places`` are columns of one width over ``span``; each series has a value for each of them.

    ``stacks`` stand on each other, in their order; ``lines`` go through the middle of the columns.
    """
    across = Scale(low=span[0].timestamp(), high=span[1].timestamp(), start=LEFT, end=width - RIGHT, ticks=())
    up = _up(stacks, lines, log=log_y, height=height)
    step = (width - LEFT - RIGHT) / max(1, len(places))
    edges = [LEFT + step * place for place in range(len(places))]
    return Chart(
        title=title,
        description=description,
        x_label="UTC",
        y_label=y_label,
        width=width,
        height=height,
        x_ticks=[Tick(at=across.place(at.timestamp()), label=label) for at, label in time_ticks(*span)],
        y_ticks=[Tick(at=up.place(tick), label=y_format(tick)) for tick in up.ticks],
        rules=(),
        legend=legend_of([*stacks, *lines], width, height, lines=True, blocks=len(stacks)),
        lines=[
            _line(number, one, places, [edge + step / 2 for edge in edges], up, offset=len(stacks))
            for number, one in enumerate(lines)
        ],
        blocks=_blocks(stacks, places, edges, step, up),
        slots=[_slot(x, step, height, place) for x, place in zip(edges, places, strict=True)],
        flags=[_flag(moment, across) for moment in moments if span[0] <= moment.at <= span[1]],
    )


def _up(stacks: Sequence[Series], lines: Sequence[Series], *, log: bool, height: float) -> Scale:
    tops: list[Value] = [
        sum(value or 0 for value in values) for values in zip(*(s.values for s in stacks), strict=True)
    ]
    values = [value for one in lines for value in one.values] + tops
    if not log and not any(values):
        values = [1.0]  # an axis of counts where nothing happened goes to 1
    return Scale.of_values(values, start=height - BOTTOM, end=TOP, log=log, whole=not log)


def _line(number: int, series: Series, places: Sequence[Place], xs: Sequence[float], up: Scale, *, offset: int) -> Line:
    """The value of an open column is a dot apart: a line to it would fall for no other reason than that it is open."""
    ys = [up.at(value) for value in series.values]
    ended = [None if place.open else y for place, y in zip(places, ys, strict=True)]
    line = line_of(tone_of(number + offset, series), dash_of(number), [round(x, 1) for x in xs], ended)
    dots = [(round(x, 1), y) for x, y, place in zip(xs, ys, places, strict=True) if place.open and y is not None]
    return Line(tone=line.tone, dash=line.dash, path=line.path, dots=[*line.dots, *dots])


def _blocks(
    stacks: Sequence[Series], places: Sequence[Place], edges: Sequence[float], step: float, up: Scale
) -> list[Blocks]:
    """One path for each series, and one for its open columns."""
    columns = [list(accumulate((value or 0 for value in values), initial=0.0)) for values in _columns_of(stacks)]
    margin, width = step * (1 - FILLED) / 2, round(step * FILLED, 2)
    found = []
    for number, series in enumerate(stacks):
        paths = {False: "", True: ""}
        for place, x, levels in zip(places, edges, columns, strict=True):
            if levels[number + 1] > levels[number]:
                bottom, top = up.place(levels[number]), up.place(levels[number + 1])
                tall = max(LEAST, round(bottom - top, 1))
                paths[place.open] += f"M{round(x + margin, 1):g} {bottom:g}h{width:g}v{-tall:g}h{-width:g}z"
        found.append(Blocks(tone=tone_of(number, series), path=paths[False], open_path=paths[True]))
    return found


def _slot(x: float, width: float, height: float, place: Place) -> Slot:
    """The whole column, from top to bottom."""
    path = f"M{round(x, 1):g} {TOP:g}h{round(width, 1):g}v{height - BOTTOM - TOP:g}h-{round(width, 1):g}z"
    return Slot(path=path, title=place.title, href=place.href, open=place.open)


def _flag(moment: Moment, across: Scale) -> Flag:
    return Flag(x=across.place(moment.at.timestamp()), symbol=moment.symbol, title=moment.title)


def _columns_of(series: Sequence[Series]) -> list[tuple[Value, ...]]:
    return list(zip(*(one.values for one in series), strict=True))
