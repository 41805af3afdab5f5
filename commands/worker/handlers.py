"""What performs one attempt: handlers in the library's registry, used by both engines.

A handler only returns its result or raises one of the library's errors; the engine writes the outcome.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import orjson
from commandbus import (
    BusinessRuleException,
    Command,
    HandlerContext,
    HandlerRegistry,
    PermanentCommandError,
    TransientCommandError,
)

from commands.rules.behaviors import (
    Behavior,
    BehaviorError,
    BehaviorType,
    SimulatedBusinessRuleFailure,
    SimulatedPermanentFailure,
    SimulatedTransientFailure,
    act,
)
from commands.rules.words import COMMAND_TYPE


@dataclass(kw_only=True)
class AttemptContext(HandlerContext):
    """The library's context, and what was read with the command.

    ``behavior`` is the stored JSON, ``None`` where the command has no ``test_command`` row; ``life_attempt`` counts
    attempts over the command's life (``attempt`` starts anew after an operator's retry).
    """

    behavior: Any = None
    life_attempt: int = 0

    def may_outlive_its_lease(self) -> bool:
        """Whether the heartbeat must let the lease run out: a ``timeout`` is there to show what happens then."""
        return isinstance(self.behavior, dict) and self.behavior.get("type") == BehaviorType.TIMEOUT


def _behavior(stored: Any) -> Behavior:
    try:
        return _parsed(orjson.dumps(stored))
    except TypeError:  # numbers too large for any behavior
        return Behavior.from_json(stored)


@lru_cache(maxsize=1024)
def _parsed(stored: bytes) -> Behavior:
    """Most commands of a crowd carry the same behavior."""
    return Behavior.from_json(orjson.loads(stored))


def registry_of(domain: str) -> HandlerRegistry:
    """What performs the commands of a domain, by their types."""
    registry = HandlerRegistry()
    registry.register(domain, COMMAND_TYPE, handle_test_command)
    return registry


async def handle_test_command(command: Command, context: HandlerContext) -> dict[str, Any]:
    """Take the time that the behavior says, then do what it says. Both engines hand it an `AttemptContext`."""
    assert isinstance(context, AttemptContext)
    if context.behavior is None:
        raise PermanentCommandError("TEST_COMMAND_NOT_FOUND", f"No test_command row for command {command.command_id}")
    try:
        behavior = _behavior(context.behavior)
    except BehaviorError as exc:
        raise PermanentCommandError("INVALID_BEHAVIOR", str(exc)) from exc
    if behavior.execution_time_ms:
        await asyncio.sleep(behavior.execution_time_ms / 1000)
    try:
        return act(behavior, context.life_attempt)
    except SimulatedPermanentFailure as exc:
        raise PermanentCommandError(exc.code, exc.message) from exc
    except SimulatedTransientFailure as exc:
        raise TransientCommandError(exc.code, exc.message) from exc
    except SimulatedBusinessRuleFailure as exc:
        raise BusinessRuleException(exc.code, exc.message) from exc
