"""A noisy neighbor: another domain of the same database is flooded, with a worker of its own (F23)."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING, Any

from django.conf import settings

from bench.faults.bench import FaultError
from bench.faults.inject import injects, judges
from bench.scenarios.faults import NoisyNeighbor
from commands.rules.words import COMMAND_TYPE, DOMAIN, command_queue, queue_table
from e2e_site.programs import Program, manage_command

if TYPE_CHECKING:
    import psycopg

    from bench.faults.bench import Bench, Recorder

NEIGHBOR = "neighbor"
READY_WITHIN_S = 30
DRAINED_WITHIN_S = 90
GRACE_S = 10
LEAST_MS = 20.0  # a p99 below counts as this much: it is made of single disturbances
_CHUNK = 1000
_OPTIONS = ("--no-sampler", "--concurrency=50", "--batch-size=200")
_FLOOD = """
    SELECT commandbus.send_commands(%s, %s, (
        SELECT jsonb_agg(jsonb_build_array(gen_random_uuid(), '{"type": "success"}'::jsonb, '{}'::jsonb))
        FROM generate_series(1, %s)
    ), %s)
"""
_READY = "SELECT EXISTS (SELECT FROM public.e2e_worker WHERE host = %s AND pid = %s)"
_LEFT = f"SELECT EXISTS (SELECT FROM pgmq.{queue_table(command_queue(NEIGHBOR))})"  # noqa: S608
_DONE = "SELECT count(*) FROM commandbus.command WHERE domain = %s AND status = 'COMPLETED'"
# End to end, of commands that were due between two moments, counted in seconds back from now.
_P99 = """
    SELECT percentile_cont(0.99) WITHIN GROUP (ORDER BY extract(epoch FROM e.ts - s.intended_at) * 1000)::float8,
           count(*)
    FROM public.bench_send s
    JOIN commandbus.audit e ON e.domain = %(domain)s AND e.command_id = s.command_id
        AND e.event_type IN ('COMPLETED', 'BUSINESS_RULE_FAILED', 'MOVED_TO_TSQ')
    WHERE s.intended_at >= clock_timestamp() - make_interval(secs => %(since)s)
      AND s.intended_at < clock_timestamp() - make_interval(secs => %(until)s)
"""


@injects(NoisyNeighbor)
def noisy_neighbor(fault: NoisyNeighbor, bench: Bench, recorder: Recorder) -> None:
    """Flood it, and see it worked off beside ours."""
    worker = Program(
        "neighbor", manage_command("runworker", f"--domain={NEIGHBOR}", *_OPTIONS, f"--grace={GRACE_S}"),
        grace=GRACE_S, environment=bench.database.environment(), directory=settings.BASE_DIR, keeps_output=True,
    )  # fmt: skip
    with bench.connection() as conn:
        conn.execute("INSERT INTO commandbus.domain (name) VALUES (%s)", [NEIGHBOR])
        try:
            worker.start()
            bench.wait_until(lambda: _is_ready(conn, worker), READY_WITHIN_S, "the neighbor's worker")
            recorder.begin()
            sent = _flood(conn, fault.commands, bench.plan.scenario.bus.max_attempts)
            recorder.fire(f"{sent:,} commands of a neighbor were sent at once")
            bench.wait_until(
                lambda: not _value(conn, _LEFT, []), DRAINED_WITHIN_S, "the end of the neighbor's commands"
            )
            recorder.end()
        finally:
            worker.stop()
        done = _value(conn, _DONE, [NEIGHBOR])
    recorder.criterion("the neighbor's own commands are performed", done == sent, f"{done:,} of {sent:,}")


def _flood(conn: psycopg.Connection[Any], commands: int, max_attempts: int) -> int:
    """The server makes them: made here, they would hold up the run's own sender, whose delays are measured."""
    sent = 0
    while sent < commands:
        count = min(_CHUNK, commands - sent)
        sent += _value(conn, _FLOOD, [NEIGHBOR, COMMAND_TYPE, count, max_attempts])
    return sent


def _is_ready(conn: psycopg.Connection[Any], worker: Program) -> bool:
    if not worker.is_up():
        raise FaultError(f"the neighbor's worker ended{worker.ending()}: {worker.output.strip()[-300:]}")
    return bool(_value(conn, _READY, [socket.gethostname(), worker.pid]))


def _value(conn: psycopg.Connection[Any], query: str, params: list[Any]) -> Any:
    row = conn.execute(query, params).fetchone()
    assert row is not None
    return row[0]


@judges(NoisyNeighbor)
def judge_noisy_neighbor(fault: NoisyNeighbor, bench: Bench, recorder: Recorder) -> None:
    began_s, ended_s = recorder.record.began_s, recorder.record.ended_s
    text = f"our p99 is at most {fault.most:g} times what it was before"
    if began_s is None or ended_s is None:
        recorder.criterion(text, None, "it did not end")
        return
    with bench.connection() as conn:
        before, count = _p99_ms(conn, bench, 0.0, recorder.record.planned_s)  # its worker's start disturbs, too
        during, others = _p99_ms(conn, bench, began_s, ended_s)
    if before is None or during is None:
        recorder.criterion(text, None, f"{count} commands before, {others} meanwhile")
        return
    held = during <= fault.most * max(before, LEAST_MS)
    recorder.criterion(text, held, f"{during:.0f} ms ({others} commands), before {before:.0f} ms ({count} commands)")


def _p99_ms(conn: psycopg.Connection[Any], bench: Bench, since_s: float, until_s: float) -> tuple[float | None, int]:
    now_s = bench.now_s
    row = conn.execute(_P99, {"domain": DOMAIN, "since": now_s - since_s, "until": now_s - until_s}).fetchone()
    assert row is not None
    return row[0], row[1]
