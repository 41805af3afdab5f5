"""Faults of connections: the server ends those of the workers, or those alone by which they hear notifications."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from bench.faults.bench import FaultError
from bench.faults.inject import injects, judges
from bench.faults.looks import LEAST_FOR_P99, p99_s, resumed_after, server_now
from bench.scenarios.faults import EndConnections, LoseNotifications
from commands.rules.words import EventType

if TYPE_CHECKING:
    import psycopg

    from bench.faults.bench import Bench, Recorder

GONE_WITHIN_S = 5
RESUMES_WITHIN_S = 10
PICKUP_SLACK_S = 0.1

# Of the run's own database alone. A connection is named by its process and its beginning: ids are used again.
_THERE = """
    SELECT pid, backend_start FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid() AND starts_with(application_name, 'runworker')
"""
_LISTENING = f"{_THERE} AND (application_name = 'runworker listen' OR query ILIKE 'listen %%')"
_END = """
    SELECT count(*) FILTER (WHERE pg_terminate_backend(a.pid)) FROM pg_stat_activity a
    JOIN unnest(%s::int[], %s::timestamptz[]) AS t (pid, began) ON a.pid = t.pid AND a.backend_start = t.began
"""
_LEFT = """
    SELECT count(*) FROM pg_stat_activity a
    JOIN unnest(%s::int[], %s::timestamptz[]) AS t (pid, began) ON a.pid = t.pid AND a.backend_start = t.began
"""


@injects(EndConnections)
def end_connections(fault: EndConnections, bench: Bench, recorder: Recorder) -> None:
    """All of the workers', every so often."""
    processes = {worker.process: worker.pid for worker in bench.fleet.workers}
    with bench.connection() as conn:
        _again_and_again(bench, recorder, conn, _THERE, fault)
        recorder.note(server_now(conn))
        recorder.end()
    dead = [
        worker.process
        for worker in bench.fleet.workers
        if processes.get(worker.process) == worker.pid and not worker.is_up
    ]
    recorder.criterion("no worker ended by it", not dead, ", ".join(dead) or f"{len(processes)} work on")


@judges(EndConnections)
def _after_ends(fault: EndConnections, bench: Bench, recorder: Recorder) -> None:
    with bench.connection() as conn:
        after = resumed_after(conn, recorder.notes[0], [EventType.COMPLETED])
    text = f"workers go on by themselves within {RESUMES_WITHIN_S} s"
    if after is None:
        recorder.criterion(text, held=None, seen="no attempt began afterwards: send for longer than the fault lasts")
    else:
        recorder.criterion(text, after <= RESUMES_WITHIN_S, f"after {after:.2f} s")


@injects(LoseNotifications)
def lose_notifications(fault: LoseNotifications, bench: Bench, recorder: Recorder) -> None:
    """Those by which workers listen, every so often."""
    with bench.connection() as conn:
        began = server_now(conn)
        _again_and_again(bench, recorder, conn, _LISTENING, fault)
        recorder.note((began, server_now(conn)))
        recorder.end()


@judges(LoseNotifications)
def _after_silence(fault: LoseNotifications, bench: Bench, recorder: Recorder) -> None:
    most = bench.plan.scenario.bus.poll_interval + PICKUP_SLACK_S
    since, until = recorder.notes[0]
    with bench.connection() as conn:
        count, seconds = p99_s(conn, [EventType.RECEIVED], since, until)
    text = f"99 % of what was sent meanwhile were begun within the poll interval and 100 ms ({most:g} s)"
    if seconds is None:
        recorder.criterion(text, held=None, seen=f"{count} commands were sent meanwhile, fewer than {LEAST_FOR_P99}")
    else:
        recorder.criterion(text, seconds <= most, f"{seconds:.3f} s, of {count:,}")


def _again_and_again(
    bench: Bench,
    recorder: Recorder,
    conn: psycopg.Connection[Any],
    query: str,
    fault: EndConnections | LoseNotifications,
) -> None:
    """End what the query finds, every so often for so long; it has fired once all of a first round are gone."""
    every, lasts = bench.plan.scenario.seconds(fault.every), bench.plan.scenario.seconds(fault.lasts)
    recorder.begin()
    began, rounds, ended = time.monotonic(), 0, 0
    while time.monotonic() < began + lasts:
        there = conn.execute(query.encode()).fetchall()
        which = [[pid for pid, _ in there], [start for _, start in there]]
        ended += _first(conn, _END, which)
        if not rounds:
            if not there:
                raise FaultError("the workers have no such connection")
            bench.wait_until(lambda which=which: not _first(conn, _LEFT, which), GONE_WITHIN_S, "their end")  # type: ignore[misc]
            recorder.fire()
        rounds += 1
        bench.wait(max(0.0, began + rounds * every - time.monotonic()))
    recorder.fire(f"{ended} connections in {rounds} rounds")


def _first(conn: psycopg.Connection[Any], query: str, parameters: list[Any]) -> int:
    row = conn.execute(query.encode(), parameters).fetchone()
    assert row is not None
    return int(row[0])
