"""Probes of the library's own API: sending, operators, and its workers as published, in this process.

Where engine ``native`` does the same by our functions its part is here too; where it has no such part, it says so.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta, tzinfo
from typing import TYPE_CHECKING, Any, Self
from uuid import UUID, uuid4

import commandbus.sync.bus
import psycopg
from commandbus import Command, DuplicateCommandError, HandlerContext, HandlerRegistry, TroubleshootingQueue, Worker
from commandbus._core.pgmq_sql import PgmqMessage
from commandbus.sync import SyncCommandBus
from commandbus.sync.pgmq import SyncPgmqClient
from commandbus.sync.worker import SyncWorker
from psycopg import AsyncConnection
from psycopg_pool import AsyncConnectionPool, ConnectionPool, PoolTimeout

from bench.errors import BenchError
from bench.scorecard.bed import LEASE_S, LOOK_S, WITHIN_S
from bench.scorecard.findings import Shown
from commands.rules.behaviors import BehaviorType
from commands.rules.words import COMMAND_TYPE, DOMAIN, Engine, command_queue
from commands.worker.library_connections import NamedColumnsClient
from e2e_site.schema.own_database import own_database

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from bench.scorecard.bed import Bed

AT_ONCE = 4
ENDS_WITHIN_S = 3.0
SLOTS = 2
_READ = "SELECT msg_id, read_ct, enqueued_at, vt, message FROM pgmq.read(%s, %s, %s)"
# It listens and has looked at the queue, and since then nothing happened.
_AT_REST = """
    SELECT bool_or(query LIKE 'LISTEN%%') AND bool_and(state = 'idle') AND count(*) >= 2
       AND max(state_change) < clock_timestamp() - interval '100 ms'
    FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'scorecard library'
