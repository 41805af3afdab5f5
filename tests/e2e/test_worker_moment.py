"""The server refuses everything for a while: no command is blamed, nothing is performed twice, and it is said once."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from uuid import UUID, uuid4

from psycopg import sql

from tests.e2e.conftest import StartWorker
from tests.support.waiting import wait_until
from tests.support.workers import COMPLETED, LiveBus

LEASE_S = 2


def send_many(bus: LiveBus, count: int) -> list[UUID]:
    ids = [uuid4() for _ in range(count)]
    commands = [[str(command_id), {"type": "success"}, {}] for command_id in ids]
    bus.conn.execute(
        "SELECT commandbus.send_commands('test', 'TestCommand', %s::jsonb, 3, 'test__replies')", [json.dumps(commands)]
    )
    return ids


@contextmanager
def renamed(bus: LiveBus, function: str) -> Iterator[None]:
    """As an upgrade that replaces a function in two steps."""
    away = sql.SQL("ALTER FUNCTION commandbus.{} RENAME TO {}")
    names = (sql.Identifier(function), sql.Identifier(f"{function}_away"))
    bus.conn.execute(away.format(*names))
    try:
        yield
    finally:
        bus.conn.execute(away.format(*reversed(names)))


def wait_out(bus: LiveBus, leases: int) -> None:
    """Until so many leases are over, by the server's clock."""
    began = bus.value("SELECT clock_timestamp()")
    past = "SELECT clock_timestamp() > %s + make_interval(secs => %s)"
    wait_until(lambda: bus.value(past, [began, leases * LEASE_S]), 30)


def test_outcomes_that_cannot_be_written_are_kept_until_they_can(bus: LiveBus, start_worker: StartWorker) -> None:
    bus.settings(visibility_timeout=LEASE_S, concurrency=50, batch_size=50, max_attempts=3)
    worker = start_worker()
    with renamed(bus, "finish_commands"):
        sent = send_many(bus, 500)
        worker.wait_for("finish_failed")
        second = start_worker()  # takes what it can, but not what the first one has performed
        wait_out(bus, leases=2)
        assert bus.statuses().keys() <= {"PENDING", "IN_PROGRESS"}
    bus.wait_for_status(COMPLETED, sent)
    assert {bus.word(command_id) for command_id in sent} == {"SRC"}
    worker.wait_for("finish_again")
    for each in (worker, second):
        assert each.stop() == 0
        assert len(each.lines("finish_failed")) == 1
    assert worker.lines("split") == []


def test_messages_that_cannot_be_received_wait(bus: LiveBus, start_worker: StartWorker) -> None:
    worker = start_worker()
    with renamed(bus, "receive_test"):
        sent = send_many(bus, 20)
        worker.wait_for("receive_failed")
        wait_out(bus, leases=1)
    bus.wait_for_status(COMPLETED, sent)
    bus.assert_done_once(sent, attempts=1)
    worker.wait_for("receive_again")
    assert worker.stop() == 0
    assert len(worker.lines("receive_failed")) == 1


def test_a_server_that_became_read_only_is_waited_for(bus: LiveBus, start_worker: StartWorker) -> None:
    bus.settings(visibility_timeout=30, concurrency=4)
    worker = start_worker()
    running = [bus.timeout(700) for _ in range(3)]
    bus.wait_for_attempts(1, running)
    database = bus.conn.info.dbname
    read_only = sql.SQL("ALTER DATABASE {} SET default_transaction_read_only = {}")
    bus.conn.execute(read_only.format(sql.Identifier(database), sql.SQL("on")))
    try:
        bus.end_connections("runworker")
        worker.wait_for("finish_failed")
    finally:
        with bus.conn.transaction():
            bus.conn.execute("SET TRANSACTION READ WRITE")
            bus.conn.execute(read_only.format(sql.Identifier(database), sql.SQL("off")))
            bus.end_connections("runworker")
    bus.wait_for_status(COMPLETED, running)
    bus.assert_done_once(running, attempts=1)
    assert worker.stop() == 0
