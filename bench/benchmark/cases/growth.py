"""What a backlog costs: a million commands, worked off in parts, with fresh drains of 10,000 between the parts."""

from dataclasses import dataclass
from itertools import pairwise
from statistics import median
from typing import LiteralString

from bench.benchmark.case import Metric, Run, scenario
from bench.benchmark.processes import worker
from bench.benchmark.results import Point
from commands.rules.words import DOMAIN, LOADTEST_DOMAIN

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


@scenario(
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
    stage, sizes = run.stage, run.sizes
    stage.empty()
    stage.fill(sizes["large"], domain=LOADTEST_DOMAIN)
    stage.tidy()
    run.say(f"{sizes['large']:,} commands wait")
    parts: list[Part] = []
    left = sizes["large"]
    while left > 0:
        parts.append(_part(run, last=left <= sizes["part"]))
        left -= parts[-1].commands
        run.record("fresh", stage.drain(sizes["slice"], since=stage.fill(sizes["slice"])).rate)
    for part in parts:
        for seconds in part.slices:
            run.result.add("slices", sizes["slice"] / seconds)
    run.record("whole", sizes["large"] / sum(part.seconds for part in parts))
    _draw(run, parts)
    run.record("middle", stage.drain(sizes["middle"], since=stage.fill(sizes["middle"])).rate)


def _part(run: Run, *, last: bool) -> Part:
    """Let a worker work off a part of the backlog, the last one to its end."""
    stage, mark = run.stage, run.stage.mark()
    with worker(stage.database, domain=LOADTEST_DOMAIN, once=last) as program:
        if last:
            program.wait()
        else:
            stage.wait_for_events(mark + 2 * run.sizes["part"], program)
            program.stop()
        run.record("memory", program.peak_mb)
    row = stage.conn.execute(_PART, [LOADTEST_DOMAIN, mark]).fetchone()
    assert row is not None
    seconds, began, commands = row
    ends = [began, *(ts for (ts,) in stage.conn.execute(_SLICES, [LOADTEST_DOMAIN, mark, run.sizes["slice"]]))]
    return Part(commands=commands, seconds=seconds, slices=[b - a for a, b in pairwise(ends)])


def _draw(run: Run, parts: list[Part]) -> None:
    """Rate over what has been worked off: a point for each slice, and one after each part for the fresh drain."""
    done, size = 0, run.sizes["slice"]
    slices: list[Point] = []
    fresh: list[Point] = []
    for part, rate in zip(parts, run.result.values["fresh"], strict=True):
        slices += [(done + size * (place + 1), size / seconds) for place, seconds in enumerate(part.slices)]
        done += part.commands
        fresh.append((done, rate))
    run.result.series |= {"slices": slices, "fresh": fresh}
    run.say(f"slices: median {median(run.result.values['slices']):,.0f} {_RATE}")


@scenario(
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
    stage, count = run.stage, run.sizes["commands"]
    stage.empty()
    stage.fill(run.sizes["delayed"], domain=LOADTEST_DOMAIN)
    stage.conn.execute("UPDATE pgmq.q_loadtest__commands SET vt = vt + interval '1 hour'")
    stage.tidy()
    for _ in range(run.rounds):
        since = stage.fill(count, domain=LOADTEST_DOMAIN)
        run.record("delayed", stage.drain_beside_others(count, since=since, domain=LOADTEST_DOMAIN).rate)
        run.record("fresh", stage.drain(count, since=stage.fill(count, domain=DOMAIN)).rate)
