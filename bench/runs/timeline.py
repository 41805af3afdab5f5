"""What happened in each second of a run: counts by the ledgers and the audit trail, depth as it was looked at."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from itertools import accumulate
from math import ceil, floor
from typing import TYPE_CHECKING, Any, LiteralString

from psycopg.rows import tuple_row

from bench.report.document import Point
from bench.runs.latencies import enough

if TYPE_CHECKING:
    from collections.abc import Sequence

    import psycopg

    from bench.scenarios.plan import Plan

MOST_POINTS = 600
BEYOND = 1  # a percentile of one second is a line in a chart: one value beyond it is enough
_SHARES = (0.5, 0.95, 0.99)

_LASTS: LiteralString = "SELECT coalesce(max(greatest(sent, received, ended)), 0) FROM pg_temp.bench_told"
_COUNTS: LiteralString = """
    SELECT place, count(*) FILTER (WHERE what = 's'), count(*) FILTER (WHERE what = 'r'),
           count(*) FILTER (WHERE what = 'e')
    FROM (
        SELECT greatest(0, floor(sent / %(width)s))::int AS place, 's' AS what FROM pg_temp.bench_told
        UNION ALL
        SELECT greatest(0, floor(received / %(width)s))::int, 'r' FROM pg_temp.bench_told WHERE received IS NOT NULL
        UNION ALL
        SELECT greatest(0, floor(ended / %(width)s))::int, 'e' FROM pg_temp.bench_told WHERE ended IS NOT NULL
    ) AS happened
    GROUP BY place
"""
_TOOK: LiteralString = """
    SELECT greatest(0, floor(ended / %(width)s))::int AS place, count(*),
           percentile_cont(%(shares)s::float8[]) WITHIN GROUP (ORDER BY (ended - intended) * 1000)
    FROM pg_temp.bench_told WHERE ended IS NOT NULL AND of_plan AND taken
    GROUP BY place
"""
# A command waits for its retry from its FAILED to what comes next. Late ends do not count: they change nothing.
_WAITS: LiteralString = """
    SELECT greatest(0, floor(extract(epoch FROM ts - %(began)s) / %(width)s))::int AS place,
           sum((event_type = 'FAILED')::int - coalesce(before = 'FAILED', false)::int)
    FROM (
        SELECT event_type, ts, lag(event_type) OVER (PARTITION BY command_id ORDER BY audit_id) AS before
        FROM commandbus.audit
        WHERE command_id IN (SELECT command_id FROM pg_temp.bench_told WHERE attempts > 0)
          AND event_type IN ('RECEIVED', 'FAILED', 'COMPLETED', 'BUSINESS_RULE_FAILED', 'MOVED_TO_TSQ')
          AND command_id IN (SELECT command_id FROM commandbus.audit WHERE event_type = 'FAILED')
    ) AS events
    WHERE event_type = 'FAILED' OR before = 'FAILED'
    GROUP BY place
"""


@dataclass(frozen=True, kw_only=True)
class Looked:
    """What was seen of the queue in one stretch: the deepest look of those that fell into it."""

    visible: int = 0
    hidden: int = 0
    oldest_s: float = 0.0
    processor: float | None = None


def points(conn: psycopg.Connection[Any], plan: Plan, began: object, depth: Sequence[Point]) -> list[Point]:
    """One for each second, or for each few seconds of a long run; counts are those at its end.

    Needs what `latencies.gather` made.
    """
    lasts = max(_value(conn, _LASTS), plan.scenario.lasts_s, depth[-1].at_s if depth else 0.0)
    width = width_s(lasts)
    count = min(MOST_POINTS, max(1, ceil(lasts / width)))
    given = {"width": width, "shares": list(_SHARES), "began": began}
    counts = {place: numbers for place, *numbers in _rows(conn, _COUNTS, given)}
    took = {place: (n, found) for place, n, found in _rows(conn, _TOOK, given)}
    waits = dict(_rows(conn, _WAITS, given))
    sent, received, ended = (_running(counts, what, count) for what in range(3))
    waiting = list(accumulate(int(waits.get(place, 0)) for place in range(count)))
    looks = looked(depth, width, count)
    return [
        Point(
            at_s=round((place + 1) * width, 3), offered=offered(plan, (place + 1) * width), sent=sent[place],
            received=received[place], ended=ended[place], visible=looks[place].visible,
            delayed=min(looks[place].hidden, max(0, waiting[place])),
            leased=max(0, looks[place].hidden - max(0, waiting[place])),
            oldest_s=looks[place].oldest_s, processor=looks[place].processor, **_percentiles(*took.get(place, (0, []))),
        )
        for place in range(count)
    ]  # fmt: skip


def width_s(lasts_s: float) -> int:
    """How many seconds a point stands for."""
    return max(1, ceil(lasts_s / MOST_POINTS))


def offered(plan: Plan, at_s: float) -> int:
    """How many commands of the plan were due by then."""
    if not plan.scenario.load:
        return plan.count
    due = 0
    for phase, (_, begins, ends) in zip(plan.scenario.load, plan.phases, strict=True):
        whole = round((ends - begins) * phase.rate)
        due += whole if at_s >= ends else min(whole, max(0, floor((at_s - begins) * phase.rate) + (at_s >= begins)))
    return due


def looked(depth: Sequence[Point], width: float, count: int) -> list[Looked]:
    """The deepest look of each stretch; a stretch without one (the server was away) has that of the one before."""
    ends = [point.at_s for point in depth]
    found: list[Looked] = []
    for place in range(count):
        inside = depth[bisect_right(ends, place * width) : bisect_right(ends, (place + 1) * width)]
        if not inside:
            found.append(found[-1] if found else Looked())
            continue
        deepest = max(inside, key=lambda point: point.visible + point.leased)
        busy = [point.processor for point in inside if point.processor is not None]
        found.append(
            Looked(
                visible=deepest.visible, hidden=deepest.leased, oldest_s=max(point.oldest_s for point in inside),
                processor=round(sum(busy) / len(busy), 1) if busy else None,
            )
        )  # fmt: skip
    return found


def _running(counts: dict[int, list[int]], what: int, count: int) -> list[int]:
    """Counts since the beginning; what came after the last point belongs to it."""
    each = [0] * count
    for place, numbers in counts.items():
        each[min(place, count - 1)] += numbers[what]
    return list(accumulate(each))


def _percentiles(n: int, found: Sequence[float]) -> dict[str, float]:
    return {
        f"p{share * 100:.0f}_ms": round(ms, 3)
        for share, ms in zip(_SHARES, found, strict=False)
        if enough(n, share, BEYOND)
    }


def _rows(conn: psycopg.Connection[Any], query: LiteralString, given: dict[str, Any]) -> list[tuple[Any, ...]]:
    with conn.cursor(row_factory=tuple_row) as cursor:
        return cursor.execute(query, given).fetchall()


def _value(conn: psycopg.Connection[Any], query: LiteralString) -> Any:
    (row,) = _rows(conn, query, {})
    return row[0]
