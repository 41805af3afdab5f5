"""Charts as geometry: numbers in, positions out; templates draw them. Pure: no Django, no database.

`line_chart` and `bar_chart` answer a `Chart`. ``charts/_chart.html`` draws it into a page, coloured by the theme's
style sheet; ``charts/chart.svg`` draws it as a file of its own, for the docs, with its colours inside::

    chart = line_chart(title="Rate", description="…", x=[0, 1, 2], series=[Series(name="sent", values=[10, 12, None])])
    Path("rate.svg").write_text(render_to_string("charts/chart.svg", {"chart": chart}))

Lengths are in units of the drawing (pixels at its natural size); y grows downwards.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from e2e_site.charts.scales import Scale, short
from e2e_site.charts.shapes import BOTTOM, LEFT, LEGEND_ROW, RIGHT, TOP, Bar, Chart, Hover, Key, Line, Shade, Tick, Tone

TONES: tuple[Tone, ...] = ("blue", "emerald", "amber", "rose", "cyan", "orange", "slate")
# Never by colour alone: lines have a pattern too (SVG's stroke-dasharray), by their position.
DASHES = ("", "6 3", "2 3", "8 3 2 3", "4 2", "1 2", "10 4")
CHARACTER, KEY_MARK = 6.2, 30.0  # widths in a legend, about: of a letter, of the mark before it
BARS_OF_GROUP = 0.8  # how much of a group's width its bars take

Format = Callable[[float], str]
Value = float | None


@dataclass(frozen=True, kw_only=True)
class Series:
    """One line, or one bar of each group. ``None`` is a gap; so is what a log axis cannot show (0 and below).

    ``spread`` gives bars a whisker from the lowest to the highest measurement: one pair, or None, per value. Without a
    ``tone`` the series' position decides.
    """

    name: str
    values: Sequence[Value]
    tone: Tone | None = None
    spread: Sequence[tuple[float, float] | None] = ()


@dataclass(frozen=True, kw_only=True)
class Rule:
    """A horizontal line across the chart: a target, a limit."""

    value: float
    label: str


@dataclass(frozen=True, kw_only=True)
class Stretch:
    """A part of the x axis during which something went on; ``label`` is short."""

    low: float
    high: float
    label: str
    title: str


def line_chart(
    *,
    title: str,
    description: str,
    x: Sequence[float],
    series: Sequence[Series],
    x_label: str = "",
    y_label: str = "",
    log_x: bool = False,
    log_y: bool = False,
    rules: Sequence[Rule] = (),
    x_format: Format = short,
    y_format: Format = short,
    width: float = 560,
    height: float = 240,
    x_range: tuple[float, float] | None = None,
    stretches: Sequence[Stretch] = (),
) -> Chart:
    """Lines over ``x``, which grows; a series has one value per x. A y axis that is not logarithmic shows 0.

    ``x_range``: from where to where the axis goes, for charts that share one; without it from the first x to the last.
    """
    across = Scale.of_range(x if x_range is None else x_range, start=LEFT, end=width - RIGHT, log=log_x)
    up = _up(series, rules, log=log_y, height=height)
    columns = [across.place(value) for value in x]
    return Chart(
        title=title,
        description=description,
        x_label=x_label,
        y_label=y_label,
        width=width,
        height=height,
        x_ticks=[Tick(at=across.place(tick), label=x_format(tick)) for tick in across.ticks],
        y_ticks=[Tick(at=up.place(tick), label=y_format(tick)) for tick in up.ticks],
        rules=[Tick(at=up.place(rule.value), label=rule.label) for rule in rules],
        legend=legend_of(series, width, height, lines=True),
        lines=[
            line_of(tone_of(n, one), dash_of(n), columns, list(map(up.at, one.values))) for n, one in enumerate(series)
        ],
        hovers=_hovers([x_format(value) for value in x], columns, series, y_format),
        shades=shades_of(stretches, across),
    )


def bar_chart(
    *,
    title: str,
    description: str,
    groups: Sequence[str],
    series: Sequence[Series],
    y_label: str = "",
    log_y: bool = False,
    rules: Sequence[Rule] = (),
    y_format: Format = short,
    width: float = 560,
    height: float = 240,
) -> Chart:
    """Groups of bars side by side; a series has one value per group. A log axis begins well below the lowest value."""
    up = _up(series, rules, log=log_y, height=height, below=0.5)
    group_width = (width - LEFT - RIGHT) / max(1, len(groups))
    bar_width = group_width * BARS_OF_GROUP / max(1, len(series))
    bars = []
    for place, group in enumerate(groups):
        x = LEFT + group_width * (place + (1 - BARS_OF_GROUP) / 2)
        for number, one in enumerate(series):
            bar = _bar(group, one, place, up, y_format, x=x + bar_width * number, width=bar_width, number=number)
            bars += [bar] if bar else []
    return Chart(
        title=title,
        description=description,
        x_label="",
        y_label=y_label,
        width=width,
        height=height,
        x_ticks=[Tick(at=round(LEFT + group_width * (n + 0.5), 1), label=group) for n, group in enumerate(groups)],
        y_ticks=[Tick(at=up.place(tick), label=y_format(tick)) for tick in up.ticks],
        rules=[Tick(at=up.place(rule.value), label=rule.label) for rule in rules],
        legend=legend_of(series, width, height, lines=False),
        bars=bars,
    )


def shades_of(stretches: Sequence[Stretch], across: Scale) -> list[Shade]:
    """Where they are on an axis; what of them is beside it is left out. A moment is 2 wide, so that it is seen."""
    shades = []
    for stretch in stretches:
        low, high = max(stretch.low, across.low), min(max(stretch.high, stretch.low), across.high)
        if low <= high:
            x, to = across.place(low), across.place(high)
            shades.append(Shade(x=x, width=max(2.0, round(to - x, 1)), label=stretch.label, title=stretch.title))
    return shades


def _up(series: Sequence[Series], rules: Sequence[Rule], *, log: bool, height: float, below: float = 1) -> Scale:
    values = [value for one in series for value in one.values] + [rule.value for rule in rules]
    values += [end for one in series for pair in one.spread if pair for end in pair]
    if log:
        values += [value * below for value in values if value is not None]
    return Scale.of_values(values, start=height - BOTTOM, end=TOP, log=log)


def tone_of(number: int, series: Series) -> Tone:
    return series.tone or TONES[number % len(TONES)]


def dash_of(number: int) -> str:
    return DASHES[number % len(DASHES)]


def line_of(tone: Tone, dash: str, xs: Sequence[float], ys: Sequence[Value]) -> Line:
    path, dots, drawing = [], [], False
    for place, (x, y) in enumerate(zip(xs, ys, strict=True)):
        if y is None:
            drawing = False
            continue
        if not drawing and (place + 1 == len(ys) or ys[place + 1] is None):
            dots.append((x, y))
        else:
            path.append(f"{'L' if drawing else 'M'}{x:g} {y:g}")
            drawing = True
    return Line(tone=tone, dash=dash, path="".join(path), dots=dots)


def _bar(
    group: str, series: Series, place: int, up: Scale, y_format: Format, *, x: float, width: float, number: int
) -> Bar | None:
    value = series.values[place]
    top = up.at(value)
    if value is None or top is None:
        return None
    pair = series.spread[place] if series.spread else None
    span = f" ({y_format(pair[0])} to {y_format(pair[1])})" if pair else ""
    return Bar(
        tone=tone_of(number, series),
        x=round(x, 1),
        y=top,
        width=round(width * 0.94, 1),
        height=round(up.start - top, 1),
        label=y_format(value),
        title=f"{group}, {series.name}: {y_format(value)}{span}",
        whisker=(up.place(pair[1]), up.place(pair[0])) if pair else None,
    )


def _hovers(labels: Sequence[str], xs: Sequence[float], series: Sequence[Series], y_format: Format) -> list[Hover]:
    edges = [xs[0], *((a + b) / 2 for a, b in pairwise(xs)), xs[-1]] if xs else []
    titles = (
        f"{label}: " + ", ".join(f"{one.name} {_said(one.values[n], y_format)}" for one in series)
        for n, label in enumerate(labels)
    )
    return [
        Hover(x=round(left, 1), width=round(right - left, 1), title=title)
        for (left, right), title in zip(pairwise(edges), titles, strict=True)
    ]


def _said(value: Value, y_format: Format) -> str:
    return "none" if value is None else y_format(value)


def legend_of(series: Sequence[Series], width: float, height: float, *, lines: bool, blocks: int = 0) -> list[Key]:
    """The first ``blocks`` are filled shapes; the patterns of lines are counted from there."""
    keys: list[Key] = []
    x, y = LEFT, height + LEGEND_ROW / 2
    for number, one in enumerate(series):
        size = KEY_MARK + len(one.name) * CHARACTER + 10
        if keys and x + size > width - RIGHT:
            x, y = LEFT, y + LEGEND_ROW
        block = number < blocks
        dash = dash_of(number - blocks) if lines and not block else ""
        keys.append(Key(name=one.name, tone=tone_of(number, one), dash=dash, x=x, y=y, block=block))
        x += round(size, 1)
    return keys
