"""The reads of the pages. The SQL is in ``queries.sql``, by name; here it becomes values."""

from collections.abc import Collection, Iterable
from datetime import datetime, timedelta
from pathlib import Path
from uuid import UUID

from commands.reads.redacted import redactor
from commands.rules.details import details_of
from commands.rules.timeline import Event, WorkerSeen
from commands.rules.words import DOMAIN, Status, archive_table, command_queue, queue_table, reply_queue
from e2e_site.backend.base import by_index
from e2e_site.named_sql import NamedSql, Row
from settings_app.models import Worker

REPLIES_LOOKED_THROUGH = 10_000
LOOK_BACK = 10_000  # where events of one domain are looked for, no more events of all domains are looked at
COMMANDS_LOOKED_THROUGH = 100  # for events, where those of other domains cover the newest LOOK_BACK
SILENT_WORKERS_SHOWN = timedelta(minutes=10)
# The settings that decide, beside its behavior, about what becomes of a command.
DECIDING = ("visibility_timeout", "base_delay_ms", "max_delay_ms", "backoff_multiplier", "heartbeat")
EVENTS_TOLD = 120  # of one command's story; the audit has the rest
LONG_DETAILS = ("behavior", "old_behavior", "payload", "old_payload", "result_data", "error_details")
DETAIL_SHOWN = 4_000  # characters of each of these
RAW_SHOWN = 10_000_000  # characters of a value that is asked for alone
JSON_SHOWN = 200_000  # characters of a stored value; a payload that the site itself takes has fewer
_SQL = NamedSql(Path(__file__).with_suffix(".sql"))


def domains() -> tuple[list[str], datetime | None]:
    """The names of all domains, oldest first, and the database's clock, which is None where there is no domain."""
    found = _SQL.rows("domains")
    return [row["name"] for row in found], found[0]["now"] if found else None


def workers(domain: str = DOMAIN) -> list[Row]:
    """Rows of ``e2e_worker`` with ``alive``; the silent ones for ten minutes."""
    return _SQL.rows("workers", queue=command_queue(domain), silence=Worker.SILENCE, remembered=SILENT_WORKERS_SHOWN)


def newest_events(limit: int, *, domain: str = DOMAIN, look_back: int = LOOK_BACK) -> list[Row]:
    """The newest events of a domain, with the ``behavior`` type of each.

    No more than ``look_back`` events of all domains are looked at. Where that gives too few, the events of the domain's
    newest commands are added: ``far`` marks them, and between them events of older commands may be missing.
    """
    parameters = {"domain": domain, "limit": limit, "look_back": look_back, "commands": COMMANDS_LOOKED_THROUGH}
    with by_index():
        return _redacted(_SQL.rows("newest_events", **parameters))


def newest_rejected(limit: int, *, within: timedelta, domain: str = DOMAIN) -> list[Row]:
    """The newest messages that were no command, as far as they are no older than that."""
    found = _SQL.rows("newest_rejected", domain=domain, limit=limit, within=within)
    return _redacted(found)


def _redacted(rows: list[Row]) -> list[Row]:
    """With ``details`` as values, without what is redacted: all viewers share these rows."""
    hide = redactor(may_see=False)
    return [{**row, "details": hide.details(details_of(row["details"]))} for row in rows]


def command(command_id: UUID) -> Row | None:
    """A command of any domain with its ``test_command`` columns, or None.

    ``served``: its queue has a live worker. ``now``: the database's clock. ``*_text``: the JSON as it is stored.
    """
    found = _SQL.rows("command", command_id=command_id, silence=Worker.SILENCE, most=JSON_SHOWN)
    return found[0] if found else None


def standing(command_ids: Collection[UUID]) -> dict[UUID, Status]:
    """Where each of these commands of any domain stands; those that there are not are left out."""
    found = _SQL.rows("standing", command_ids=list(command_ids))
    return {row["command_id"]: Status(row["status"]) for row in found}


def domain_of(command_id: UUID) -> str | None:
    """The domain of a command; None where there is no such command."""
    found = _SQL.rows("standing", command_ids=[command_id])
    return found[0]["domain"] if found else None


def asked(command_id: UUID) -> Row | None:
    """What was asked of a command of any domain, or None; the ``payload`` as text: None if too long to be sent."""
    found = _SQL.rows("asked", command_id=command_id)
    return found[0] if found else None


def message(domain: str, msg_id: int | None) -> Row | None:
    """Where a message is: ``vt``, ``hidden`` (it is to come), ``read_ct``, ``archived_at`` (None: in the queue).

    None where it is in neither, as that of a command that was performed.
    """
    queue = command_queue(domain)
    tables = {"commands": queue_table(queue), "archive": archive_table(queue)}
    found = _SQL.rows("message", tables, msg_id=msg_id)
    return found[0] if found else None


def events(command_id: UUID, domain: str = DOMAIN) -> list[Event]:
    """What happened to a command, oldest first; of a very long story its newest part."""
    asked = {"shown": EVENTS_TOLD, "long": list(LONG_DETAILS), "most": DETAIL_SHOWN}
    with by_index():
        rows = _SQL.rows("events", domain=domain, command_id=command_id, **asked)
    return [
        Event(
            event_type=row["event_type"],
            ts=row["ts"],
            details=details_of(row["details"]),
            audit_id=row["audit_id"],
            texts=row["texts"] or {},
        )
        for row in rows
    ]


def workers_seen(worker_ids: Iterable[str]) -> dict[str, WorkerSeen]:
    """The workers of which there still is a row, by their ids as events name them."""
    found = _SQL.rows("workers_seen", worker_ids=list(worker_ids), silence=Worker.SILENCE, deciding=list(DECIDING))
    return {row["worker_id"]: _seen(row) for row in found}


def replies(command_id: UUID, domain: str = DOMAIN) -> list[Row]:
    """Its replies, oldest first: among the newest `REPLIES_LOOKED_THROUGH` that wait and as many that were taken."""
    queue = reply_queue(domain)
    return _SQL.rows(
        "replies",
        {"replies": queue_table(queue), "taken": archive_table(queue)},
        command_id=command_id,
        limit=REPLIES_LOOKED_THROUGH,
        most=JSON_SHOWN,
    )


def raw(command_id: UUID, part: str) -> Row | None:
    """The ``text`` of a command's ``behavior``, ``payload`` or ``result`` as it is stored; None where there is none.

    The text is None where it has more than `RAW_SHOWN` characters.
    """
    found = _SQL.rows("raw", command_id=command_id, part=part, most=RAW_SHOWN)
    return found[0] if found else None


def _seen(row: Row) -> WorkerSeen:
    return WorkerSeen(name=f"{row['host']}:{row['pid']}", alive=row["alive"], own=row["own"])


def audit_id_at(moment: datetime | None, otherwise: int) -> int:
    """The first event at or after a moment, by its number; ``otherwise`` where no moment is asked for.

    Writers' transactions overlap by milliseconds: compare the times as well.
    """
    if moment is None:
        return otherwise
    found = _SQL.rows("audit_id_at", moment=moment)
    return int(found[0]["audit_id"] or 0) if found else 0
