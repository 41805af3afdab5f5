"""The charts of a run: timelines over one shared axis, its faults shaded, and the spectrum of its latencies. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from e2e_site.charts.geometry import Series, Stretch, line_chart
from e2e_site.charts.scales import short, short_time
from e2e_site.texts import cut, visible

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from bench.report.document import Document, FaultRecord, Latency, Point
    from e2e_site.charts.geometry import Format, Value
    from e2e_site.charts.shapes import Chart

MOST_POINTS = 150  # a chart has no room for more
WIDTH, HEIGHT = 960.0, 170.0
LATENCY_NAMES = {
    "pickup": "due to first attempt",
    "service": "first attempt to end",
    "end_to_end": "due to end",
    "send_delay": "due to sent",
}
_COUNTS = {"offered": "due", "sent": "sent", "received": "attempts begun", "ended": "ended"}
_DEPTH = {"visible": "visible", "leased": "leased", "delayed": "delayed, for a retry"}
_PERCENTILES = {"p50_ms": "p50", "p95_ms": "p95", "p99_ms": "p99"}


@dataclass(frozen=True, kw_only=True)
class Picture:
    """A chart in its card. ``empty`` is said in its place where there is nothing to draw."""

    key: str
    title: str
    chart: Chart | None
    empty: str = ""


def timelines(document: Document) -> list[Picture]:
    """What went on over the seconds since sending began, in charts one below the other."""
    if not document.points:
        nothing = "Nothing was looked at while it ran: it was over before the first look."
        return [Picture(key="rates", title="Over time", chart=None, empty=nothing)]
    points = thinned(document.points, MOST_POINTS)
    x = [point.at_s for point in points]
    axis, faults = span(document), stretches(document.faults)

    def picture(
        key: str, title: str, y_label: str, series: Sequence[Series], description: str, *, log: bool = False,
        y_format: Format = short,
    ) -> Picture:  # fmt: skip
        chart = line_chart(
            title=title, description=f"{description} {_said(document.faults)}".strip(), x=x, series=series,
            x_label="seconds since sending began", y_label=y_label, log_y=log, width=WIDTH, height=HEIGHT,
            x_range=axis, stretches=faults, y_format=y_format,
        )  # fmt: skip
        return Picture(key=key, title=title, chart=chart)

    return [
        picture(
            "rates", "Commands per second", "commands per second", _rates(points),
            "How many commands were due, sent, begun and ended in each second.",
        ),
        picture(
            "depth", "Depth of the queue", "messages", _of(points, _DEPTH),
            "How many messages a worker could take, were leased, and were delayed for a retry.",
        ),
        picture(
            "oldest", "Age of the oldest message that waits", "seconds", _of(points, {"oldest_s": "oldest"}),
            "How long the oldest message had waited that a worker could take.",
        ),
        picture(
            "latency", "Latency", "from being due to the end", _of(points, _PERCENTILES),
            "Half, 95 and 99 of 100 commands that ended around that moment had been faster.",
            log=True, y_format=short_time,
        ),
    ]  # fmt: skip


def spectrum(latencies: Sequence[Latency]) -> Picture:
    """How long the fastest share of all took, over shares that come ever nearer to all."""
    title = "Spectrum of latencies"
    drawn = [latency for latency in latencies if latency.spectrum]
    x = sorted({_nines(share) for latency in drawn for share, _ in latency.spectrum if 0 <= share < 1})
    if not x:
        return Picture(key="spectrum", title=title, chart=None, empty="No latency was measured.")
    chart = line_chart(
        title=title,
        description="How long commands took at most, over the share of them, from the moment each was due.",
        x=x,
        series=[Series(name=LATENCY_NAMES[one.name], values=_at(x, one.spectrum)) for one in drawn],
        x_label="share of the commands",
        y_label="at most so long",
        log_x=True,
        log_y=True,
        x_format=share_text,
        y_format=short_time,
        width=WIDTH,
        height=240,
    )
    return Picture(key="spectrum", title=title, chart=chart)


def knee(tries: Sequence[dict[str, Any]], limit_ms: float) -> Picture:
    """How long commands took at each rate that was offered, and how long they might."""
    title = "Time from due to end, over the rate that was offered"
    measured = sorted((one for one in tries if one["p99_ms"] is not None), key=lambda one: one["rate"])
    if not measured:
        return Picture(key="knee", title=title, chart=None, empty="No rate was measured.")
    chart = line_chart(
        title=title,
        description="Half and 99 of 100 commands were faster at each rate; the limit is what 99 of 100 may take.",
        x=[one["rate"] for one in measured],
        series=[
            Series(name="p50", values=[one["p50_ms"] for one in measured]),
            Series(name="p99", values=[one["p99_ms"] for one in measured]),
            Series(name="limit", values=[limit_ms for _ in measured]),
        ],
        x_label="commands per second",
        y_label="from being due to the end",
        log_y=True,
        x_format=short,
        y_format=short_time,
        width=WIDTH,
        height=240,
    )
    return Picture(key="knee", title=title, chart=chart)


def span(document: Document) -> tuple[float, float]:
    """From when to when the shared axis goes: all that was seen, and every phase and fault."""
    ends = [point.at_s for point in document.points] + [end for _, _, end in document.phases]
    ends += [end for fault in document.faults for end in (fault.began_s, fault.ended_s) if end is not None]
    ends += [done.ended_s or done.began_s for done in document.lanes]
    return 0.0, max(ends, default=0.0) or 1.0


def stretches(faults: Iterable[FaultRecord]) -> list[Stretch]:
    """The faults that began, each from its beginning to its end."""
    found = []
    for fault in faults:
        if fault.began_s is None:
            continue
        until = "" if fault.ended_s is None else f" to {fault.ended_s:.1f} s"
        title = visible(f"{fault.id} {fault.do}, from {fault.began_s:.1f} s{until}")
        high = fault.began_s if fault.ended_s is None else fault.ended_s
        found.append(Stretch(low=fault.began_s, high=high, label=cut(visible(fault.id), 12), title=title))
    return found


def thinned(points: Sequence[Point], most: int) -> list[Point]:
    """At most so many: of each few the last, with the deepest queue and the longest times that any of them had.

    Counts only grow, so the last of some has them all.
    """
    together = -(-len(points) // most) or 1
    return [_worst(points[place : place + together]) for place in range(0, len(points), together)]


def share_text(nines: float) -> str:
    """Where ``1 / (1 - share)`` is that: "0 %", "90 %", "99.9 %"."""
    return f"{100 * (1 - 1 / nines):.6g} %"


def _worst(points: Sequence[Point]) -> Point:
    if len(points) == 1:
        return points[0]
    names = (*_DEPTH, "oldest_s", *_PERCENTILES, "processor")
    found = {name: max((v for p in points if (v := getattr(p, name)) is not None), default=None) for name in names}
    return points[-1].model_copy(update=found)


def _of(points: Sequence[Point], names: dict[str, str]) -> list[Series]:
    return [Series(name=words, values=[getattr(point, name) for point in points]) for name, words in names.items()]


def _rates(points: Sequence[Point]) -> list[Series]:
    return [
        Series(name=words, values=_per_second([(point.at_s, getattr(point, name)) for point in points]))
        for name, words in _COUNTS.items()
    ]


def _per_second(counts: Sequence[tuple[float, int]]) -> list[Value]:
    return [
        (count - before) / (at - since) if at > since else None
        for (since, before), (at, count) in pairwise([(0.0, 0), *counts])
    ]


def _nines(share: float) -> float:
    return 1 / (1 - share)


def _at(x: Sequence[float], known: Sequence[tuple[float, float]]) -> list[Value]:
    """The times at those places: what lies between two that are known goes in a straight line between them."""
    points = sorted((_nines(share), milliseconds) for share, milliseconds in known if 0 <= share < 1)
    return [_between(points, place) for place in x]


def _between(points: Sequence[tuple[float, float]], place: float) -> Value:
    if len(points) == 1 and points[0][0] == place:
        return points[0][1]
    for (left, low), (right, high) in pairwise(points):
        if left <= place <= right:
            return low + (high - low) * ((place - left) / (right - left) if right > left else 1)
    return None


def _said(faults: Iterable[FaultRecord]) -> str:
    told = [stretch.title for stretch in stretches(faults)]
    return f"Shaded: {'; '.join(told)}." if told else ""
