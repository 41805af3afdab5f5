"""The worker's direct connection: it hears notifications, and it keeps two engines off one queue.

Where every connection leads through a pooler there is none: then the worker polls, and the rows of ``e2e_worker`` tell
who is alive.
"""

from __future__ import annotations

import asyncio
import logging
import math
import time
import zlib
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg import sql

from commands.rules.words import Engine
from e2e_site.database import Backoff, ConnectionLostError, Link, Outage, through_pooler
from e2e_site.options import Exit, SiteError
from e2e_site.texts import one_line
from settings_app.models import Worker

if TYPE_CHECKING:
    from collections.abc import Mapping
    from uuid import UUID

    from commands.worker.state import WorkerState

logger = logging.getLogger(__name__)

CONFIG_CHANNEL = "e2e_config"
OPERATION_CHANNEL = "e2e_operation"
LOCK_CLASS = zlib.crc32(b"e2e_worker") & 0x7FFFFFFF

ELSEWHERE = "LISTEN_DATABASE_URL names another database than DATABASE_URL"

LOCK = "SELECT pg_advisory_lock_shared(%s, %s)"
# Tells receives of other workers that this one lives. An earlier connection of its own may still have it.
LIVE = "SELECT pg_try_advisory_lock(commandbus.worker_key(%s))"
RETRY_LIVE_S = 5.0
# Workers of the other engine that are alive: those with a lock, and those that poll.
OTHERS = """
    SELECT (SELECT count(*) FROM pg_locks
            WHERE locktype = 'advisory' AND granted AND classid = %(class)s AND objid = %(lock)s AND objsubid = 2
              AND database = (SELECT oid FROM pg_database WHERE datname = current_database()))
         + (SELECT count(*) FROM public.e2e_worker
            WHERE polling AND stopped_at IS NULL AND queue_name = %(queue)s AND engine = %(engine)s
              AND beat_at >= clock_timestamp() - %(silence)s)
"""
# Seen from another connection: is the one with this process id on the same server and in the same database?
HOLDS_LOCK = """
    SELECT EXISTS (
        SELECT FROM pg_locks
        WHERE locktype = 'advisory' AND granted AND pid = %s AND classid = %s
          AND database = (SELECT oid FROM pg_database WHERE datname = current_database()))
"""
ROOM = """
    SELECT current_setting('max_connections')::int,
           current_setting('superuser_reserved_connections')::int
               + coalesce(current_setting('reserved_connections', true), '0')::int,
           (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend')::int
"""


class StartError(SiteError):
    """The worker cannot start; the message says why, in one line. ``again``: later it may, with nothing changed."""

    def __init__(self, message: str, *, again: bool = False) -> None:
        super().__init__(message)
        self.exit_code = Exit.FAILED if again else Exit.REFUSED


def engine_lock(queue_name: str, engine: str) -> int:
    """Second key of the advisory lock that every worker of this engine holds, shared, while it is alive."""
    return zlib.crc32(f"{queue_name}:{engine}".encode()) & 0x7FFFFFFF


