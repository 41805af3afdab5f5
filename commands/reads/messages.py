"""Replies, and messages that were no command; their SQL is in messages.sql."""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from uuid import UUID

from commands.reads.listing import LARGEST_NUMBER
from commands.rules.words import archive_table, command_queue, queue_table, reply_queue
from e2e_site.named_sql import NamedSql, Row

MOST = 10_000  # replies that one page looks at for those of a command
SHOWN = 20_000  # characters of a reply
REJECTED_LISTED = 1100  # characters of a message in a list, as messages.sql cuts it
MOST_EDITED = 100_000  # characters of a message that a form shows

_SQL = NamedSql(Path(__file__).with_suffix(".sql"))


@dataclass(frozen=True, kw_only=True)
class Replies:
    """A page of replies, newest first. ``goes_on``: the number below which the next one begins, None at the end.

    ``looked``: at how many; ``reach``: since when the first one is there that nobody looked at, where the look ended.
    """

    rows: list[Row]
    goes_on: int | None
    looked: int
    reach: datetime | None


def replies(domain: str, *, archived: bool, command_id: UUID | None, before: int | None, size: int) -> Replies:
    """Those that wait, or those that were taken (``archived``); of all or of one command."""
    queue = reply_queue(domain)
    names = {
        "replies": archive_table(queue) if archived else queue_table(queue),
        "at": "archived_at" if archived else "enqueued_at",
    }
    start = LARGEST_NUMBER if before is None else before
    found = _SQL.rows("replies", names, command_id=command_id, before=start, most=MOST, limit=size + 1, shown=SHOWN)
    rows, edge = [row for row in found if row["msg_id"] is not None], found[0]
    more = len(rows) > size
    return Replies(
        rows=rows[:size],
        goes_on=rows[size - 1]["msg_id"] if more else (edge["edge"] + 1 if edge["edge"] is not None else None),
        looked=MOST if edge["edge"] is not None and not more else len(rows[:size]),
        reach=None if more else edge["edge_at"],
    )


def rejected(domain: str, *, before: int | None, limit: int) -> list[Row]:
    """Messages that were no command, newest first, each with ``kept``: the archive has it."""
    return _SQL.rows(
        "rejected",
        {"archive": archive_table(command_queue(domain))},
        domain=domain,
        before=LARGEST_NUMBER if before is None else before,
        limit=limit,
    )


def rejection(audit_id: int) -> Row | None:
    """The event of a rejected message, with the ``now`` of the database; None where there is none."""
    if audit_id > LARGEST_NUMBER:
        return None
    found = _SQL.rows("event", audit_id=audit_id)
    return found[0] if found else None


def kept_text(domain: str, msg_id: int | None) -> str | None:
    """A rejected message as the archive has it, for reading; None where it is gone, or too long to be edited."""
    found = _SQL.rows("message", {"archive": archive_table(command_queue(domain))}, msg_id=msg_id, most=MOST_EDITED)
    return found[0]["text"] if found else None
