"""Known deviations of the library that show without a worker process (docs/promises.md)."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta, tzinfo
from typing import Any, Self
from uuid import uuid4

import psycopg
import pytest
from commandbus import (
    Command,
    DuplicateCommandError,
    HandlerContext,
    HandlerRegistry,
    TroubleshootingQueue,
    Worker,
)
from commandbus.sync import SyncCommandBus
from psycopg import AsyncConnection
from psycopg_pool import AsyncConnectionPool, PoolTimeout

from commands.worker.library_connections import NamedColumnsClient, UnlockedConnection
from tests.support.bus import HandBus
from tests.support.deviations import pins
from tests.support.waiting import wait_until

LIBRARY = SyncCommandBus(pool=None)  # type: ignore[arg-type]  # not needed with `conn`
# It listens and has looked at the queue, and since then nothing happened.
AT_REST = """
    SELECT bool_or(query LIKE 'LISTEN%%') AND bool_and(state = 'idle') AND count(*) >= 2
       AND max(state_change) < clock_timestamp() - interval '100 ms'
    FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'library'
"""


def test_operators_who_retry_at_once_each_put_a_message_into_the_queue(bus: HandBus) -> None:
    parked = bus.send()
    attempt = bus.begin(parked)
    bus.finish(
        {
            "command_id": parked, "msg_id": attempt["msg_id"], "attempt": 1, "kind": "permanent",
            "error_code": "E", "error_msg": "no",
        }
    )  # fmt: skip

    async def retry_four_times() -> list[Any]:
        async with AsyncConnectionPool(bus.url, min_size=4, max_size=4) as pool:
            queue = TroubleshootingQueue(pool)
            retries = [queue.operator_retry("test", parked) for _ in range(4)]
            return await asyncio.gather(*retries, return_exceptions=True)

    with ThreadPoolExecutor(1) as thread, bus.connect() as other:
        # While the row is held all of them have looked and none has written.
        other.execute("SELECT FROM commandbus.command WHERE command_id = %s FOR UPDATE", [parked])
        retries = thread.submit(lambda: asyncio.run(retry_four_times()))
        with pins("D6"):
            wait_until(lambda: bus.waiting() >= 4)
        other.rollback()
        with pins("D6"):
            assert len(set(retries.result(timeout=10))) == len(bus.queued()) == 4


def test_a_send_beside_another_of_the_same_id_is_refused_by_a_raw_error(bus: HandBus) -> None:
    command_id = uuid4()

    def send(conn: psycopg.Connection[Any]) -> None:
        LIBRARY.send("test", "TestCommand", command_id, {}, conn=conn)

    with ThreadPoolExecutor(1) as thread, psycopg.connect(bus.url) as first, psycopg.connect(bus.url) as second:
        send(first)
        sending = thread.submit(send, second)
        wait_until(lambda: bus.waiting() >= 1)
        first.commit()
        with pins("D7"):
            error = sending.exception(timeout=10)
            assert isinstance(error, psycopg.errors.UniqueViolation)
            assert not isinstance(error, DuplicateCommandError)
    assert bus.word(command_id) == "S"


class FastClock(datetime):
    """The clock of a sender that is an hour fast."""

    @classmethod
    def now(cls, tz: tzinfo | None = None) -> Self:
        return super().now(tz) + timedelta(hours=1)


def test_created_at_comes_from_the_senders_clock(bus: HandBus, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("commandbus.sync.bus.datetime", FastClock)
    command_id = uuid4()
    with psycopg.connect(bus.url) as conn:
        LIBRARY.send("test", "TestCommand", command_id, {}, conn=conn)
    (sent,) = bus.events(command_id)  # the audit has the server's
    with pins("D12"):
        assert bus.command(command_id)["created_at"] - sent["ts"] > timedelta(minutes=59)


def worker_on(pool: AsyncConnectionPool[Any], registry: HandlerRegistry) -> Worker:
    worker = Worker(pool, "test", registry=registry)
    worker._pgmq = NamedColumnsClient(pool)
    return worker


def test_with_a_pool_of_one_it_dies(committed: str) -> None:
    async def scenario() -> None:
        async with AsyncConnectionPool(committed, min_size=1, max_size=1, timeout=0.5) as pool:
            await asyncio.wait_for(worker_on(pool, HandlerRegistry()).run(poll_interval=0.1), 10)

    with pins("D10"), pytest.raises(PoolTimeout):
        asyncio.run(scenario())


async def ends_when_stopped(bus: HandBus, connection_class: type[AsyncConnection[Any]]) -> bool:
    """Whether the library's worker, stopped just after a notification has woken it, ends within two seconds."""
    registry = HandlerRegistry()
    params = {"application_name": "library"}
    async with AsyncConnectionPool(
        bus.url, kwargs=params, connection_class=connection_class, min_size=2, max_size=4
    ) as pool:
        worker = worker_on(pool, registry)

        @registry.handler("test", "TestCommand")
        async def stop(command: Command, context: HandlerContext) -> None:
            stopping.append(asyncio.create_task(worker.stop()))

        stopping: list[asyncio.Task[None]] = []
        running = asyncio.create_task(worker.run(poll_interval=30))
        await asyncio.to_thread(wait_until, lambda: bus.value(AT_REST), 10, "The worker's rest")
        bus.send()
        bus.conn.execute("NOTIFY pgmq_notify_test__commands")
        await asyncio.to_thread(wait_until, lambda: stopping, 10, "The worker's stop")
        ended, _ = await asyncio.wait([running], timeout=2)
        running.cancel()
        await asyncio.wait([running, *stopping])
        return bool(ended)


def test_stopped_after_a_notification_it_waits_for_ever_unless_its_connections_let_go_of_their_lock(
    bus: HandBus,
) -> None:
    assert asyncio.run(ends_when_stopped(bus, UnlockedConnection))
    with pins("D14"):
        assert not asyncio.run(ends_when_stopped(bus, AsyncConnection))
