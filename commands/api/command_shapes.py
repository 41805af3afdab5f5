"""A command as the API answers it: a line of a list, and one with all that is known of it."""

from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import BaseModel, Field

from commands.api.send_shapes import ExpectedOut, SentLinks, links_of
from commands.api.timeline_shapes import EntryOut, entry_out
from commands.api.values import Stored, stored
from commands.reads import queries
from commands.reads.expected import expected
from commands.reads.one_command import OneCommand
from commands.rules.agreement import Verdict
from commands.rules.ends import took
from commands.rules.words import OperationKind, Status
from e2e_site.named_sql import Row

MOST_TOLD = 100  # lines of a timeline


class CommandRow(BaseModel):
    """A command in a list."""

    id: UUID
    domain: str
    command_type: str
    behavior: str | None = Field(description="The type of its behavior.")
    status: Status
    attempts: int = Field(description="On its current message.")
    max_attempts: int
    error_code: str | None = Field(description="Of its last error; cut.")
    error_message: str | None = Field(description="Of its last error; cut.")
    created_at: datetime
    updated_at: datetime


class JudgedOut(ExpectedOut):
    """What had to become of it with the settings of now, and whether it did."""

    verdict: Verdict
    reason: str


class MessageOut(BaseModel):
    """Where its message is: in the queue, or in the archive (``archived_at``)."""

    id: int
    enqueued_at: datetime
    visible_at: datetime = Field(description="Before which no worker takes it.")
    hidden: bool = Field(description="That time is to come.")
    read_count: int
    archived_at: datetime | None


class CommandReplyOut(BaseModel):
    message_id: int
    outcome: str | None
    enqueued_at: datetime
    taken_at: datetime | None
    message: Stored


class ErrorOut(BaseModel):
    type: str | None
    code: str | None
    message: str | None


class ActionsOut(BaseModel):
    """What the caller may do to it now, or why there is nothing."""

    allowed: list[OperationKind]
    why: str


class CommandOut(BaseModel):
    """A command with all that is known of it. ``timeline`` is oldest first, without its ``untold`` oldest lines."""

    id: UUID
    domain: str
    command_type: str
    status: Status
    final: bool = Field(description="No worker changes it any more.")
    attempts: int = Field(description="On its current message.")
    max_attempts: int
    attempts_in_all: int | None = Field(description="Also before an operator's retries.")
    correlation_id: UUID | None
    reply: bool
    created_at: datetime
    updated_at: datetime
    took_ms: float | None = Field(description="From its sending, or its last retry by an operator, to its end.")
    error: ErrorOut | None = Field(description="Its last one.")
    behavior: Stored
    payload: Stored
    result: Stored
    expected: JudgedOut
    timeline: list[EntryOut]
    untold: int
    message: MessageOut | None
    replies: list[CommandReplyOut]
    served: bool = Field(description="A worker of its queue is alive.")
    actions: ActionsOut
    links: SentLinks


def command_row(row: Row, domain: str) -> dict[str, Any]:
    """The `CommandRow` of a row of `CommandReads`."""
    same = ("command_type", "behavior", "status", "attempts", "max_attempts", "created_at", "updated_at")
    return {
        **{name: row[name] for name in same},
        "id": row["command_id"],
        "domain": domain,
        "error_code": row["code"],
        "error_message": row["message"],
    }


def command_out(found: OneCommand, actions: dict[str, Any]) -> dict[str, Any]:
    """The `CommandOut`."""
    command, outcome, status = found.command, found.outcome, found.status
    same = ("domain", "command_type", "attempts", "max_attempts", "correlation_id", "created_at", "updated_at")
    duration = took(outcome.events) if status.is_final else None
    told = found.story[:MOST_TOLD]
    parts = ("behavior", "payload", "result")
    return {
        **{name: command[name] for name in (*same, "served")},
        **{name: stored(command[f"{name}_text"], most=queries.JSON_SHOWN) for name in parts},
        "id": command["command_id"],
        "status": status,
        "final": status.is_final,
        "attempts_in_all": command["life_attempts"],
        "reply": bool(command["reply_queue"]),
        "took_ms": duration.milliseconds if duration else None,
        "error": _error(command),
        "expected": _judged(found),
        "timeline": [entry_out(entry) for entry in reversed(told)],
        "untold": len(found.story) - len(told),
        "message": _message(found),
        "replies": [_reply(row) for row in found.replies],
        "actions": actions,
        "links": links_of(command["command_id"]),
    }


def _error(command: Row) -> dict[str, Any] | None:
    error = {name: command[f"last_error_{column}"] for name, column in _ERROR.items()}
    return error if any(error.values()) else None


_ERROR = {"type": "type", "code": "code", "message": "msg"}


def _judged(found: OneCommand) -> dict[str, Any]:
    judged = expected(found.command, found.outcome, found.config)
    return {
        "statuses": judged.statuses,
        "least_attempts": judged.bounds.least if judged.bounds else None,
        "most_attempts": judged.bounds.most if judged.bounds else None,
        "sentence": judged.sentence,
        "verdict": judged.agreement.verdict,
        "reason": judged.agreement.reason,
    }


def _message(found: OneCommand) -> dict[str, Any] | None:
    if found.message is None:
        return None
    row = found.message
    return {
        "id": found.command["msg_id"],
        "enqueued_at": row["enqueued_at"],
        "visible_at": row["vt"],
        "hidden": row["hidden"],
        "read_count": row["read_ct"],
        "archived_at": row["archived_at"],
    }


def _reply(row: Row) -> dict[str, Any]:
    return {
        "message_id": row["msg_id"],
        "outcome": row["outcome"],
        "enqueued_at": row["enqueued_at"],
        "taken_at": row["archived_at"],
        "message": stored(row["text"], most=queries.JSON_SHOWN),
    }
