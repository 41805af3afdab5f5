"""The charts of a load test, made of its samples. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from e2e_site.charts.geometry import Series, line_chart
from e2e_site.charts.scales import short_time

if TYPE_CHECKING:
    from collections.abc import Sequence

    from e2e_site.charts.shapes import Chart

POINTS = 120  # a chart has no room for more

Point = dict[str, Any]


def charts(points: Sequence[Point]) -> dict[str, Chart]:
    """``rates``, ``queue`` and ``latency`` over the seconds since sending began, of the points of `per_second`."""
    x = [point["at_s"] for point in points]

    def series(**names: str) -> list[Series]:
        return [Series(name=words, values=[point[name] for point in points]) for name, words in names.items()]

    return {
        "rates": line_chart(
            title="Commands per second",
            description="How many commands were sent, begun and ended in each second of the run.",
            x=x,
            x_label="seconds",
            y_label="commands per second",
            series=series(sent_per_s="sent", received_per_s="attempts begun", ended_per_s="ended"),
        ),
        "queue": line_chart(
            title="Queue",
            description="How many commands waited for their first attempt, and how many had begun and not ended.",
            x=x,
            x_label="seconds",
            y_label="commands",
            series=series(waiting="waiting", in_progress="begun, not ended"),
        ),
        "latency": line_chart(
            title="Latency",
            description="How long commands took from sending to their end: half, 95 and 99 of 100 were faster.",
            x=x,
            x_label="seconds",
            y_label="from sending to the end",
            log_y=True,
            y_format=short_time,
            series=series(p50_ms="p50", p95_ms="p95", p99_ms="p99"),
        ),
    }


def per_second(points: Sequence[Point]) -> list[Point]:
    """The points with ``sent_per_s``, ``received_per_s`` and ``ended_per_s`` since the one before."""
    before: Point = {"at_s": 0.0, "sent": 0, "received": 0, "ended": 0}
    found = []
    for point in points:
        seconds = point["at_s"] - before["at_s"]
        speeds = {
            f"{name}_per_s": (point[name] - before[name]) / seconds if seconds > 0 else None
            for name in ("sent", "received", "ended")
        }
        found.append({**point, **speeds})
        before = point
    return found
