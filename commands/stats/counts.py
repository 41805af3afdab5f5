"""How many commands stand where. The SQL is in ``counts.sql``, by name; here it becomes values."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from commands.rules.formatting import Count
from commands.rules.words import DOMAIN, Status, command_queue, queue_table
from e2e_site.named_sql import NamedSql, Row

COUNT_LIMIT = 10_000  # counted exactly up to here

_SQL = NamedSql(Path(__file__).with_suffix(".sql"))


@dataclass(frozen=True, kw_only=True)
class StatusCounts:
    """How many commands have each status, in the order of `Status`, and how many messages were no command."""

    by_status: dict[Status, Count]
    rejected: Count


def status_counts(limit: int = COUNT_LIMIT, *, domain: str = DOMAIN) -> StatusCounts:
    """Exact up to ``limit`` each, whatever the tables hold beyond, of other domains too."""
    tables = {"commands": queue_table(command_queue(domain))}
    (row,) = _SQL.rows("status_counts", tables, domain=domain, limit=limit + 1)
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
