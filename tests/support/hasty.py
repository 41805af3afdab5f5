"""What ``runworker --around`` wraps its handlers with to acknowledge before the work is done: broken, for tests.

runworker --around tests.support.hasty ─► every command is answered at once; its handler, witnessed, runs meanwhile
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from bench import witness

if TYPE_CHECKING:
    from commandbus import Command, HandlerContext

_running: set[asyncio.Task[Any]] = set()


def around(handler: witness.Handler) -> witness.Handler:
    """The same handler, whose success is told before it begins."""
    witnessed = witness.around(handler)

    async def hasty(command: Command, context: HandlerContext) -> Any:
        task = asyncio.ensure_future(witnessed(command, context))
        _running.add(task)
        task.add_done_callback(_running.discard)
        return {"status": "success"}

    return hasty
