"""What the sampler counted since it began, and how all stands now: for metrics. The SQL is in ``totals.sql``.

Reads a row or two of each domain, whatever the tables of the bus hold.
"""

from dataclasses import dataclass, fields
from datetime import datetime
from pathlib import Path

from commands.rules.histogram import Histogram
from commands.stats.samples import SILENT_AFTER
from e2e_site.named_sql import NamedSql, Row
from settings_app.models import Worker

_SQL = NamedSql(Path(__file__).with_suffix(".sql"))


@dataclass(frozen=True, kw_only=True)
class Queue:
    """How a queue stood in the newest second of the sampler; ``oldest_s`` is None where no message waits."""

    visible: int
    in_flight: int
    delayed: int
    oldest_s: float | None
    tsq: int


@dataclass(frozen=True, kw_only=True)
class Totals:
    """All that was counted ``since`` the sampler began; it never goes back. Columns of ``e2e_sample_total``."""

    since: datetime
    sent: int
    received: int
    completed: int
    retried: int
    parked: int
    failed: int
    canceled: int
    late: int
    waiting: Histogram
    running: Histogram


@dataclass(frozen=True, kw_only=True)
class DomainNow:
    """``queue`` is None while the sampler is silent, ``totals`` before it counted; ``workers`` are those alive."""

    domain: str
    workers: int
    queue: Queue | None
    totals: Totals | None


@dataclass(frozen=True, kw_only=True)
class Installation:
    """What there is once in a database; None for what was not sampled yet."""

    version: int | None
    paused: bool | None
    sampler_age_s: float | None
    size_bytes: int | None
    dead_rows: int | None
    wal_bytes: int | None
    postgresql: str


def newest() -> list[DomainNow]:
    """Each domain, oldest first."""
    rows = _SQL.rows("newest", silence=Worker.SILENCE, stale=SILENT_AFTER)
    return [
        DomainNow(
            domain=row["domain"],
            workers=row["workers"],
            queue=None if row["at"] is None else Queue(**_columns(Queue, row)),
            totals=None if row["since"] is None else _totals(row),
        )
        for row in rows
    ]


def installation() -> Installation:
    (row,) = _SQL.rows("installation")
    return Installation(**_columns(Installation, row))


def _totals(row: Row) -> Totals:
    histograms = {name: Histogram(tuple(row[name])) for name in ("waiting", "running")}
    return Totals(**{**_columns(Totals, row), **histograms})


def _columns(kind: type[Queue | Totals | Installation], row: Row) -> Row:
    return {field.name: row[field.name] for field in fields(kind)}
