"""What a run measured: points in time, latencies from the intended time, costs, and what it was measured on."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any, LiteralString

import psycopg
from psycopg.rows import tuple_row

from bench.report.document import Cost, Criterion, Latency, Point
from bench.runs import surroundings
from bench.runs.latencies import Late, gather, late, latencies
from bench.runs.timeline import points
from bench.runs.trend import trends
from commands.rules.words import DOMAIN

if TYPE_CHECKING:
    from bench.oracle.facts import Facts
    from bench.oracle.judge import Judged
    from bench.scenarios.model import Scenario

LATE_SHARE, LATE_MS = 0.1, 50.0  # of the time between two sends; what a sender may be late in any case
TWO = 2

_COSTS: LiteralString = """
    SELECT (pg_current_wal_insert_lsn() - '0/0')::float8, (xact_commit + xact_rollback)::float8,
           (blks_hit + blks_read)::float8
    FROM pg_stat_database WHERE datname = current_database()
"""
_COUNTS_STATEMENTS: LiteralString = "SELECT extnamespace::regnamespace::text FROM pg_extension WHERE extname = %s"
_STATEMENTS: LiteralString = """
    SELECT sum(calls)::float8 FROM pg_stat_statements
    WHERE dbid = (SELECT oid FROM pg_database WHERE datname = current_database())
"""
_DELIVERED_AGAIN: LiteralString = """
    SELECT count(*) FILTER (WHERE attempts > 1), (
        SELECT count(DISTINCT command_id) FROM (
            SELECT command_id, event_type, lag(event_type) OVER (PARTITION BY command_id ORDER BY audit_id) AS before
            FROM commandbus.audit
            WHERE domain = %(domain)s AND event_type NOT IN ('LATE_COMPLETED', 'LATE_FAILED')
              AND command_id IN (SELECT command_id FROM pg_temp.bench_told WHERE attempts > 1)
        ) AS events WHERE event_type = 'RECEIVED' AND before = 'RECEIVED')
    FROM pg_temp.bench_told
"""
_BEHAVIORS: LiteralString = """
    SELECT DISTINCT split_part(kind, '/', 1) FROM public.bench_send
    WHERE run_id = %(run)s AND outcome = 'acknowledged' AND kind = ANY (%(kinds)s)
"""
_WORKERS: LiteralString = """
    SELECT count(DISTINCT split_part(worker, '.', 1)) FROM public.bench_execution WHERE run_id = %(run)s
"""
# Of the attempts that began once the last fault was over, the first that came to an end.
_RESUMED: LiteralString = """
    SELECT extract(epoch FROM min(ended_at) - %(over)s)::float8 FROM public.bench_execution
    WHERE run_id = %(run)s AND began_at >= %(over)s AND ended_at IS NOT NULL
