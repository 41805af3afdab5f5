"""One attempt from the message that began it to the outcome that ends it; the values that pass between
receive, handler and finish.

    receive_commands ─► Attempt ─► perform ─► Outcome ─► finish_commands
"""

from __future__ import annotations

import json
import logging
import time
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, Self
from uuid import UUID

import orjson
from commandbus import (
    BusinessRuleException,
    Command,
    HandlerRegistry,
    PermanentCommandError,
    TransientCommandError,
)

from commands.rules.payload import PayloadError, json_text
from commands.rules.words import OutcomeKind
from commands.worker.handlers import AttemptContext
from e2e_site.texts import cut
from settings_app.backoff import backoff_ms

if TYPE_CHECKING:
    from settings_app.values import WorkerSettings

logger = logging.getLogger(__name__)

LONGEST_MESSAGE = 1000  # of an error that was not written for the record, in characters


@dataclass(kw_only=True, slots=True, eq=False)
class Attempt:
    """One received command, and the settings that were in force when it was received.

    ``key`` is the command's id as text; ``asked``, ``began`` and ``lease_ends`` are by ``time.monotonic``: the lease is
    counted from when the receive was sent, which is before the server counts it.
    """

    key: str
    context: AttemptContext
    settings: WorkerSettings
    asked: float = field(default_factory=time.monotonic)
    began: float = field(default_factory=time.monotonic)
    lease_ends: float = 0.0

    def __post_init__(self) -> None:
        self.lease_ends = self.asked + self.settings.visibility_timeout

    def lease_left(self) -> float:
        """Seconds until others can see its message."""
        return self.lease_ends - time.monotonic()

    @classmethod
    def from_row(cls, domain: str, row: list[Any], settings: WorkerSettings, asked: float) -> Self:
        """From one array of what ``commandbus.receive_commands`` answers to a call that was sent when ``asked``."""
        (msg_id, command_id, command_type, data, correlation_id, reply_to, created_at) = row[:7]
        (attempt, max_attempts, life_attempt, behavior) = row[7:]
        command = Command(
            domain=domain,
            command_type=command_type,
            command_id=UUID(command_id),
            data=data,
            correlation_id=UUID(correlation_id) if correlation_id else None,
            reply_to=reply_to,
            created_at=datetime.fromisoformat(created_at),
        )
        context = AttemptContext(
            command=command,
            attempt=attempt,
            max_attempts=max_attempts,
            msg_id=msg_id,
            behavior=behavior,
            life_attempt=life_attempt or 0,
        )
        return cls(key=command_id, context=context, settings=settings, asked=asked)


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
    error_details: dict[str, Any] | None = None
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
    except TypeError:  # a number of more than 64 bits; half a surrogate pair, which the server refuses for all to see
        return json.dumps(error)


async def perform(registry: HandlerRegistry, attempt: Attempt) -> Outcome:
    """Run the handler of one attempt. Whatever it raises becomes an outcome; only cancellation passes through."""
    command = attempt.context.command
    try:
        handler = registry.get_or_raise(command.domain, command.command_type)
        result = await handler(command, attempt.context)
        text = None if result is None else json_text(result, "result")  # what cannot be stored is found here, alone
    except TransientCommandError as exc:
        return _failure(attempt, OutcomeKind.TRANSIENT, exc)
    except PermanentCommandError as exc:
        return _failure(attempt, OutcomeKind.PERMANENT, exc)
    except BusinessRuleException as exc:
        return _failure(attempt, OutcomeKind.BUSINESS_RULE, exc)
    except PayloadError as exc:
        return _unforeseen(attempt, "INVALID_RESULT", exc)
    except Exception as exc:
        logger.exception(
            "handler raised",
            extra={"action": "handler_raised", "command_id": command.command_id},
        )
        return _unforeseen(attempt, type(exc).__name__, exc)
    return Outcome(attempt=attempt, kind=OutcomeKind.SUCCESS, result=text)


def _unforeseen(attempt: Attempt, code: str, exc: Exception) -> Outcome:
    return Outcome(
        attempt=attempt,
        kind=OutcomeKind.TRANSIENT,
        error_code=code,
        error_msg=cut(str(exc), LONGEST_MESSAGE),
    )


def _failure(
    attempt: Attempt,
    kind: OutcomeKind,
    exc: TransientCommandError | PermanentCommandError | BusinessRuleException,
) -> Outcome:
    details = exc.details or None
    try:
        json_text(details, "error_details")
    except PayloadError as problem:
        details = {"left_out": str(problem)}
    return Outcome(attempt=attempt, kind=kind, error_code=exc.code, error_msg=exc.error_message, error_details=details)
