"""Handlers of one's own for ``runworker --handlers tests.support.own_handlers``; some fail as they are asked."""

import asyncio
import os
from typing import Any

from commandbus import (
    BusinessRuleException,
    Command,
    HandlerContext,
    HandlerRegistry,
    PermanentCommandError,
    TransientCommandError,
)

ODD = "X\nINFO done\0\ud800"


async def greet(command: Command, context: HandlerContext) -> dict[str, Any]:
    return {"greeting": f"Hello, {command.data['name']}"}


async def echo(command: Command, context: HandlerContext) -> dict[str, Any]:
    return {"data": command.data, "correlation_id": str(command.correlation_id)}


async def answer_oddly(command: Command, context: HandlerContext) -> dict[str, Any]:
    return {"odd\0": ODD}


async def fail(command: Command, context: HandlerContext) -> None:
    """Raise what ``data["how"]`` says."""
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
        case "die":
            os._exit(9)
        case "error":
            raise ValueError(ODD)
        case "transient":
            raise TransientCommandError(ODD, ODD * 10_000, {ODD: ODD})
        case "permanent":
            raise PermanentCommandError(ODD, ODD * 10_000, {ODD: ODD})
        case "business rule":
            raise BusinessRuleException(ODD, ODD * 10_000, {ODD: ODD})
        case other_way:
            raise AssertionError(other_way)


def register(registry: HandlerRegistry) -> None:
    registry.register("test", "Greet", greet)
    registry.register("test", "Echo", echo)
    registry.register("test", "Answer", answer_oddly)
    registry.register("test", "Fail", fail)
