"""The reads of the pages. The SQL is in ``queries.sql``, by name; here it becomes values."""

import json
import re
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, Literal
from uuid import UUID

from django.db import connection

from commands.models import LOOK_BACK, Worker
from commands.rules.formatting import Count
from commands.rules.timeline import Event
from commands.rules.words import DOMAIN, DOMAINS, Status, command_queue

COUNT_LIMIT = 10_000  # counted exactly up to here
REPLIES_LOOKED_THROUGH = 10_000
COMMANDS_LOOKED_THROUGH = 100  # for events, where those of other domains cover the newest LOOK_BACK
SILENT_WORKERS_SHOWN = timedelta(minutes=10)

Row = dict[str, Any]

_JSONB = 3802  # PostgreSQL's type number; Django hands jsonb out as text
_TEXT = Path(__file__).with_suffix(".sql").read_text("utf-8")
_QUERIES = dict(re.findall(r"^-- name: (\w+)\n(.*?;)$", _TEXT, re.DOTALL | re.MULTILINE))


def rows(name: str, **parameters: Any) -> list[Row]:
    """What the query of that name answers; columns by name, jsonb as Python values."""
    with connection.cursor() as cursor:
        cursor.execute(_QUERIES[name], parameters)
        columns = [(column.name, column.type_code == _JSONB) for column in cursor.description]
        return [dict(map(_named, columns, row)) for row in cursor.fetchall()]


def _named(column: tuple[str, bool], value: Any) -> tuple[str, Any]:
    name, is_json = column
    return name, json.loads(value) if is_json and value is not None else value


@dataclass(frozen=True, kw_only=True)
class StatusCounts:
    """How many commands have each status, in the order of `Status`, and how many messages were no command."""

    by_status: dict[Status, Count]
    rejected: Count


def status_counts(limit: int = COUNT_LIMIT, *, domain: str = DOMAIN) -> StatusCounts:
    """Exact up to ``limit`` each, whatever the tables hold beyond, of other domains too."""
    (row,) = rows("status_counts", domain=domain, limit=limit + 1)
    counted = {name: _counted(row[name], limit) for name in ("parked", "failed", "canceled", "rejected")}
    mark: Literal["", "+"] = "+" if row["looked_at"] > limit else ""  # the queue is longer than what was looked at
    return StatusCounts(
        by_status={
            Status.PENDING: Count(min(row["pending"], limit), mark),
            Status.IN_PROGRESS: Count(min(row["in_progress"], limit), mark),
            Status.COMPLETED: _completed(row, limit),
            Status.FAILED: counted["failed"],
            Status.CANCELED: counted["canceled"],
            Status.IN_TROUBLESHOOTING_QUEUE: counted["parked"],
        },
        rejected=counted["rejected"],
    )


def _counted(value: int, limit: int) -> Count:
    return Count(limit, "+") if value > limit else Count(value)


def _completed(row: Row, limit: int) -> Count:
    """All commands less those that stand elsewhere: no index counts COMPLETED."""
    elsewhere = row["parked"] + row["failed"] + row["canceled"]
    if row["total"] <= limit:
        return Count(max(0, row["total"] - elsewhere - row["pending"] - row["in_progress"]))
    queued = row["pending"] + row["in_progress"]
    if row["looked_at"] > limit:
        queued = max(queued, row["queue_estimate"] or 0)
    if row["estimate"] is None:
        return Count(max(0, row["total"] - 1 - elsewhere - queued), "+")
    return Count(max(0, max(row["estimate"], row["total"]) - elsewhere - queued), "≈")


def workers(domain: str = DOMAIN) -> list[Row]:
    """Rows of ``e2e_worker`` with ``alive``; the silent ones for ten minutes."""
    return rows("workers", queue=command_queue(domain), silence=Worker.SILENCE, remembered=SILENT_WORKERS_SHOWN)


def newest_events(limit: int, *, domain: str = DOMAIN, look_back: int = LOOK_BACK) -> list[Row]:
    """The newest events of a domain, with the ``behavior`` type of each.

    No more than ``look_back`` events of all domains are looked at. In domain `test` the events of its newest commands
    are added where that gives too few: ``far`` marks them, and between them events of older commands may be missing.
    """
    return rows("newest_events", domain=domain, limit=limit, look_back=look_back, commands=COMMANDS_LOOKED_THROUGH)


def newest_rejected(limit: int, *, domain: str = DOMAIN) -> list[Row]:
    """The newest messages that were no command."""
    return rows("newest_rejected", domain=domain, limit=limit)


def command(command_id: UUID) -> Row | None:
    """A command of any domain with its ``test_command`` columns and its message's due time, or None."""
    found = rows("command", domains=list(DOMAINS), command_id=command_id)
    return found[0] if found else None


def events(command_id: UUID, domain: str = DOMAIN) -> list[Event]:
    """What happened to a command, oldest first; of a very long story its newest part."""
    found = rows("events", domain=domain, command_id=command_id)
    return [Event(event_type=row["event_type"], ts=row["ts"], details=row["details"] or {}) for row in reversed(found)]


def replies(command_id: UUID, domain: str = DOMAIN) -> list[Row]:
    """Its replies among the newest `REPLIES_LOOKED_THROUGH` of the queue, oldest first."""
    return rows("replies", domain=domain, command_id=command_id, limit=REPLIES_LOOKED_THROUGH)
