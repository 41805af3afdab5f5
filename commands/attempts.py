"""One attempt from the message that began it to the outcome that ends it; the values that pass between
receive, handler and finish.

    receive_commands ─► Attempt ─► perform ─► Outcome ─► finish_commands
"""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Self
from uuid import UUID

from commandbus import (
    BusinessRuleException,
    Command,
    HandlerRegistry,
    PermanentCommandError,
    TransientCommandError,
)

from commands.handlers import AttemptContext
from commands.payload import PayloadError, check_json
from settings_app.backoff import backoff_ms

if TYPE_CHECKING:
    from settings_app.values import WorkerSettings

logger = logging.getLogger(__name__)


class OutcomeKind(StrEnum):
    """How an attempt ended, in the words of ``commandbus.outcome``."""

    SUCCESS = "success"  # the handler returned
    TRANSIENT = "transient"  # to be tried again, also after any error that says nothing else
    PERMANENT = "permanent"  # an operator has to look at it
    BUSINESS_RULE = "business_rule"  # the command's own rules say no; nobody has to look at it


@dataclass(frozen=True, kw_only=True)
class Attempt:
    """One received command, and the settings that were in force when it was received."""

    context: AttemptContext
    settings: WorkerSettings
    began: float = field(default_factory=time.monotonic)

    def lease_is_over(self) -> bool:
        """Whether its message can be seen again; a little early, since the lease began on the server before."""
        return time.monotonic() - self.began >= 0.9 * self.settings.visibility_timeout

    @classmethod
    def from_row(cls, domain: str, row: list[Any], settings: WorkerSettings) -> Self:
        """From one array of what ``commandbus.receive_commands`` answers."""
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
        return cls(context=context, settings=settings)


@dataclass(kw_only=True)
class Outcome:
    """How one attempt ended. ``again`` is set when it was sent to the server before and no answer came."""

    attempt: Attempt
    kind: OutcomeKind
    result: Any = None
    error_code: str | None = None
    error_msg: str | None = None
    error_details: dict[str, Any] | None = None
    again: bool = False
    alone: bool = False

    @property
    def command_id(self) -> UUID:
        command_id: UUID = self.attempt.context.command.command_id
        return command_id

    def to_json(self) -> dict[str, Any]:
        """One object of ``commandbus.finish_commands``' array."""
        context, settings = self.attempt.context, self.attempt.settings
        return {
            "command_id": str(self.command_id),
            "msg_id": context.msg_id,
            "attempt": context.attempt,
            "kind": self.kind.value,
            "result": self.result,
            "error_code": self.error_code,
            "error_msg": self.error_msg,
            "error_details": self.error_details,
            "delay_ms": backoff_ms(
                context.attempt,
                base_delay_ms=settings.base_delay_ms,
                max_delay_ms=settings.max_delay_ms,
                multiplier=settings.backoff_multiplier,
            )
            if self.kind is OutcomeKind.TRANSIENT
            else None,
            "again": self.again,
        }


async def perform(registry: HandlerRegistry, attempt: Attempt) -> Outcome:
    """Run the handler of one attempt. Whatever it raises becomes an outcome; only cancellation passes through."""
    try:
        result = await registry.dispatch(attempt.context.command, attempt.context)
        check_json(result, "result")  # what cannot be stored is found here, not in a batch of others
    except TransientCommandError as exc:
        return _failure(attempt, OutcomeKind.TRANSIENT, exc)
    except PermanentCommandError as exc:
        return _failure(attempt, OutcomeKind.PERMANENT, exc)
    except BusinessRuleException as exc:
        return _failure(attempt, OutcomeKind.BUSINESS_RULE, exc)
    except PayloadError as exc:
        return Outcome(
            attempt=attempt, kind=OutcomeKind.TRANSIENT, error_code="INVALID_RESULT", error_msg=str(exc)[:1000]
        )
    except Exception as exc:
        logger.exception(
            "handler raised",
            extra={"action": "handler_raised", "command_id": attempt.context.command.command_id},
        )
        return Outcome(
            attempt=attempt, kind=OutcomeKind.TRANSIENT, error_code=type(exc).__name__, error_msg=str(exc)[:1000]
        )
    return Outcome(attempt=attempt, kind=OutcomeKind.SUCCESS, result=result)


def _failure(
    attempt: Attempt,
    kind: OutcomeKind,
    exc: TransientCommandError | PermanentCommandError | BusinessRuleException,
) -> Outcome:
    return Outcome(
        attempt=attempt, kind=kind, error_code=exc.code, error_msg=exc.error_message, error_details=exc.details or None
    )
