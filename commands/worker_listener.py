"""The worker's direct connection: it hears notifications, and it keeps two engines off one queue."""

from __future__ import annotations

import asyncio
import logging
import math
import time
import zlib
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg import sql

from e2e_site.database import Backoff, Outage

if TYPE_CHECKING:
    from collections.abc import Mapping

    from commands.worker_state import WorkerState

logger = logging.getLogger(__name__)

CONFIG_CHANNEL = "e2e_config"
ENGINES = ("set", "library")
LOCK_CLASS = zlib.crc32(b"e2e_worker") & 0x7FFFFFFF

LOCK = "SELECT pg_advisory_lock_shared(%s, %s)"
LOCKED = """
    SELECT count(*) FROM pg_locks
    WHERE locktype = 'advisory' AND granted AND classid = %s AND objid = %s AND objsubid = 2
      AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
"""
ROOM = """
    SELECT current_setting('max_connections')::int,
           current_setting('superuser_reserved_connections')::int
               + coalesce(current_setting('reserved_connections', true), '0')::int,
           (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend')::int
"""


class StartError(Exception):
    """The worker cannot start; the message says why, in one line."""


def engine_lock(queue_name: str, engine: str) -> int:
    """Second key of the advisory lock that every worker of this engine holds, shared, while it is alive."""
    return zlib.crc32(f"{queue_name}:{engine}".encode()) & 0x7FFFFFFF


class Listener:
    """Wakes the worker at notifications; comes back by itself. The lock lives as long as the connection."""

    def __init__(self, params: Mapping[str, Any], state_queue: str, engine: str, outage: Outage) -> None:
        self._params = params
        self._queue = state_queue
        self._engine = engine
        self._outage = outage
        self._conn: psycopg.AsyncConnection[Any] | None = None
        self._opened = 0.0

    async def open(self, *, others_needed: int) -> None:
        """Connect; raise ``StartError`` where the server has no room or a worker of the other engine is alive.

        ``others_needed``: connections that this process will open besides.
        """
        try:
            conn = await self._connect()
        except psycopg.OperationalError as exc:
            raise StartError(f"cannot connect to the database ({others_needed + 1} needed): {exc}") from exc
        most, reserved, used = await _row(conn, ROOM, ())
        if most - reserved - used < others_needed:
            await conn.close()
            raise StartError(
                f"the server has no room: this worker needs {others_needed + 1} connections; "
                f"max_connections is {most}, {reserved} are reserved, {used - 1} are in use"
            )
        await self._attach(conn)

    async def run(self, state: WorkerState) -> None:
        """Hear notifications until cancelled; reconnect with growing delay."""
        backoff = Backoff()
        while True:
            try:
                if self._conn is None or self._conn.closed:
                    await self._attach(await self._connect())
                    self._outage.ends()
                assert self._conn is not None
                backoff.reset()
                state.wake.set()  # what was notified while nobody listened
                state.look_at_settings.set()
                async for notification in self._conn.notifies():
                    event = state.look_at_settings if notification.channel == CONFIG_CHANNEL else state.wake
                    event.set()
            except psycopg.Error as exc:
                self._outage.begins(exc, self._opened)
                self._opened = math.inf  # what fails next is no connection of before
                await self.close()
                await asyncio.sleep(backoff.next())
            except StartError as exc:
                logger.error("stopping: %s", exc, extra={"action": "other_engine"})  # noqa: TRY400  # one line
                state.gave_way = True
                state.request_stop()
                return

    async def close(self) -> None:
        if self._conn is not None:
            await self._conn.close()

    async def _connect(self) -> psycopg.AsyncConnection[Any]:
        params = {**self._params, "application_name": "runworker listen"}
        return await psycopg.AsyncConnection.connect(**params, autocommit=True)

    async def _attach(self, conn: psycopg.AsyncConnection[Any]) -> None:
        """Take the engine's lock, refuse beside a live worker of the other engine, and listen."""
        self._conn, self._opened = conn, time.monotonic()
        await conn.execute(LOCK, (LOCK_CLASS, engine_lock(self._queue, self._engine)))
        for other in ENGINES:
            if other == self._engine:
                continue
            (alive,) = await _row(conn, LOCKED, (LOCK_CLASS, engine_lock(self._queue, other)))
            if alive:
                await conn.close()
                raise StartError(
                    f"{alive} worker(s) with engine {other} work on queue {self._queue}; "
                    "a queue has one engine at a time"
                )
        for channel in (f"pgmq_notify_{self._queue}", CONFIG_CHANNEL):
            await conn.execute(sql.SQL("LISTEN {}").format(sql.Identifier(channel)))


async def _row(conn: psycopg.AsyncConnection[Any], statement: Any, params: tuple[Any, ...]) -> tuple[Any, ...]:
    cursor = await conn.execute(statement, params)
    row = await cursor.fetchone()
    assert row is not None
    return tuple(row)