"""


@dataclass(kw_only=True)
class Happened:
    """What `Expect` asks for. ``retried``: commands with a second attempt, ``redelivered``: those of them that were
    delivered again while an attempt had no end. ``resumed_s`` after the last fault was over; None: never, or no fault.
    """

    retried: int = 0
    redelivered: int = 0
    behaviors: frozenset[str] = frozenset()
    workers: int = 0
    fired: int = 0
    faults: int = 0
    resumed_s: float | None = None
    late: Late | None = None


@dataclass(kw_only=True)
class Measured:
    """``unknowns``: why the figures do not tell what the scenario asks for."""

    points: list[Point] = field(default_factory=list)
    latency: list[Latency] = field(default_factory=list)
    costs: list[Cost] = field(default_factory=list)
    versions: dict[str, str] = field(default_factory=dict)
    environment: dict[str, Any] = field(default_factory=dict)
    unknowns: list[str] = field(default_factory=list)
    happened: Happened = field(default_factory=Happened)

    def expectations(self, scenario: Scenario, judged: Judged) -> list[Criterion]:
        """What `Expect` asks besides the rules."""
        expect, accounting = scenario.expect, judged.accounting
        found = [_at_most("commands lost", accounting.lost, expect.lost)]
        if expect.duplicate_effects is not None:
            found.append(_at_most("commands with two effects", accounting.duplicate_effects, expect.duplicate_effects))
        if expect.p99 is not None:
            found.append(_p99(scenario, self.happened.late))
        if expect.resumes_within is not None:
            found.append(_resumes(scenario.seconds(expect.resumes_within), self.happened))
        return [*found, *trends(scenario, self.points)]

    def sometimes(self, scenario: Scenario, judged: Judged) -> list[Criterion]:
        """What has to have happened at least once, else the run says nothing."""
        return [_SOMETIMES[word](scenario, self.happened) for word in scenario.expect.sometimes]


def costs(conn: psycopg.Connection[Any]) -> dict[str, float]:
    """What the server has counted so far: bytes of write-ahead log (of all its databases), transactions and buffers of
    this one, statements where it counts them; and the load average of this machine."""
    with conn.cursor(row_factory=tuple_row) as cursor:
        row = cursor.execute(_COSTS).fetchone()
        assert row is not None
        found = {"wal": row[0], "transactions": row[1], "buffers": row[2], "load": os.getloadavg()[0]}
        if cursor.execute(_COUNTS_STATEMENTS, ["pg_stat_statements"]).fetchone():
            try:
                counted = cursor.execute(_STATEMENTS).fetchone()
            except psycopg.Error:  # not loaded, not allowed, or not on the search path
                counted = None
            if counted and counted[0] is not None:
                found["statements"] = counted[0]
    return found


def measured(
    conn: psycopg.Connection[dict[str, Any]],
    facts: Facts,
    depth: list[Point],
    before: dict[str, float],
    after: dict[str, float] | None = None,
) -> Measured:
    """From the run's database, once it is over and its ledgers are loaded.

    ``before`` and ``after``: `costs` when sending began and before the ledgers were loaded; ``after`` may also have
    ``watch_s``, the seconds that looking at the queue took, of ``watched_s``.
    """
    after = costs(conn) if after is None else after
    gather(conn, facts)
    found = Measured(
        points=points(conn, facts.plan, facts.began_at, depth), latency=latencies(conn),
        costs=_per_command(before, after, _count(conn)), versions=surroundings.versions(conn),
        environment=surroundings.environment(conn, before), happened=_happened(conn, facts),
    )  # fmt: skip
    if after.get("watched_s"):
        found.environment["watching_percent"] = round(100 * after.get("watch_s", 0.0) / after["watched_s"], 2)
    limited = _limited(conn, facts)
    found.environment["generator_limited"] = limited
    if limited and facts.plan.scenario.expect.p99 is not None:
        found.unknowns.append(limited)
    return found


def _count(conn: psycopg.Connection[Any]) -> int:
    return int(_row(conn, "SELECT count(*) FROM pg_temp.bench_told WHERE taken")[0])


def _per_command(before: dict[str, float], after: dict[str, float], commands: int) -> list[Cost]:
    """What a server counted meanwhile; None where a crash let it forget."""
    units = {
        "wal": ("write-ahead log", "bytes"),
        "transactions": ("transactions", ""),
        "statements": ("statements", ""),
        "buffers": ("buffers", ""),
    }
    found = []
    for key, (name, unit) in units.items():
        spent = after[key] - before[key] if key in after and key in before else None
        value = None if spent is None or spent < 0 else spent
        each = None if value is None or not commands else round(value / commands, 4)
        found.append(Cost(name=name, value=value, unit=unit, per_command=each))
    return found


def _happened(conn: psycopg.Connection[Any], facts: Facts) -> Happened:
    scenario, run = facts.plan.scenario, {"run": facts.run_id, "domain": DOMAIN, "kinds": list(facts.plan.kinds)}
    retried, redelivered = _row(conn, _DELIVERED_AGAIN, run)
    over = [record.ended_s for record in facts.faults if record.fired and record.ended_s is not None]
    resumed = None
    if over:
        (resumed,) = _row(conn, _RESUMED, {**run, "over": facts.began_at + timedelta(seconds=max(over))})
    with conn.cursor(row_factory=tuple_row) as cursor:
        behaviors = frozenset(kind for (kind,) in cursor.execute(_BEHAVIORS, run).fetchall())
    return Happened(
        retried=retried, redelivered=redelivered, behaviors=behaviors, workers=_row(conn, _WORKERS, run)[0],
        fired=sum(1 for record in facts.faults if record.fired), faults=len(facts.faults), resumed_s=resumed,
        late=_late(conn, facts) if scenario.expect.p99 is not None else None,
    )  # fmt: skip


def _late(conn: psycopg.Connection[Any], facts: Facts) -> Late:
    scenario = facts.plan.scenario
    assert scenario.expect.p99 is not None
    since, until = 0.0, float("inf")
    for name, begins, ends in facts.plan.phases:
        if name == scenario.expect.during:
            since, until = begins, ends
    return late(conn, most_s=scenario.seconds(scenario.expect.p99), since_s=since, until_s=until)


def _limited(conn: psycopg.Connection[Any], facts: Facts) -> str:
    """How late the sender was, where that was too much outside of faults; empty where its rates were offered.

    While a fault keeps the server away nobody can send: that is no fault of the sender.
    """
    rates = [phase.rate for phase in facts.plan.scenario.load if phase.rate]
    if not rates:
        return ""
    allowed = max(LATE_MS, LATE_SHARE * 1000 / max(rates))
    query: LiteralString = """
        SELECT count(*), 1000 * percentile_cont(0.99) WITHIN GROUP (ORDER BY sent - intended)
        FROM pg_temp.bench_told
        WHERE of_plan AND NOT EXISTS (
            SELECT FROM unnest(%(begins)s::float8[], %(ends)s::float8[]) AS f (begins, ends)
            WHERE intended >= begins - 0.5 AND intended <= ends + 2
        )
    """
    windows = [(record.began_s, record.ended_s) for record in facts.faults if record.began_s is not None]
    begins, ends = [begin for begin, _ in windows], [float("inf") if end is None else end for _, end in windows]
    n, p99 = _row(conn, query, {"begins": begins, "ends": ends})
    if not n or p99 <= allowed:
        return ""
    return f"the sender was {p99:,.0f} ms late (p99, {allowed:,.0f} ms allowed): the load was not offered as asked"


def _at_most(what: str, found: int, most: int) -> Criterion:
    return Criterion(text=f"at most {most:,} {what}" if most else f"no {what}", held=found <= most, seen=f"{found:,}")


def _p99(scenario: Scenario, found: Late | None) -> Criterion:
    """p99 by the number of commands that took longer: so those that never ended count too."""
    limit = scenario.expect.p99
    where = f" in {scenario.expect.during}" if scenario.expect.during else ""
    text = f"p99 from due to end{where} at most {limit}"
    if found is None or not found.n:
        return Criterion(text=text, held=None, seen="no command was due then")
    seen = f"{found.over:,} of {found.n:,} commands took longer"
    if found.p99 is not None:
        seen = f"p99 {found.p99:,.1f} ms; {seen}"
    return Criterion(text=text, held=found.held, seen=seen)


def _resumes(within_s: float, happened: Happened) -> Criterion:
    text = f"work goes on within {within_s:g} s after the last fault"
    if not happened.fired:
        return Criterion(text=text, held=None, seen="no fault fired")
    if happened.resumed_s is None:
        return Criterion(text=text, held=None, seen="no attempt began after the last fault and came to an end")
    return Criterion(text=text, held=happened.resumed_s <= within_s, seen=f"{happened.resumed_s:.2f} s")


def _redelivered(scenario: Scenario, happened: Happened) -> Criterion:
    """Where faults lose or outlast attempts a retry is no redelivery; else any second attempt is."""
    faulty = any(fault.loses_attempts or fault.overruns for fault in scenario.faults)
    number = happened.redelivered if faulty else happened.retried
    what = "delivered again while an attempt had no end" if faulty else "delivered again"
    return Criterion(text=f"a command is {what}", held=number > 0, seen=f"{number:,}")


def _every_behavior(scenario: Scenario, happened: Happened) -> Criterion:
    missing = sorted(kind.value for kind in scenario.mix if kind.value not in happened.behaviors)
    seen = f"none of {', '.join(missing)}" if missing else f"{len(scenario.mix)}"
    return Criterion(text="a command of every behavior is sent", held=not missing, seen=seen)


def _two_workers(scenario: Scenario, happened: Happened) -> Criterion:
    return Criterion(text="two workers perform commands", held=happened.workers >= TWO, seen=f"{happened.workers}")


def _fault_fired(scenario: Scenario, happened: Happened) -> Criterion:
    return Criterion(text="a fault fires", held=happened.fired > 0, seen=f"{happened.fired} of {happened.faults}")


_SOMETIMES = {
    "redelivered": _redelivered,
    "every_behavior": _every_behavior,
    "two_workers": _two_workers,
    "fault_fired": _fault_fired,
}


def _row(conn: psycopg.Connection[Any], query: LiteralString, given: dict[str, Any] | None = None) -> tuple[Any, ...]:
    with conn.cursor(row_factory=tuple_row) as cursor:
        row = cursor.execute(query, given or {}).fetchone()
    assert row is not None
    return row
