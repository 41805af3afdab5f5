"""What a backlog costs: a million commands, worked off in parts, with fresh drains of 10,000 between the parts."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import median
from typing import LiteralString

from psycopg import sql

from bench.benchmark.case import Metric, Run, case
from bench.benchmark.results import Point
from bench.programs import worker
from bench.testbed import waiting_table

BACKLOG = "backlog"  # a domain beside the site's: what waits there stays while fresh commands are drained
_RATE = "commands/s"
_PART: LiteralString = """
    SELECT extract(epoch FROM max(ts) - min(ts) FILTER (WHERE event_type = 'RECEIVED'))::float8,
           extract(epoch FROM min(ts) FILTER (WHERE event_type = 'RECEIVED'))::float8,
           count(*) FILTER (WHERE event_type = 'COMPLETED')
    FROM commandbus.audit
    WHERE domain = %s AND audit_id > %s AND event_type IN ('RECEIVED', 'COMPLETED')
"""
_SLICES: LiteralString = """
    SELECT extract(epoch FROM ts)::float8 FROM (
        SELECT ts, row_number() OVER (ORDER BY audit_id) AS place FROM commandbus.audit
        WHERE domain = %s AND audit_id > %s AND event_type = 'COMPLETED') AS completed
    WHERE place %% %s = 0 ORDER BY place
"""


@dataclass(frozen=True, kw_only=True)
class Part:
    """What one worker process did of a backlog: commands, seconds, and the seconds of each full slice."""

    commands: int
    seconds: float
    slices: list[float]


@case(
    "growth",
    "A backlog that has grown",
    sizes={"large": 1_000_000, "part": 100_000, "middle": 100_000, "slice": 10_000},
    quick={"large": 60_000, "part": 20_000, "middle": 20_000, "slice": 5_000},
    metrics={
        "fresh": Metric(label="fresh drain of 10,000 in the same database", unit=_RATE),
        "middle": Metric(label="backlog of 100,000", unit=_RATE),
        "slices": Metric(label="backlog of 1,000,000, its slices of 10,000", unit=_RATE),
        "whole": Metric(label="backlog of 1,000,000, the whole by active time", unit=_RATE),
        "memory": Metric(label="most memory of a worker", unit="MB"),
    },
    seconds=0,
    once_s=120,
)
def growth(run: Run) -> None:
    """One worker process at a time, 200 slots, stopped after each part; nothing is vacuumed by hand between. Once."""
    testbed, sizes = run.testbed, run.sizes
    testbed.add_domain(BACKLOG)
    testbed.empty()
    testbed.fill(sizes["large"], domain=BACKLOG)
    testbed.tidy()
    run.say(f"{sizes['large']:,} commands wait")
    parts: list[Part] = []
    left = sizes["large"]
    while left > 0:
        parts.append(_part(run, last=left <= sizes["part"]))
        left -= parts[-1].commands
        run.record("fresh", testbed.drain(sizes["slice"], since=testbed.fill(sizes["slice"])).rate)
    for part in parts:
        for seconds in part.slices:
            run.result.add("slices", sizes["slice"] / seconds)
    run.record("whole", sizes["large"] / sum(part.seconds for part in parts))
    run.result.series |= course(parts, run.result.values["fresh"], sizes["slice"])
    run.say(f"slices: median {median(run.result.values['slices']):,.0f} {_RATE}")
    run.record("middle", testbed.drain(sizes["middle"], since=testbed.fill(sizes["middle"])).rate)


def _part(run: Run, *, last: bool) -> Part:
    """Let a worker work off a part of the backlog, the last one to its end."""
    testbed, mark = run.testbed, run.testbed.mark()
    with worker(testbed.database, domain=BACKLOG, once=last) as program:
        if last:
            program.wait()
        else:
            testbed.wait_for_events(mark + 2 * run.sizes["part"], program)
            program.stop()
        run.record("memory", program.peak_mb)
    row = testbed.conn.execute(_PART, [BACKLOG, mark]).fetchone()
    assert row is not None
    seconds, began, commands = row
    ends = [began, *(ts for (ts,) in testbed.conn.execute(_SLICES, [BACKLOG, mark, run.sizes["slice"]]))]
    return Part(commands=commands, seconds=seconds, slices=[b - a for a, b in pairwise(ends)])


def course(parts: Sequence[Part], fresh_rates: Sequence[float], size: int) -> dict[str, list[Point]]:
    """Rate over what has been worked off: a point for each slice, and one after each part for the fresh drain."""
    done = 0
    slices: list[Point] = []
    fresh: list[Point] = []
    for part, rate in zip(parts, fresh_rates, strict=True):
        slices += [(done + size * (place + 1), size / seconds) for place, seconds in enumerate(part.slices)]
        done += part.commands
        fresh.append((done, rate))
    return {"slices": slices, "fresh": fresh}


@case(
    "delayed",
    "Delayed messages at the head of the queue",
    sizes={"delayed": 100_000, "commands": 10_000},
    quick={"delayed": 20_000, "commands": 5_000},
    metrics={
        "fresh": Metric(label="without them", unit=_RATE),
        "delayed": Metric(label="behind 100,000 that are due in an hour", unit=_RATE),
    },
    seconds=7,
    once_s=10,
)
def delayed(run: Run) -> None:
    """Retries that wait are older than what waits behind them: a worker has to step over them at each look."""
    testbed, count = run.testbed, run.sizes["commands"]
    testbed.add_domain(BACKLOG)
    testbed.empty()
    testbed.fill(run.sizes["delayed"], domain=BACKLOG)
    later = sql.SQL("UPDATE {} SET vt = vt + interval '1 hour'").format(waiting_table(BACKLOG))
    testbed.conn.execute(later)
    testbed.tidy()
    for _ in range(run.rounds):
        since = testbed.fill(count, domain=BACKLOG)
        run.record("delayed", testbed.drain_beside_others(count, since=since, domain=BACKLOG).rate)
        run.record("fresh", testbed.drain(count, since=testbed.fill(count)).rate)
