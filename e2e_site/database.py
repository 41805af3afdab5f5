"""Async PostgreSQL connections outside the ORM, made from Django's ``DATABASES``: one source of connection truth.

A worker holds a few ``Link``s. Each is one autocommit connection that is opened anew after it was lost; the statement
that met the loss raises ``ConnectionLostError``, since it may have been carried out.
"""

from __future__ import annotations

import asyncio
import logging
import math
import os
import socket
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, LiteralString, TypeAlias, TypeVar

import psycopg
from django.conf import settings
from django.db import connections
from django.db.utils import ConnectionHandler

from e2e_site.texts import one_line

if TYPE_CHECKING:
    from collections.abc import Coroutine, Iterable, Iterator, Mapping, Sequence

    from django.db.backends.base.base import BaseDatabaseWrapper
    from psycopg.sql import Composed

logger = logging.getLogger(__name__)

FIRST_DELAY_S = 0.1
LONGEST_DELAY_S = 5.0
STATEMENT_DEADLINE_S = 10.0  # for a statement of a worker: a server that is frozen or cut off never answers

# What PGMQ's SQL (it has backslashes) and our functions (they lock one row after the other) are written for. Nothing
# through a pooler, which tells another process id: it would be another client's setting in the next transaction.
_USUAL_SESSION = """
    SELECT set_config('standard_conforming_strings', 'on', false),
        set_config('default_transaction_isolation', 'read committed', false)
    WHERE pg_backend_pid() = %s
"""

T = TypeVar("T")
Query: TypeAlias = "LiteralString | Composed"


class ConnectionLostError(Exception):
    """The connection broke, or none could be made. What was asked may or may not have been done."""


def connection_params(alias: str = "default") -> dict[str, Any]:
    """Keyword arguments for ``psycopg.connect``, as Django itself would connect."""
    return _params_of(connections[alias])


def direct_params() -> dict[str, Any] | None:
    """The same for ``LISTEN_DATABASE_URL``: past a pooler, for notifications and locks of a session; None if unset."""
    config = settings.LISTEN_DATABASE
    return None if config is None else _params_of(ConnectionHandler({"default": config})["default"])


def session_params() -> dict[str, Any]:
    """How to connect for work that a pooler might spoil, the schema's for one: direct where there is such a way."""
    return direct_params() or connection_params()


def _params_of(connection: BaseDatabaseWrapper) -> dict[str, Any]:
    params: dict[str, Any] = connection.get_connection_params()
    for django_only in ("cursor_factory", "context"):
        params.pop(django_only, None)
    # Prepared statements would tie a connection to one server session; a pooler in transaction mode swaps them.
    params["prepare_threshold"] = None
    return params


async def through_pooler(conn: psycopg.AsyncConnection[Any]) -> bool:
    """Whether a pooler is in the way: it tells its clients another process id than that of the server's process.

    Then nothing may belong to the session: it is another one in the next transaction.
    """
    cursor = await conn.execute("SELECT pg_backend_pid()")
    return await cursor.fetchone() != (conn.info.backend_pid,)


@contextmanager
def broken_after(seconds: float, conn: psycopg.AsyncConnection[Any]) -> Iterator[None]:
    """Break the connection after so many seconds, so that a statement that still waits for its answer fails.

    By the socket, since asking a server to give a statement up waits for that server.
    """

    def give_up() -> None:
        if not conn.closed:
            with socket.socket(fileno=os.dup(conn.fileno())) as way:
                way.shutdown(socket.SHUT_RDWR)

    timer = asyncio.get_running_loop().call_later(seconds, give_up)
    try:
        yield
    finally:
        timer.cancel()


class Outage:
    """Says once that the database is away and once that it is back, however many connections met it."""

    def __init__(self) -> None:
        self._away = False
        self._began = -math.inf

    @property
    def lasts(self) -> bool:
        return self._away

    def begins(self, error: BaseException, opened: float = math.inf) -> None:
        """A connection broke that was ``opened`` then (``time.monotonic``), or none could be made.

        Connections notice an outage at different times, some when another is open again: one that is older than the
        last outage met just that.
        """
        if not self._away and opened > self._began:
            self._away, self._began = True, time.monotonic()
            logger.warning("database lost, reconnecting: %s", one_line(error), extra={"action": "database_lost"})

    def ends(self) -> None:
        if self._away:
            self._away = False
            logger.info("database is back", extra={"action": "database_back"})