class Listener:
    """Wakes the worker at notifications; connects again when it was cut off. The lock lives as long as the connection.

    ``polling`` after ``open``: there is no such connection, since a pooler is in the way.
    """

    def __init__(
        self,
        params: Mapping[str, Any],
        queue_name: str,
        engine: str,
        outage: Outage,
        *,
        direct: Mapping[str, Any] | None = None,
    ) -> None:
        self.polling = False
        self._direct = direct is not None
        self._params = direct or params
        self._queue = queue_name
        self._engine = engine
        self._outage = outage
        self._conn: psycopg.AsyncConnection[Any] | None = None
        self._opened = 0.0
        self._worker_id: UUID | None = None
        self._shows_life = False

    async def open(self, *, needed: int, workers: int = 1) -> None:
        """Connect; raise ``StartError`` where the server has no room or a worker of the other engine is alive.

        ``needed``: connections that these ``workers`` will have open, this one included.
        """
        try:
            conn = await self._connect()
        except psycopg.OperationalError as exc:
            raise StartError(f"cannot connect to the database ({needed} needed): {one_line(exc)}", again=True) from exc
        try:
            await self._take(conn, needed, workers)
        except psycopg.errors.UndefinedTable as exc:
            await conn.close()
            raise StartError(ELSEWHERE) from exc
        except StartError:
            await conn.close()
            raise

    async def join(self, state: WorkerState) -> None:
        """Look once more, now that others see this worker; ``StartError`` as ``open``."""
        self._worker_id = state.worker_id
        if self._conn is not None:
            await self._show_life(self._conn)
        if self.polling and (alive := await self._others(state.link)):
            await state.take_back()
            raise StartError(self._beside(alive))
        pid = None if self._conn is None else self._conn.info.backend_pid
        if self._direct and not await state.link.value(HOLDS_LOCK, (pid, LOCK_CLASS)):
            await state.take_back()
            raise StartError(ELSEWHERE)

    async def run(self, state: WorkerState) -> None:
        """Hear notifications until cancelled; reconnect with growing delay."""
        try:
            await (self._watch_rows(state) if self.polling else self._listen(state))
        except StartError as exc:
            await self.close()
            logger.error("stopping: %s", exc, extra={"action": "other_engine"})  # noqa: TRY400  # one line
            state.gave_way = True
            state.request_stop()

    async def _listen(self, state: WorkerState) -> None:
        backoff = Backoff()
        while True:
            try:
                if self._conn is None or self._conn.closed:
                    await self._attach(await self._connect())
                    self._outage.ends()
                assert self._conn is not None
                backoff.reset()
                state.wake.set()  # what was notified before this connection listened
                state.beat_now.set()
                while True:
                    timeout = None if self._shows_life else RETRY_LIVE_S
                    async for notification in self._conn.notifies(timeout=timeout):
                        events = {CONFIG_CHANNEL: state.beat_now, OPERATION_CHANNEL: state.operations_due}
                        events.get(notification.channel, state.wake).set()
                    await self._show_life(self._conn)
            except psycopg.Error as exc:
                self._outage.begins(exc, self._opened)
                self._opened = math.inf  # what fails next is no connection of before
                await self.close()
                await asyncio.sleep(backoff.next())

    async def _watch_rows(self, state: WorkerState) -> None:
        """Give way where the other engine came while this worker was silent for so long that it looked dead."""
        while True:
            await state.was_silent.wait()
            try:
                if alive := await self._others(state.link):
                    raise StartError(self._beside(alive))
                state.was_silent.clear()
            except ConnectionLostError:
                await asyncio.sleep(1)

    async def close(self) -> None:
        if self._conn is not None:
            await self._conn.close()

    async def _connect(self) -> psycopg.AsyncConnection[Any]:
        params = {**self._params, "application_name": "runworker listen"}
        return await psycopg.AsyncConnection.connect(**params, autocommit=True)

    async def _take(self, conn: psycopg.AsyncConnection[Any], needed: int, workers: int) -> None:
        self.polling = await through_pooler(conn)
        if self.polling and self._direct:
            raise StartError("LISTEN_DATABASE_URL leads through a pooler; it has to be a direct connection")
        if self.polling:
            await self._refuse_beside_others(conn)
            await conn.close()
        else:
            await self._refuse_without_room(conn, needed, workers)
            await self._attach(conn)

    async def _attach(self, conn: psycopg.AsyncConnection[Any]) -> None:
        """Take the engine's lock, refuse beside a live worker of the other engine, and listen."""
        self._conn, self._opened = conn, time.monotonic()
        await conn.execute(LOCK, (LOCK_CLASS, engine_lock(self._queue, self._engine)))
        await self._refuse_beside_others(conn)
        await self._show_life(conn)
        for channel in (f"pgmq_notify_{self._queue}", CONFIG_CHANNEL, OPERATION_CHANNEL):
            await conn.execute(sql.SQL("LISTEN {}").format(sql.Identifier(channel)))

    async def _show_life(self, conn: psycopg.AsyncConnection[Any]) -> None:
        if self._worker_id is not None:
            (self._shows_life,) = await _row(conn, LIVE, (self._worker_id,))

    async def _refuse_beside_others(self, conn: psycopg.AsyncConnection[Any]) -> None:
        if alive := await self._others(conn):
            raise StartError(self._beside(alive))

    async def _others(self, way: Link | psycopg.AsyncConnection[Any]) -> int:
        """How many workers of the other engine are alive on the queue."""
        params = {
            "class": LOCK_CLASS,
            "lock": engine_lock(self._queue, self._other),
            "queue": self._queue,
            "engine": self._other,
            "silence": Worker.SILENCE,
        }
        count: int = await way.value(OTHERS, params) if isinstance(way, Link) else (await _row(way, OTHERS, params))[0]
        return count

    @property
    def _other(self) -> str:
        return next(engine for engine in Engine if engine != self._engine)

    def _beside(self, alive: int) -> str:
        return (
            f"{alive} worker(s) with engine {self._other} work on queue {self._queue}; a queue has one engine at a time"
        )

    async def _refuse_without_room(self, conn: psycopg.AsyncConnection[Any], needed: int, workers: int) -> None:
        most, reserved, used = await _row(conn, ROOM, ())
        if most - reserved - used < needed - 1:  # this one is among those in use
            raise StartError(
                f"the server has no room: {needs(needed, workers)}; "
                f"max_connections is {most}, {reserved} are reserved, {used - 1} are in use",
                again=True,
            )


def needs(connections: int, workers: int) -> str:
    """ "this worker needs 3 connections"."""
    who = "this worker needs" if workers == 1 else f"these {workers} workers need"
    return f"{who} {connections} connections"


async def _row(conn: psycopg.AsyncConnection[Any], statement: Any, params: Any) -> tuple[Any, ...]:
    cursor = await conn.execute(statement, params)
    row = await cursor.fetchone()
    assert row is not None
    return tuple(row)