"""
_LIBRARY = SyncCommandBus(pool=None)  # type: ignore[arg-type]  # not needed with `conn`


def operators(bed: Bed) -> Shown:
    """D6: four operators retry one command at the same moment."""
    parked = bed.send(BehaviorType.FAIL_PERMANENT)
    bed.until(lambda: bed.is_final(parked))
    retry = _by_the_library if bed.engine is Engine.LIBRARY else _by_our_function
    with ThreadPoolExecutor(1) as thread, psycopg.connect(**bed.database.params) as other:
        # While the row is held all of them have looked and none has written.
        other.execute("SELECT FROM commandbus.command WHERE command_id = %s FOR UPDATE", [parked])
        retries = thread.submit(retry, bed, parked)
        met = bed.until(lambda: bed.waiting_for_locks() >= AT_ONCE)
        other.rollback()
        taken = retries.result(timeout=WITHIN_S)
    events = bed.word(parked).count("O")
    evidence = f"of {AT_ONCE} retries at once {taken} put a message into the queue; events OPERATOR_RETRY: {events}"
    return Shown(is_there=max(taken, events) > 1 if met else None, evidence=evidence)


def _by_the_library(bed: Bed, command: UUID) -> int:
    async def retry() -> list[Any]:
        kwargs = _plain(bed)
        async with AsyncConnectionPool(kwargs=kwargs, min_size=AT_ONCE, max_size=AT_ONCE, open=False) as pool:
            queue = TroubleshootingQueue(pool)
            retries = [queue.operator_retry(DOMAIN, command) for _ in range(AT_ONCE)]
            return await asyncio.gather(*retries, return_exceptions=True)

    return sum(not isinstance(answer, BaseException) for answer in asyncio.run(retry()))


def _by_our_function(bed: Bed, command: UUID) -> int:
    def retry(_: int) -> bool:
        with psycopg.connect(**bed.database.params, autocommit=True) as conn:
            try:
                conn.execute("SELECT commandbus.operator_retry(%s, %s, 'scorecard')", [DOMAIN, command])
            except psycopg.Error:
                return False
            return True

    with ThreadPoolExecutor(AT_ONCE) as pool:
        return sum(pool.map(retry, range(AT_ONCE)))


def sends(bed: Bed) -> Shown:
    """D7: a command is sent while another client, which has not committed, sends one of the same id."""
    command_id = uuid4()

    def send(conn: psycopg.Connection[Any]) -> None:
        _LIBRARY.send(DOMAIN, COMMAND_TYPE, command_id, {}, conn=conn)

    with ThreadPoolExecutor(1) as thread, _two(bed) as (first, second):
        send(first)
        sending = thread.submit(send, second)
        met = bed.until(lambda: bed.waiting_for_locks() >= 1)
        first.commit()
        error = sending.exception(timeout=WITHIN_S)
    raw = isinstance(error, psycopg.errors.UniqueViolation) and not isinstance(error, DuplicateCommandError)
    rows = bed.value("SELECT count(*) FROM commandbus.command WHERE command_id = %s", command_id)
    name = type(error).__name__ if error else "no error"
    return Shown(is_there=raw if met else None, evidence=f"the second is refused by {name}; {rows} command is there")


class _FastClock(datetime):
    """The clock of a sender that is an hour fast."""

    @classmethod
    def now(cls, tz: tzinfo | None = None) -> Self:
        return super().now(tz) + timedelta(hours=1)


def clocks(bed: Bed) -> Shown:
    """D12: a sender whose clock is an hour fast."""
    command_id = uuid4()
    module: Any = commandbus.sync.bus
    right, module.datetime = module.datetime, _FastClock
    try:
        with psycopg.connect(**bed.database.params) as conn:
            _LIBRARY.send(DOMAIN, COMMAND_TYPE, command_id, {}, conn=conn)
    finally:
        module.datetime = right
    ahead = bed.value(
        """
        SELECT extract(epoch FROM c.created_at - a.ts)::float8 FROM commandbus.command c
        JOIN commandbus.audit a USING (command_id) WHERE c.command_id = %s AND a.event_type = 'SENT'
        """,
        command_id,
    )
    wrong = ahead > timedelta(minutes=1).total_seconds()
    return Shown(is_there=wrong, evidence=f"a sender an hour fast: created_at is {ahead:,.0f} s ahead of the server")


def pools(bed: Bed) -> Shown:
    """D10: the library's asynchronous worker with a pool of one connection."""
    if bed.engine is Engine.NATIVE:
        return Shown(is_there=None, evidence="it takes no pool: its connections are few and fixed")

    async def run() -> None:
        kwargs = {**_plain(bed), "application_name": "scorecard library"}
        async with AsyncConnectionPool(kwargs=kwargs, min_size=1, max_size=1, timeout=0.5, open=False) as pool:
            await asyncio.wait_for(_worker(pool, HandlerRegistry()).run(poll_interval=0.1), ENDS_WITHIN_S)

    try:
        asyncio.run(run())
    except PoolTimeout:
        return Shown(is_there=True, evidence="it dies of PoolTimeout")
    except TimeoutError:
        return Shown(is_there=False, evidence=f"it works on after {ENDS_WITHIN_S:g} s")
    return Shown(is_there=None, evidence="it ended by itself")


def stops(bed: Bed) -> Shown:
    """D14: the library's asynchronous worker is stopped just after a notification has woken it."""
    if bed.engine is Engine.NATIVE:
        return _stops_by_signal(bed)
    with own_database("scorecard") as database:
        ended = asyncio.run(_ends_when_stopped(dict(database.params)))
    took = f"it ended within {ENDS_WITHIN_S:g} s" if ended else f"it had not ended after {ENDS_WITHIN_S:g} s"
    return Shown(is_there=not ended, evidence=f"stopped after a notification: {took}")


def _stops_by_signal(bed: Bed) -> Shown:
    """Our own worker, told to stop just after a notification has woken it. It is the last that happens on the bed."""
    command = bed.send(BehaviorType.SUCCESS)
    bed.until(lambda: bed.is_final(command))
    began = time.monotonic()
    bed.program.stop()
    took = time.monotonic() - began
    return Shown(is_there=took > ENDS_WITHIN_S, evidence=f"stopped after a notification: it ended after {took:.1f} s")


