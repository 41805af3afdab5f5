"""Programs that run the published library alone, to be measured from outside.

``work``: its Worker with a handler that does nothing, until the queue is empty. ``send``: its ``send_batch``.
"""

import argparse
import asyncio
import time
from typing import Any

from commandbus import Command, HandlerContext, HandlerRegistry, SendRequest, SyncCommandBus, Worker
from psycopg_pool import AsyncConnectionPool, ConnectionPool
from uuid_utils.compat import uuid7

from commands.rules.words import COMMAND_TYPE, DOMAIN, command_queue, reply_queue
from commands.worker.engine_library import LibraryEngine
from commands.worker.library_connections import NamedColumnsClient, UnlockedConnection
from commands.worker.state import count_messages
from e2e_site.database import connection_params

LOOK_S = 0.1


async def work(concurrency: int) -> None:
    """Perform what waits by the Worker as published, with no wrapper round its handler."""
    registry = HandlerRegistry()

    @registry.handler(DOMAIN, COMMAND_TYPE)
    async def _nothing(command: Command, context: HandlerContext) -> dict[str, Any]:
        return {"status": "success"}

    pool = AsyncConnectionPool(
        kwargs=connection_params(),
        connection_class=UnlockedConnection,
        min_size=1,
        max_size=LibraryEngine.POOL_SIZE,
        open=False,
    )
    async with pool:
        worker = Worker(pool, DOMAIN, registry=registry)
        worker._pgmq = NamedColumnsClient(pool)  # reads by column name, as in engine library
        running = asyncio.create_task(worker.run(concurrency=concurrency))
        while await _left(pool) or worker.in_flight_count:
            if running.done():
                running.result()
            await asyncio.sleep(LOOK_S)
        await worker.stop()
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def _left(pool: AsyncConnectionPool[Any]) -> int:
    async with pool.connection() as conn:
        row = await (await conn.execute(count_messages(command_queue(DOMAIN)))).fetchone()
    assert row is not None
    return int(row[0])


def send(count: int) -> float:
    """Send by ``send_batch``, a transaction per chunk of its own size, on one connection; the seconds it took."""
    with ConnectionPool(kwargs=connection_params(), min_size=1, max_size=1) as pool:
        pool.wait()
        requests = [
            SendRequest(
                domain=DOMAIN, command_type=COMMAND_TYPE, command_id=uuid7(), data={}, reply_to=reply_queue(DOMAIN)
            )
            for _ in range(count)
        ]
        began = time.monotonic()
        SyncCommandBus(pool).send_batch(requests)
        return time.monotonic() - began


def main(arguments: list[str]) -> dict[str, Any]:
    parser = argparse.ArgumentParser()
    parser.add_argument("what", choices=["work", "send"])
    parser.add_argument("--concurrency", type=int, default=20)
    parser.add_argument("--count", type=int, default=1000)
    options = parser.parse_args(arguments)
    if options.what == "work":
        asyncio.run(work(options.concurrency))
        return {}
    return {"seconds": send(options.count)}
