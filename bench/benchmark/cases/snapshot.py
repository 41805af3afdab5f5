"""What a transaction that stays open costs: as long as its snapshot is held, no dead row can be cleared away."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from statistics import mean
from typing import LiteralString

import psycopg
from psycopg import sql

from bench.benchmark.case import Metric, Run, case
from bench.benchmark.results import Point
from bench.errors import BenchError
from bench.programs import MeasuredProgram, worker
from bench.testbed import waiting_table
from commands.rules.words import DOMAIN

RAMP_S = 2  # after the first end, not counted
RECOVERED = 0.9  # of the rate before
WINDOW_S = 2
RESERVE = 1.1  # more commands than should be needed
_PER_SECOND: LiteralString = """
    SELECT floor(extract(epoch FROM ts) - %s)::int, count(*) FROM commandbus.audit
    WHERE domain = %s AND audit_id > %s AND event_type = 'COMPLETED' GROUP BY 1 ORDER BY 1
"""


@case(
    "snapshot",
    "A transaction that holds a snapshot",
    sizes={"commands": 2_000_000, "trial": 20_000, "before_s": 12, "held_s": 30, "after_s": 14},
    quick={"trial": 10_000, "before_s": 5, "held_s": 5, "after_s": 5},
    metrics={
        "before": Metric(label="before", unit="commands/s"),
        "during": Metric(label="while it is held", unit="commands/s"),
        "recovery": Metric(label="from its end until the rate is back at 0.9", unit="s"),
    },
    seconds=90,
)
def snapshot(run: Run) -> None:
    """One worker drains a long backlog; meanwhile a REPEATABLE READ transaction stays open."""
    for _ in range(run.rounds):
        _hold(run)


def _hold(run: Run) -> None:
    testbed, sizes = run.testbed, run.sizes
    mark = testbed.fresh(_backlog(run))
    with worker(testbed.database, domain=DOMAIN, once=False) as program:
        testbed.wait_for_events(mark + 1, program)
        _watch(run, program, RAMP_S + sizes["before_s"])
        with psycopg.connect(**testbed.database.params) as holder:
            holder.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
            row = holder.execute("SELECT extract(epoch FROM clock_timestamp())::float8").fetchone()
            _watch(run, program, sizes["held_s"])
        assert row is not None
        _watch(run, program, sizes["after_s"])
        program.stop()
    counts = dict(testbed.conn.execute(_PER_SECOND, [row[0], DOMAIN, mark]).fetchall())
    found = judge(counts, held_s=sizes["held_s"], after_s=sizes["after_s"])
    run.record("before", found.before)
    run.record("during", found.during)
    run.record("recovery", found.recovery)
    run.result.series["rate"] = found.points


def _backlog(run: Run) -> int:
    """How many commands last long enough, by a first drain of a few; no more than ``commands``."""
    sizes = run.sizes
    few = min(sizes["trial"], sizes["commands"])
    rate = run.testbed.drain(few, since=run.testbed.fresh(few)).rate
    seconds = RAMP_S + sizes["before_s"] + sizes["held_s"] + sizes["after_s"]
    return min(sizes["commands"], int(rate * seconds * RESERVE))


def _watch(run: Run, program: MeasuredProgram, seconds: float) -> None:
    """Let the drain go on for so long; BenchError if it runs out of commands."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        program.check_running()
        time.sleep(min(1.0, max(0.0, deadline - time.monotonic())))
    if not run.testbed.value(sql.SQL("SELECT EXISTS (SELECT FROM {})").format(waiting_table(DOMAIN))):
        raise BenchError(
            "The backlog was worked off too early: try again, or give a greater --size snapshot.commands=N."
        )


@dataclass(frozen=True, kw_only=True)
class Held:
    """What a snapshot did: mean rates before and while it was held, seconds until the rate was back, rate by second."""

    before: float
    during: float
    recovery: int
    points: list[Point]


def judge(counts: Mapping[int, int], *, held_s: int, after_s: int) -> Held:
    """``counts``: completed in each second, 0 being the one that began when the snapshot was taken."""
    first = min(counts) + RAMP_S
    before = mean(counts.get(second, 0) for second in range(first, 0))
    windows = range(held_s, held_s + after_s - WINDOW_S)
    rates = {second: mean(counts.get(second + n, 0) for n in range(WINDOW_S)) for second in windows}
    return Held(
        before=before,
        during=mean(counts.get(second, 0) for second in range(held_s)),
        recovery=next((second - held_s for second, rate in rates.items() if rate >= RECOVERED * before), after_s),
        points=[(float(second), float(counts.get(second, 0))) for second in range(first, max(counts))],
    )
