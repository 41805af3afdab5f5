"""Commands and operations as programs read them: the same names on the command line, in the API and in exports."""

from collections.abc import Mapping
from typing import Any

from commands.models import Operation
from commands.reads import queries
from commands.reads.one_command import OneCommand
from commands.rules.ends import took
from commands.rules.timeline import Event
from e2e_site.named_sql import Row
from e2e_site.stored_json import StoredText

LISTED = (
    "command_id", "domain", "command_type", "behavior", "status", "attempts", "max_attempts", "error_type",
    "error_code", "error_message", "correlation_id", "created_at", "updated_at",
)  # fmt: skip
OPERATION = (
    "kind", "domain", "state", "operator", "reason", "correlation_id", "wanted", "done", "skipped", "rate", "canary",
    "said", "created_at", "started_at", "ended_at",
)  # fmt: skip


def listed(row: Row) -> dict[str, Any]:
    """One of a list of commands: a row of `CommandReads.page` with the columns ``exported``."""
    return {name: row[name] for name in LISTED}


def parked(row: Row, domain: str) -> dict[str, Any]:
    """One of the troubleshooting queue: a row of `parked.page`."""
    return {
        "command_id": row["command_id"],
        "domain": domain,
        **{name: row[name] for name in ("behavior", "attempts", "max_attempts", "error_type", "error_code")},
        "error_message": row["message"],
        **{name: row[name] for name in ("parked_at", "first_failed")},
    }


def group(row: Row) -> dict[str, Any]:
    """A group of the troubleshooting queue: a row of `parked.groups`."""
    return {name: row[name] for name in ("error_code", "behavior", "count", "oldest", "newest")}


def detailed(story: OneCommand) -> dict[str, Any]:
    """One command with all that is known of it. Stored JSON has every digit."""
    command, expected = story.command, story.expected
    return {
        **{name: command[name] for name in ("command_id", "domain", "command_type")},
        "behavior": _stored(command["behavior_text"]),
        "status": story.status,
        **{name: command[name] for name in ("attempts", "max_attempts", "life_attempts")},
        "error_type": command["last_error_type"],
        "error_code": command["last_error_code"],
        "error_message": command["last_error_msg"],
        **{name: command[name] for name in ("correlation_id", "created_at", "updated_at")},
        "payload": _stored(command["payload_text"]),
        "result": _stored(command["result_text"]),
        "took_ms": took_ms(story),
        "expected": {
            "verdict": expected.agreement.verdict,
            "reason": expected.agreement.reason,
            "statuses": expected.statuses,
            "attempts": expected.attempts,
            "sentence": expected.sentence,
        },
        "events": [_event(event) for event in story.outcome.events],
        "replies": [
            {"msg_id": reply["msg_id"], "enqueued_at": reply["enqueued_at"], "outcome": reply["outcome"]}
            for reply in story.replies
        ],
    }


def operation(row: Operation) -> dict[str, Any]:
    return {"id": row.operation_id, **{name: getattr(row, name) for name in OPERATION}}


def took_ms(story: OneCommand) -> float | None:
    """From its sending, or its operator's last retry, to its end."""
    found = took(story.outcome.events) if story.status.is_final else None
    return None if found is None else found.milliseconds


def _event(event: Event) -> Mapping[str, Any]:
    long = {name: _stored(text, most=queries.DETAIL_SHOWN) for name, text in event.texts.items()}
    return {
        "audit_id": event.audit_id,
        "ts": event.ts,
        "event_type": event.event_type,
        "details": {**event.details, **long},
    }


def _stored(text: str | None, *, most: int = queries.JSON_SHOWN) -> StoredText | str | None:
    """Stored JSON as it stands; one that was cut is a text."""
    return text if text is None or len(text) >= most else StoredText(text)
