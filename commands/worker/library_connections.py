"""What the library's Worker is given so that it runs at all: a queue client, and connections that it can give back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from commandbus.pgmq.client import PgmqClient, PgmqMessage
from psycopg import AsyncConnection

from commands.worker import reading
from e2e_site.database import STATEMENT_DEADLINE_S, broken_after

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from psycopg import AsyncCursor, Notify
    from psycopg.abc import Params

READ = "SELECT msg_id, read_ct, enqueued_at, vt, message::text FROM pgmq.read(%s, %s, %s)"


class NamedColumnsClient(PgmqClient):
    """The library's queue client, reading by column name: PGMQ 1.10 put a column in the middle.

    Data that Python cannot read is an `Unreadable` in its message; psycopg would raise, and the whole batch come again.
    """

    async def _read(
        self, conn: AsyncConnection[Any], queue_name: str, visibility_timeout: int, batch_size: int
    ) -> list[PgmqMessage]:
        cursor = await conn.execute(READ, (queue_name, visibility_timeout, batch_size))
        return [
            PgmqMessage(
                msg_id=row[0],
                read_count=row[1],
                enqueued_at=str(row[2]),
                vt=str(row[3]),
                message=reading.message(row[4]),
            )
            for row in await cursor.fetchall()
        ]


class UnlockedConnection(AsyncConnection[Any]):
    """A connection that the library can give back after it broke out of ``notifies()``.

    psycopg holds the connection's lock while that generator stands still, and the library keeps the generator: it
    would wait for ever, unseen, when it stops or dies after a notification.
    """

    async def execute(
        self, query: Any, params: Params | None = None, *, prepare: bool | None = None, binary: bool = False
    ) -> AsyncCursor[Any]:
        with broken_after(STATEMENT_DEADLINE_S, self):
            return await super().execute(query, params, prepare=prepare, binary=binary)

    async def notifies(
        self,
        *,
        timeout: float | None = None,  # noqa: ASYNC109  # psycopg's signature
        stop_after: int | None = None,
    ) -> AsyncGenerator[Notify]:
        for notification in [found async for found in super().notifies(timeout=timeout, stop_after=stop_after or 1)]:
            yield notification