async def _ends_when_stopped(params: dict[str, Any]) -> bool:
    registry = HandlerRegistry()
    kwargs = {**params, "application_name": "scorecard library"}
    stopping: list[asyncio.Task[None]] = []
    async with AsyncConnectionPool(
        kwargs=kwargs, connection_class=AsyncConnection, min_size=2, max_size=4, open=False
    ) as pool:
        worker = _worker(pool, registry)

        @registry.handler(DOMAIN, COMMAND_TYPE)
        async def stop(command: Command, context: HandlerContext) -> None:
            stopping.append(asyncio.create_task(worker.stop()))

        running = asyncio.create_task(worker.run(poll_interval=30))
        with psycopg.connect(**params, autocommit=True) as conn:
            await asyncio.to_thread(_wait, lambda: _first(conn, _AT_REST), "The worker was not at rest")
            with conn.transaction():
                _LIBRARY.send(DOMAIN, COMMAND_TYPE, uuid4(), {}, conn=conn)
            conn.execute(f"NOTIFY pgmq_notify_{command_queue(DOMAIN)}")
        await asyncio.to_thread(_wait, lambda: stopping, "The worker did not stop")
        ended, _ = await asyncio.wait([running], timeout=ENDS_WITHIN_S)
        running.cancel()
        await asyncio.wait([running, *stopping])
        return bool(ended)


def lost_counts(bed: Bed) -> Shown:
    """D11: the library's synchronous worker with two slots, and one command that outlasts its leases."""
    if bed.engine is Engine.NATIVE:
        return Shown(is_there=None, evidence="it has no synchronous worker")
    with own_database("scorecard") as database, psycopg.connect(**database.params, autocommit=True) as conn:
        registry, over = HandlerRegistry(), threading.Event()

        @registry.sync_handler(DOMAIN, COMMAND_TYPE)
        def work(command: Command, context: HandlerContext) -> dict[str, Any]:
            over.wait(4.5 * LEASE_S)
            return {}

        with ConnectionPool(kwargs=dict(database.params), min_size=2, max_size=6, open=False) as pool:
            worker = SyncWorker(pool, DOMAIN, registry, visibility_timeout=LEASE_S, statement_timeout=500)
            worker._pgmq = _NamedColumns(pool)
            running = threading.Thread(target=worker.run, args=(SLOTS, 0.1, False), daemon=True)
            running.start()
            command_id = uuid4()
            with conn.transaction():
                _LIBRARY.send(DOMAIN, COMMAND_TYPE, command_id, {}, conn=conn)
            taken: list[int] = []
            with contextlib.suppress(BenchError):
                _wait(lambda: _received(conn, command_id, taken) > SLOTS, "A third", 4 * LEASE_S)
            over.set()
            worker.stop(timeout=WITHIN_S)
            running.join(WITHIN_S)
    number = max(taken, default=0)
    return Shown(
        is_there=number > SLOTS if number else None,
        evidence=f"with {SLOTS} slots it takes {number} deliveries before the first has ended",
    )


class _NamedColumns(SyncPgmqClient):
    """The library's queue client, reading by column name, as engine ``library`` gives the asynchronous one."""

    def _read_with_conn(
        self, conn: psycopg.Connection[Any], sql: str, params: tuple[str, int, int]
    ) -> list[PgmqMessage]:
        rows = conn.execute(_READ, params).fetchall()
        return [
            PgmqMessage(msg_id=row[0], read_count=row[1], enqueued_at=str(row[2]), vt=str(row[3]), message=row[4])
            for row in rows
        ]


def _received(conn: psycopg.Connection[Any], command_id: UUID, taken: list[int]) -> int:
    taken.append(
        _first(
            conn,
            f"SELECT count(*) FROM commandbus.audit WHERE event_type = 'RECEIVED' AND command_id = '{command_id}'",  # noqa: S608
        )
    )
    return taken[-1]


def _first(conn: psycopg.Connection[Any], query: str) -> Any:
    row = conn.execute(query).fetchone()
    return row[0] if row else None


def _wait(is_so: Callable[[], object], what: str, within_s: float = WITHIN_S) -> None:
    deadline = time.monotonic() + within_s
    while not is_so():
        if time.monotonic() > deadline:
            raise BenchError(f"{what} within {within_s:g} s.")
        time.sleep(LOOK_S)


def _worker(pool: AsyncConnectionPool[Any], registry: HandlerRegistry) -> Worker:
    worker = Worker(pool, DOMAIN, registry=registry)
    worker._pgmq = NamedColumnsClient(pool)
    return worker


def _plain(bed: Bed) -> dict[str, Any]:
    return dict(bed.database.params)


@contextlib.contextmanager
def _two(bed: Bed) -> Iterator[tuple[psycopg.Connection[Any], psycopg.Connection[Any]]]:
    with psycopg.connect(**bed.database.params) as first, psycopg.connect(**bed.database.params) as second:
        yield first, second
