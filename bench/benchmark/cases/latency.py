"""How long one command takes on an idle system, beside what the disk and the network take."""

import time
from typing import LiteralString

import psycopg
from psycopg import sql

from bench.benchmark.case import Metric, Run, case
from bench.benchmark.cases.drain import BATCH, CEILING
from bench.benchmark.pgbench import Step
from bench.errors import BenchError
from bench.figures import percentile
from bench.machine import fdatasync_ms, select_1_ms
from bench.programs import MeasuredProgram, worker
from bench.testbed import MAX_ATTEMPTS, SUCCESS
from commands.bus.bulk import NewCommand, send_chunk
from commands.rules.words import COMMAND_TYPE, DOMAIN, reply_queue

PAUSE_S = 0.01  # between two commands, so that each meets an idle system
WARM_UP = 20
ANSWER_S = 30  # after which a command that did not complete ends the benchmark

SEND = Step(
    sql="""
        SELECT commandbus.send_commands(:domain, :type, (
            SELECT jsonb_agg(jsonb_build_array(gen_random_uuid(), '{"type": "success"}'::jsonb, '{}'::jsonb))
            FROM generate_series(1, :sent::int)), 3, :replies)
    """
)
_TIMES: LiteralString = """
    SELECT extract(epoch FROM max(ts) FILTER (WHERE event_type = 'RECEIVED') - min(ts))::float8 * 1000,
           extract(epoch FROM max(ts) FILTER (WHERE event_type = 'COMPLETED') - min(ts))::float8 * 1000
    FROM commandbus.audit WHERE audit_id > %s GROUP BY command_id
"""


def _percentiles(key: str, label: str) -> dict[str, Metric]:
    return {f"{key}-{p}": Metric(label=f"{label}, {p}", unit="ms", digits=2) for p in ("p50", "p99")}


@case(
    "latency",
    "One command on an idle system",
    sizes={"commands": 400},
    quick={"commands": 100},
    metrics={
        **_percentiles("done", "send to COMPLETED, server's clock"),
        **_percentiles("pickup", "send to RECEIVED, server's clock"),
        **_percentiles("seen", "call of send to the reply's notification, client's clock"),
        **_percentiles("ceiling", "ceiling: the same three statements, one after the other"),
        **_percentiles("fdatasync", "fdatasync of one block"),
        **_percentiles("select", "select 1"),
    },
    seconds=15,
)
def latency(run: Run) -> None:
    """Default settings (4 slots); each command is sent 10 ms after the one before has been answered."""
    count = run.sizes["commands"]
    for _ in range(run.rounds):
        run.testbed.empty()
        with worker(run.testbed.database, domain=DOMAIN, concurrency=4, batch_size=10, once=False) as program:
            send_one_by_one(run, WARM_UP, program)
            mark = run.testbed.mark()
            _record(run, "seen", send_one_by_one(run, count, program))
            program.stop()
        rows = run.testbed.conn.execute(_TIMES, [mark]).fetchall()
        _record(run, "pickup", [row[0] for row in rows])
        _record(run, "done", [row[1] for row in rows])
        with run.processors("ceiling"):
            ceiling = run.ceiling.timings(
                run.testbed.database, [SEND, *CEILING], variables(1), clients=1, rate=50, times=count
            )
        _record(run, "ceiling", ceiling)
        for key, anchor in (("fdatasync", fdatasync_ms(run.testbed)), ("select", select_1_ms(run.testbed))):
            if anchor is not None:
                run.record(f"{key}-p50", anchor[0])
                run.record(f"{key}-p99", anchor[1])


def variables(commands: int) -> dict[str, str]:
    """What `SEND` and the ceiling of a drain are given, to send so many commands at a time."""
    return {
        "domain": DOMAIN,
        "type": COMMAND_TYPE,
        "replies": reply_queue(DOMAIN),
        "sent": str(commands),
        "batch": str(BATCH),
    }


def _record(run: Run, key: str, milliseconds: list[float]) -> None:
    run.record(f"{key}-p50", percentile(milliseconds, 50))
    run.record(f"{key}-p99", percentile(milliseconds, 99))


def send_one_by_one(run: Run, count: int, program: MeasuredProgram) -> list[float]:
    """Milliseconds from the call of send to the notification of the reply, for each command."""
    found: list[float] = []
    with psycopg.connect(**run.testbed.database.params, autocommit=True) as replies:
        replies.execute(sql.SQL("LISTEN {}").format(sql.Identifier(f"pgmq_notify_{reply_queue(DOMAIN)}")))
        for _ in range(count):
            time.sleep(PAUSE_S)
            began = time.perf_counter()
            send_chunk(run.testbed.conn, DOMAIN, [NewCommand(behavior=SUCCESS)], max_attempts=MAX_ATTEMPTS)
            if not list(replies.notifies(timeout=ANSWER_S, stop_after=1)):
                program.check_running()
                raise BenchError(f"A command was not answered within {ANSWER_S} s.")
            found.append((time.perf_counter() - began) * 1000)
    return found
