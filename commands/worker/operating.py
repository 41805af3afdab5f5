"""Operations are worked off by a side task of every worker, which has a connection only while there are any."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any

import psycopg

from commands.bus.operations import WORK
from e2e_site.database import Backoff, ConnectionLostError

if TYPE_CHECKING:
    from commands.worker.state import WorkerState
    from e2e_site.database import Link

logger = logging.getLogger(__name__)

CHUNK_DEADLINE_S = 60.0


async def operate(state: WorkerState, link: Link) -> None:
    """Work operations off, chunk by chunk, whenever `state.operations_due`, until the worker is to stop."""
    backoff = Backoff()
    while not state.stop.is_set():
        await state.operations_due.wait()
        state.operating = True
        state.operations_due.clear()
        try:
            await _work_all(state, link)
            backoff.reset()
        except (ConnectionLostError, psycopg.Error) as exc:
            if isinstance(exc, psycopg.Error):
                logger.warning("an operation waits: %s", exc.diag.message_primary, extra={"action": "operation_waits"})
            await asyncio.sleep(backoff.next())
            state.operations_due.set()
        finally:
            state.operating = False
            state.wake.set()  # with --once the worker may end now
            await link.close()


async def _work_all(state: WorkerState, link: Link) -> None:
    while not state.stop.is_set():
        answer: dict[str, Any] = await link.value(WORK, deadline=CHUNK_DEADLINE_S)
        if answer["operation"] is None:
            if answer["due_ms"] is None:
                return
            await asyncio.sleep(answer["due_ms"] / 1000)
        elif answer["state"] != "running":
            extra = {"action": "operation_over", "operation": answer["operation"], "done": answer["done"]}
            logger.info("operation %s", answer["state"], extra=extra)
