"""A command's story as the API answers it: attempts, and the events that are no part of one."""

from datetime import datetime
from typing import Any

from pydantic import BaseModel, Field

from commands.rules.timeline import Attempt, Entry, Event
from commands.rules.words import LATE


class AttemptWorkerOut(BaseModel):
    """The worker that had an attempt; ``alive`` is null where its row is gone."""

    id: str
    name: str
    alive: bool | None


class AttemptOut(BaseModel):
    """One delivery. Without ``outcome`` it runs, or its worker never came back."""

    number: int
    max_attempts: int | None
    message_id: int | None
    started_at: datetime
    ended_at: datetime | None
    milliseconds: float | None = Field(description="How long it worked.")
    outcome: str | None = Field(description="The event that ended it.")
    error_code: str | None
    error_message: str | None
    next_attempt_at: datetime | None = Field(description="Before which the retry after it does not begin.")
    worker: AttemptWorkerOut | None
    late: bool = Field(description="It ended too late to count.")
    lost: bool = Field(description="Its worker was gone before it ended.")
    awaited: bool = Field(description="Its end may still come.")


class EventOut(BaseModel):
    """An event that is no part of an attempt; the audit has its details."""

    audit_id: int | None
    type: str
    operator: str | None
    reason: str | None
    error_code: str | None
    error_message: str | None


class EntryOut(BaseModel):
    """A line of the story: an attempt, or an event."""

    at: datetime
    attempt: AttemptOut | None
    event: EventOut | None


def entry_out(entry: Entry) -> dict[str, Any]:
    """The `EntryOut`."""
    return {
        "at": entry.ts,
        "attempt": _attempt(entry.attempt) if entry.attempt else None,
        "event": _event(entry.event) if entry.event else None,
    }


def _attempt(attempt: Attempt) -> dict[str, Any]:
    end = attempt.end
    worker = {"id": attempt.worker_id, "name": attempt.worker_name, "alive": getattr(attempt.worker, "alive", None)}
    return {
        "number": attempt.number,
        "max_attempts": attempt.max_attempts,
        "message_id": attempt.msg_id,
        "started_at": attempt.started,
        "ended_at": end.ts if end else None,
        "milliseconds": attempt.milliseconds,
        "outcome": end.event_type if end else None,
        "error_code": _text(end, "error_code"),
        "error_message": _text(end, "error_msg"),
        "next_attempt_at": attempt.due,
        "worker": worker if attempt.worker_id else None,
        "late": end is not None and end.event_type in LATE,
        "lost": attempt.lost,
        "awaited": attempt.awaited,
    }


def _event(event: Event) -> dict[str, Any]:
    return {
        "audit_id": event.audit_id,
        "type": event.event_type,
        "operator": _text(event, "operator"),
        "reason": _text(event, "reason"),
        "error_code": _text(event, "error_code"),
        "error_message": _text(event, "error_msg"),
    }


def _text(event: Event | None, name: str) -> str | None:
    """A particular of an event; whoever writes SQL may have put anything there."""
    value = event.details.get(name) if event else None
    return None if value is None else str(value)
