"""One attempt from the message that began it to the outcome that ends it; the values that pass between
receive, handler and finish.

    receive_commands ─► Attempt ─► perform ─► Outcome ─► finish_commands
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Self
from uuid import UUID

import orjson
from commandbus import Command, HandlerRegistry

from commands.rules.payload import storable_json
from commands.rules.words import UNREADABLE, OutcomeKind
from commands.worker.failures import Failure, failure_of, gives_up
from commands.worker.handlers import AttemptContext
from commands.worker.reading import Unreadable, first_unreadable, parsed
from settings_app.backoff import backoff_ms

if TYPE_CHECKING:
    from settings_app.values import WorkerSettings


@lru_cache(maxsize=1024)
def _correlation(text: str) -> UUID:
    """All commands of a crowd carry the same."""
    return UUID(text)


@dataclass(kw_only=True, slots=True, eq=False)
class Attempt:
    """One received command, and the settings that were in force when it was received.

    ``key`` is the command's id as text; ``asked``, ``began`` and ``lease_ends`` are by ``time.monotonic``: the lease is
    counted from when the receive was sent, which is before the server counts it. ``unreadable``: what of the command
    Python cannot read, so that no handler gets it. ``given_up``: its worker ends, and cancels it.
    """

    key: str
    context: AttemptContext
    settings: WorkerSettings
    asked: float = field(default_factory=time.monotonic)
    began: float = field(default_factory=time.monotonic)
    lease_ends: float = 0.0
    unreadable: str | None = None
    given_up: bool = False

    def __post_init__(self) -> None:
        self.lease_ends = self.asked + self.settings.visibility_timeout

    def lease_left(self) -> float:
        """Seconds until others can see its message."""
        return self.lease_ends - time.monotonic()

    @classmethod
    def from_row(cls, domain: str, row: list[Any], settings: WorkerSettings, asked: float) -> Self:
        """From one array of what ``commandbus.receive_commands`` answers to a call that was sent when ``asked``."""
        (
            msg_id, command_id, command_type, data, correlation_id, reply_to, created_at,
            attempt, max_attempts, life_attempt, behavior,
        ) = row  # fmt: skip
        correlated = parsed(_correlation, correlation_id) if correlation_id else None
        created = parsed(datetime.fromisoformat, created_at)
        command = Command(
            domain=domain,
            command_type=command_type,
            command_id=UUID(command_id),
            data=data,
            correlation_id=correlated,
            reply_to=reply_to,
            created_at=created,
        )
        context = AttemptContext(
            command=command,
            attempt=attempt,
            max_attempts=max_attempts,
            msg_id=msg_id,
            behavior=behavior,
            life_attempt=life_attempt or 0,
        )
        unreadable = None
        if Unreadable in (type(data), type(behavior), type(correlated), type(created)):
            unreadable = first_unreadable(data=data, behavior=behavior, correlation_id=correlated, created_at=created)
        return cls(key=command_id, context=context, settings=settings, asked=asked, unreadable=unreadable)


@dataclass(kw_only=True, slots=True, eq=False)
class Outcome:
    """How one attempt ended. ``result`` is JSON text.

    ``again`` is set when it was sent to the server before and no answer came; ``busy`` counts how often another
    transaction held a row of its command; ``suspect``: the server refused it alone, and others not.
    """

    attempt: Attempt
    kind: OutcomeKind
    result: str | None = None
    error_code: str | None = None
    error_msg: str | None = None
    error_details: Any = None
    again: bool = False
    busy: int = 0
    suspect: bool = False

    def to_json(self) -> str:
        """One object of ``commandbus.finish_commands``' array, as text."""
        context = self.attempt.context
        start = f'{{"command_id":"{self.attempt.key}","msg_id":{context.msg_id},"attempt":{context.attempt}'
        rest = f',"kind":"{self.kind.value}","again":{"true" if self.again else "false"}'
        if self.kind is OutcomeKind.SUCCESS:
            return f'{start}{rest},"result":{self.result or "null"}}}'
        error: dict[str, Any] = {
            "error_code": self.error_code,
            "error_msg": self.error_msg,
            "error_details": self.error_details,
        }
        if self.kind is OutcomeKind.TRANSIENT:
            settings = self.attempt.settings
            error["delay_ms"] = backoff_ms(
                context.attempt,
                base_delay_ms=settings.base_delay_ms,
                max_delay_ms=settings.max_delay_ms,
                multiplier=settings.backoff_multiplier,
            )
        return f"{start}{rest},{_json(error)[1:]}"


def _json(error: dict[str, Any]) -> str:
    try:
        return orjson.dumps(error).decode()
    except TypeError:  # a number of more than 64 bits
        return json.dumps(error)


async def perform(registry: HandlerRegistry, attempt: Attempt) -> Outcome:
    """Run the handler of one attempt. Whatever it raises becomes an outcome; only what gives it up passes through."""
    command = attempt.context.command
    if attempt.unreadable:
        return _ended(attempt, Failure(kind=OutcomeKind.PERMANENT, code=UNREADABLE, message=attempt.unreadable))
    try:
        handler = registry.get_or_raise(command.domain, command.command_type)
        result = await handler(command, attempt.context)
        text = None if result is None else storable_json(result, "result")  # what cannot be stored is found here, alone
    except BaseException as exc:
        if gives_up(exc, given_up=attempt.given_up):
            raise
        return _ended(attempt, failure_of(exc, command.command_id))
    return Outcome(attempt=attempt, kind=OutcomeKind.SUCCESS, result=text)


def _ended(attempt: Attempt, failure: Failure) -> Outcome:
    return Outcome(
        attempt=attempt,
        kind=failure.kind,
        error_code=failure.code,
        error_msg=failure.message,
        error_details=failure.details,
    )
