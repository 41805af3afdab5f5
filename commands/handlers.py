"""What performs one attempt: handlers in the library's registry, used by both engines.

A handler only returns its result or raises one of the library's errors; whoever called it writes the outcome.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

from commandbus import Command, HandlerContext, HandlerRegistry, PermanentCommandError, TransientCommandError

from commands.behaviors import Behavior, BehaviorError, SimulatedPermanentFailure, SimulatedTransientFailure, act
from commands.statuses import COMMAND_TYPE, DOMAIN, LOADTEST_DOMAIN

registry = HandlerRegistry()


@dataclass(kw_only=True)
class AttemptContext(HandlerContext):
    """The library's context, and what was read with the command.

    ``behavior`` is the stored JSON, ``None`` where the command has no ``test_command`` row; ``life_attempt`` counts
    attempts over the command's life (``attempt`` starts anew after an operator's retry).
    """

    behavior: Any = None
    life_attempt: int = 0


@registry.handler(DOMAIN, COMMAND_TYPE)
@registry.handler(LOADTEST_DOMAIN, COMMAND_TYPE)
async def handle_test_command(command: Command, context: HandlerContext) -> dict[str, Any]:
    """Take the time that the behavior says, then do what it says. Both engines hand it an `AttemptContext`."""
    assert isinstance(context, AttemptContext)
    if context.behavior is None:
        raise PermanentCommandError("TEST_COMMAND_NOT_FOUND", f"No test_command row for command {command.command_id}")
    try:
        behavior = Behavior.from_json(context.behavior)
    except BehaviorError as exc:
        raise PermanentCommandError("INVALID_BEHAVIOR", str(exc)) from exc
    await asyncio.sleep(behavior.execution_time_ms / 1000)
    try:
        return act(behavior, context.life_attempt)
    except SimulatedPermanentFailure as exc:
        raise PermanentCommandError(exc.code, exc.message) from exc
    except SimulatedTransientFailure as exc:
        raise TransientCommandError(exc.code, exc.message) from exc
