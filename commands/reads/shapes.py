"""Commands, groups and operations as programs read them on the command line: in the words of the API."""

from typing import Any

from commands.models import Operation
from commands.reads import queries
from commands.reads.expected import expected
from commands.reads.one_command import OneCommand
from commands.rules.ends import took
from commands.rules.timeline import Attempt, Entry, Event
from commands.rules.words import LATE
from e2e_site.named_sql import Row
from e2e_site.stored_json import SHOWN, StoredText, read
from e2e_site.texts import cut

OPERATION = (
    "kind", "domain", "state", "operator", "reason", "correlation_id", "wanted", "done", "skipped", "rate", "canary",
    "said", "created_at", "started_at", "ended_at",
)  # fmt: skip
MOST_TOLD = 100  # lines of a timeline


def listed(row: Row, domain: str) -> dict[str, Any]:
    """One of a list of commands: a row of `CommandReads.page`."""
    same = ("command_type", "behavior", "status", "attempts", "max_attempts")
    return {
        "id": row["command_id"],
        "domain": domain,
        **{name: row[name] for name in same},
        "error_code": row["code"],
        "error_message": row["message"],
        "created_at": row["created_at"],
        "updated_at": row["updated_at"],
    }


def parked(row: Row) -> dict[str, Any]:
    """One of the troubleshooting queue: a row of `parked.page`."""
    first = ("command_id", "parked_at", "first_failed", "error_type", "error_code")
    return {
        **{name: row[name] for name in first},
        "error_message": row["message"],
        **{name: row[name] for name in ("behavior", "attempts", "max_attempts")},
    }


def group(row: Row) -> dict[str, Any]:
    """A group of the troubleshooting queue: a row of `parked.groups`."""
    return {name: row[name] for name in ("error_code", "behavior", "count", "oldest", "newest")}


def operation(row: Operation) -> dict[str, Any]:
    return {"id": row.operation_id, **{name: getattr(row, name) for name in OPERATION}}


def took_ms(found: OneCommand) -> float | None:
    """From its sending, or its operator's last retry, to its end."""
    duration = took(found.outcome.events) if found.status.is_final else None
    return duration.milliseconds if duration else None


def detailed(found: OneCommand) -> dict[str, Any]:
    """One command with all that is known of it. Stored JSON has every digit; ``timeline`` is oldest first."""
    command, told = found.command, found.story[:MOST_TOLD]
    error = {"type": "type", "code": "code", "message": "msg"}
    last = {name: command[f"last_error_{column}"] for name, column in error.items()}
    return {
        "id": command["command_id"],
        **{name: command[name] for name in ("domain", "command_type")},
        "status": found.status,
        "final": found.status.is_final,
        **{name: command[name] for name in ("attempts", "max_attempts")},
        "attempts_in_all": command["life_attempts"],
        "correlation_id": command["correlation_id"],
        "reply": bool(command["reply_queue"]),
        **{name: command[name] for name in ("created_at", "updated_at")},
        "took_ms": took_ms(found),
        "error": last if any(last.values()) else None,
        **{name: _stored(command[f"{name}_text"]) for name in ("behavior", "payload", "result")},
        "expected": _judged(found),
        "timeline": [_entry(entry) for entry in reversed(told)],
        "untold": len(found.story) - len(told),
        "replies": [_reply(row) for row in found.replies],
        "served": command["served"],
    }


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


def _entry(entry: Entry) -> dict[str, Any]:
    return {
        "at": entry.ts,
        "attempt": _attempt(entry.attempt) if entry.attempt else None,
        "event": _event(entry.event) if entry.event else None,
    }


def _attempt(attempt: Attempt) -> dict[str, Any]:
    end = attempt.end
    return {
        "number": attempt.number,
        "max_attempts": attempt.max_attempts,
        "message_id": attempt.msg_id,
        "started_at": attempt.started,
        "ended_at": end.ts if end else None,
        "milliseconds": attempt.milliseconds,
        "outcome": end.event_type if end else None,
        "error_code": end.details.get("error_code") if end else None,
        "error_message": end.details.get("error_msg") if end else None,
        "next_attempt_at": attempt.due,
        "worker": {"id": attempt.worker_id, "name": attempt.worker_name} if attempt.worker_id else None,
        "late": end is not None and end.event_type in LATE,
        "lost": attempt.lost,
        "awaited": attempt.awaited,
    }


def _event(event: Event) -> dict[str, Any]:
    known = event.details
    return {
        "audit_id": event.audit_id,
        "type": event.event_type,
        **{name: known.get(name) for name in ("operator", "reason", "error_code")},
        "error_message": known.get("error_msg"),
    }


def _reply(row: Row) -> dict[str, Any]:
    return {
        "message_id": row["msg_id"],
        "outcome": row["outcome"],
        "enqueued_at": row["enqueued_at"],
        "taken_at": row["archived_at"],
        "message": _stored(row["text"]),
    }


def _stored(text: str | None) -> StoredText | dict[str, str] | None:
    """Stored JSON as it stands, every digit of it; what was cut, or no program should read, as ``unreadable``."""
    if text is None:
        return None
    if len(text) >= queries.JSON_SHOWN or isinstance(read(text), StoredText):
        return {"unreadable": cut(text, SHOWN)}
    return StoredText(text)
