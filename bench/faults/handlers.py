"""Handlers that end in odd ways, for ``runworker --handlers``; `bench.faults.odd` sends to them."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from commandbus import BusinessRuleException, PermanentCommandError, TransientCommandError

from commands.rules.words import DOMAIN

if TYPE_CHECKING:
    from commandbus import Command, HandlerContext, HandlerRegistry

COMMAND_TYPE = "BenchOdd"
FORGED = "INFO done"
ODD = f"X\n{FORGED}\0\ud800"  # a line end, a line that could be a log's, and what PostgreSQL stores nowhere
STORED = f"X\n{FORGED}\ufffd\ufffd"
_LONG = ODD * 10_000


async def end_oddly(command: Command, context: HandlerContext) -> dict[str, Any]:
    """Raise what ``data["how"]`` says, or answer oddly."""
    match command.data["how"]:
        case "exit":
            raise SystemExit(3)
        case "interrupt":
            raise KeyboardInterrupt
        case "close":
            raise GeneratorExit
        case "cancel":
            task = asyncio.create_task(asyncio.sleep(60))
            asyncio.get_running_loop().call_soon(task.cancel)
            await task
        case "error":
            raise ValueError(ODD)
        case "for now":
            raise TransientCommandError(ODD, _LONG, {ODD: ODD})
        case "for good":
            raise PermanentCommandError(ODD, _LONG, {ODD: ODD})
        case "by rule":
            raise BusinessRuleException(ODD, _LONG, {ODD: ODD})
        case _:
            pass
    return {"odd\0": ODD}


def register(registry: HandlerRegistry) -> None:
    registry.register(DOMAIN, COMMAND_TYPE, end_oddly)