class Link:
    """One autocommit connection for one statement at a time; callers wait for each other."""

    def __init__(self, params: Mapping[str, Any], outage: Outage, *, name: str) -> None:
        self._params = {**params, "application_name": name}
        self._outage = outage
        self._lock = asyncio.Lock()
        self._conn: psycopg.AsyncConnection[Any] | None = None
        self._opened = 0.0

    async def connect(self) -> psycopg.AsyncConnection[Any]:
        """The open connection; raises ``ConnectionLostError`` where none can be made."""
        if self._conn is None or self._conn.closed:
            try:
                self._conn = await _opened(self._params)
            except psycopg.OperationalError as exc:
                self._outage.begins(exc)
                raise ConnectionLostError(one_line(exc)) from exc
            self._opened = time.monotonic()
            self._outage.ends()
        return self._conn

    async def rows(
        self,
        query: Query,
        params: Sequence[Any] | Mapping[str, Any] = (),
        *,
        deadline: float = STATEMENT_DEADLINE_S,
    ) -> list[tuple[Any, ...]]:
        """Run one statement and return its rows.

        Raises ``ConnectionLostError``, also where no answer came within ``deadline`` seconds, or the ``psycopg.Error``
        with which the server refused the statement.
        """
        async with self._lock:
            conn = await self.connect()
            try:
                with broken_after(deadline, conn):
                    cursor = await conn.execute(query, params)
                    return await cursor.fetchall() if cursor.description else []
            except (psycopg.OperationalError, psycopg.InterfaceError) as exc:
                if not conn.closed:
                    raise
                self._outage.begins(exc, self._opened)
                raise ConnectionLostError(one_line(exc)) from exc
            except asyncio.CancelledError:
                # The answer of a statement that was given up must not meet the next one.
                await conn.close()
                raise

    async def value(
        self,
        query: Query,
        params: Sequence[Any] | Mapping[str, Any] = (),
        *,
        deadline: float = STATEMENT_DEADLINE_S,
    ) -> Any:
        """Run one statement and return the first column of its first row; ``None`` without a row."""
        rows = await self.rows(query, params, deadline=deadline)
        return rows[0][0] if rows else None

    async def is_pooled(self) -> bool:
        """Whether a pooler is in the way; raises as ``rows``."""
        pid = await self.value("SELECT pg_backend_pid()")
        return self._conn is None or pid != self._conn.info.backend_pid

    async def close(self) -> None:
        if self._conn is not None:
            await self._conn.close()


async def _opened(params: Mapping[str, Any]) -> psycopg.AsyncConnection[Any]:
    """A new autocommit connection with the settings that everything here is written for."""
    conn = await psycopg.AsyncConnection.connect(**params, autocommit=True)
    try:
        with broken_after(STATEMENT_DEADLINE_S, conn):
            await conn.execute(_USUAL_SESSION, [conn.info.backend_pid])
    except BaseException:
        await conn.close()
        raise
    return conn


class Backoff:
    """Growing pauses between tries: 0.1 s, 0.2 s, … up to 5 s; ``reset`` after a success."""

    def __init__(self) -> None:
        self._delay = FIRST_DELAY_S

    def next(self) -> float:
        """Seconds to wait before the next try."""
        delay, self._delay = self._delay, min(LONGEST_DELAY_S, self._delay * 2)
        return delay

    def reset(self) -> None:
        self._delay = FIRST_DELAY_S


async def end_all(tasks: Iterable[asyncio.Task[Any]]) -> None:
    """Cancel tasks and return when they have ended, whatever they ended by.

    A statement that is cancelled first asks the server to give it up, for seconds where the server does not answer;
    cancelled once more, it breaks its connection.
    """
    left = set(tasks)
    for patience in (1, None):
        for task in left:
            task.cancel()
        if left:
            ended, left = await asyncio.wait(left, timeout=patience)
            await asyncio.gather(*ended, return_exceptions=True)


async def within(seconds: float, work: Coroutine[Any, Any, T]) -> T:
    """What ``work`` returns; ``TimeoutError`` after so many seconds, even where the server does not answer."""
    task = asyncio.create_task(work)
    await asyncio.wait([task], timeout=seconds)
    if not task.done():
        await end_all([task])
        raise TimeoutError
    return task.result()
