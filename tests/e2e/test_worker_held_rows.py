"""Rows that other transactions hold: what is not held goes on, and work that is done is not lost with its lease."""

from datetime import datetime
from typing import LiteralString

from psycopg import sql

from tests.e2e.conftest import StartWorker
from tests.e2e.test_worker_moment import LEASE_S, send_many, wait_out
from tests.support.workers import COMPLETED, LiveBus

HELD = 5000
ROWS: tuple[LiteralString, ...] = (
    "commandbus.command WHERE command_id",
    "public.test_command WHERE command_id",
    "pgmq.q_test__commands WHERE (message ->> 'command_id')::uuid",
)


def test_thousands_of_held_commands_keep_no_other_waiting(bus: LiveBus, start_worker: StartWorker) -> None:
    held = send_many(bus, HELD)
    with bus.connect() as other:
        other.execute("SELECT FROM commandbus.command FOR UPDATE")
        worker = start_worker("--concurrency", "4", "--poll-interval", "60")
        free = send_many(bus, 200)
        bus.wait_for_status(COMPLETED, free, timeout=10)
        released: datetime = bus.value("SELECT clock_timestamp()")
    bus.wait_for_attempts(1, held[:4], timeout=10)
    first = bus.value(
        "SELECT extract(epoch FROM min(ts) - %s) FROM commandbus.audit WHERE event_type = 'RECEIVED' AND ts > %s",
        [released, released],
    )
    assert first < 10
    assert worker.stop() == 0


def test_work_that_is_done_counts_though_its_row_was_held_past_the_lease(
    bus: LiveBus, start_worker: StartWorker
) -> None:
    bus.settings(visibility_timeout=LEASE_S, concurrency=4)
    worker, second = start_worker(), start_worker()
    held = [bus.timeout(500, max_attempts=1) for _ in range(3)]
    bus.wait_for_attempts(1, held)
    with bus.connect() as other:
        for row, command_id in zip(ROWS, held, strict=True):
            other.execute(sql.SQL("SELECT FROM {} = %s FOR UPDATE").format(sql.SQL(row)), [command_id])
        wait_out(bus, leases=3)
        others = [bus.send() for _ in range(20)]
        bus.wait_for_status(COMPLETED, others)
    bus.wait_for_status(COMPLETED, held)
    assert [bus.word(command_id) for command_id in held] == ["SRC"] * 3
    bus.assert_done_once([*held, *others], attempts=1)
    for each in (worker, second):
        assert each.stop() == 0
