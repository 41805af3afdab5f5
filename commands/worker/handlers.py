"""What performs one attempt: handlers in the library's registry, used by both engines.

A handler only returns its result or raises one of the library's errors; the engine writes the outcome.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from functools import lru_cache
from importlib import import_module
from typing import TYPE_CHECKING, Any

import orjson
from commandbus import (
    BusinessRuleException,
    Command,
    HandlerContext,
    HandlerRegistry,
    PermanentCommandError,
    TransientCommandError,
)
from commandbus.exceptions import HandlerAlreadyRegisteredError

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
from e2e_site.options import Exit, SiteError
from e2e_site.texts import one_line

if TYPE_CHECKING:
    from collections.abc import Iterable
    from types import ModuleType


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


class HandlersError(SiteError):
    """The module that ``--handlers`` names cannot be used."""

    exit_code = Exit.REFUSED


def registry_of(domain: str, module: str | None = None, around: str | None = None) -> HandlerRegistry:
    """What performs the commands of a domain, by their types: test commands, and what ``module`` registers.

    ``around`` names a module whose ``around(handler)`` answers what is called instead of each handler.

    Raises `HandlersError` where there is no such module, or where it registers nothing, something twice, a
    `COMMAND_TYPE`, or something of another domain.
    """
    registry = HandlerRegistry()
    registry.register(domain, COMMAND_TYPE, handle_test_command)
    if module is not None:
        _register_from(module, registry, domain)
    return registry if around is None else _wrapped(registry, around)


def _wrapped(registry: HandlerRegistry, module: str) -> HandlerRegistry:
    around = getattr(_imported(module, "--around"), "around", None)
    if not callable(around):
        raise HandlersError(f"--around {module}: it has no function around(handler).")
    wrapped = HandlerRegistry()
    for domain, command_type in registry.registered_handlers():
        wrapped.register(domain, command_type, around(registry.get_or_raise(domain, command_type)))
    return wrapped


def _register_from(module: str, registry: HandlerRegistry, domain: str) -> None:
    register = getattr(_imported(module), "register", None)
    if not callable(register):
        raise HandlersError(f"--handlers {module}: it has no function register(registry).")
    before = set(registry.registered_handlers())
    try:
        register(registry)
    except HandlerAlreadyRegisteredError as exc:
        ours = (exc.domain, exc.command_type) in before
        why = "which the site performs itself" if ours else "twice"
        raise HandlersError(f"--handlers {module}: it registers {exc.domain}.{exc.command_type}, {why}.") from exc
    except (Exception, SystemExit) as exc:
        raise HandlersError(f"--handlers {module}: its register(registry) fails: {_named(exc)}") from exc
    found = set(registry.registered_handlers()) - before
    if synchronous := registry.registered_sync_handlers():
        raise HandlersError(f"--handlers {module}: {_listed(synchronous)} must be an async function.")
    if not found:
        raise HandlersError(f"--handlers {module}: its register(registry) registers no handler.")
    if others := [key for key in found if key[0] != domain]:
        raise HandlersError(f"--handlers {module}: it registers {_listed(others)}; this worker's domain is {domain}.")


def _imported(module: str, option: str = "--handlers") -> ModuleType:
    try:
        return import_module(module)
    except (Exception, SystemExit) as exc:
        raise HandlersError(f"{option} {module}: it cannot be imported: {_named(exc)}") from exc


def _named(error: BaseException) -> str:
    return f"{type(error).__name__}: {one_line(error)}"


def _listed(keys: Iterable[tuple[str, str]]) -> str:
    return ", ".join(sorted(f"{domain}.{command_type}" for domain, command_type in keys))


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
