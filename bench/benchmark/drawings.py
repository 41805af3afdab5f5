"""Charts of what was measured, for the docs: one function for each case that has one."""

from collections.abc import Callable, Mapping, Sequence
from statistics import median

from bench.benchmark.results import Point, Result
from bench.figures import Figure
from e2e_site.charts.geometry import Rule, Series, bar_chart, line_chart
from e2e_site.charts.shapes import Chart

_PER_S = "commands/s"


def _drain(result: Result) -> Chart:
    best = {kind: _best(result, kind) for kind in ("library", "bare")}
    bars = {
        "native": "native, 200",
        "native-deep": "native, 400",
        "ceiling": "ceiling",
        best["library"]: "library",
        best["bare"]: "bare handler",
    }
    description = f"{_PER_S} of one process, native with 200 and 400 slots, library at its best"
    return _bars(result, bars, title="Working off a backlog", description=description)


def _send(result: Result) -> Chart:
    bars = {
        "one": "1 connection",
        "ceiling-one": "ceiling, 1",
        "two": "2 connections",
        "ceiling-two": "ceiling, 2",
        "library": "send_batch",
    }
    return _bars(result, bars, title="Sending", description=f"{_PER_S} sent")


def _processes(result: Result) -> Chart:
    bars = {name: f"{name} process{'es' if name != '1' else ''}" for name in ("1", "2", "4")}
    return _bars(result, bars, title="Several processes", description=f"{_PER_S} of all of them together")


def _latency(result: Result) -> Chart:
    rows = {"pickup": "to RECEIVED", "done": "to COMPLETED", "seen": "to the answer", "ceiling": "ceiling"}
    series = [
        Series(
            name=share,
            values=[_median(result, f"{row}-{share}") for row in rows],
            spread=[_spread(result, f"{row}-{share}") for row in rows],
        )
        for share in ("p50", "p99")
    ]
    return bar_chart(
        title="One command on an idle system",
        description="Milliseconds from the send of a single command, default settings",
        groups=list(rows.values()),
        series=series,
        y_label="ms",
    )


def _growth(result: Result) -> Chart:
    slices, fresh = dict(result.series["slices"]), dict(result.series["fresh"])
    x = sorted({*slices, *fresh})
    return line_chart(
        title="Working off 1,000,000 commands",
        description="Rate of each slice of 10,000 and of fresh drains between, over what had been worked off",
        x=x,
        series=[
            Series(name="slices of the backlog", values=[slices.get(at) for at in x]),
            Series(name="fresh drains", values=[fresh.get(at) for at in x]),
        ],
        x_label="commands worked off",
        y_label=_PER_S,
    )


def _snapshot(result: Result) -> Chart:
    points: Sequence[Point] = result.series["rate"]
    held, before = result.sizes["held_s"], _median(result, "before")
    inside = [value if 0 <= second < held else None for second, value in points]
    outside = [value if not 0 <= second < held - 1 else None for second, value in points]
    return line_chart(
        title="While a transaction holds a snapshot",
        description=f"{_PER_S} in each second; the snapshot is held from second 0 to {held}",
        x=[second for second, _ in points],
        series=[Series(name="before and after", values=outside), Series(name="snapshot held", values=inside)],
        x_label="seconds from the begin of the transaction",
        y_label=_PER_S,
        rules=[Rule(value=before / 2, label="half of before")] if before else [],
    )


CHARTS: Mapping[str, Callable[[Result], Chart]] = {
    "drain": _drain,
    "send": _send,
    "latency": _latency,
    "growth": _growth,
    "snapshot": _snapshot,
    "processes": _processes,
}


def _bars(result: Result, bars: Mapping[str, str], *, title: str, description: str) -> Chart:
    """One bar for each metric that was measured, with a whisker from the lowest to the highest round."""
    measured = {metric: label for metric, label in bars.items() if metric in result.values}
    return bar_chart(
        title=title,
        description=description,
        groups=list(measured.values()),
        series=[
            Series(
                name="median, and lowest to highest",
                values=[_median(result, metric) for metric in measured],
                spread=[_spread(result, metric) for metric in measured],
                tone="blue",
            )
        ],
        y_label=_PER_S,
    )


def _best(result: Result, kind: str) -> str:
    """Of the metrics ``kind-*`` the one with the highest median; ``kind`` where there is none."""
    names = [name for name in result.values if name.startswith(f"{kind}-")]
    return max(names, key=lambda name: median(result.values[name]), default=kind)


def _median(result: Result, metric: str) -> float | None:
    return median(result.values[metric]) if result.values.get(metric) else None


def _spread(result: Result, metric: str) -> tuple[float, float] | None:
    if not result.values.get(metric):
        return None
    figure = Figure.of(result.values[metric])
    return figure.low, figure.high
