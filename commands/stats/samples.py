"""What the sampler saw, as viewers read it: columns of a chart, the newest sample. The SQL is in ``samples.sql``."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from commands.rules.histogram import Histogram
from commands.rules.words import DOMAIN
from e2e_site.named_sql import NamedSql, Row

WIDTHS_S = (1, 10, 60, 3600)
SILENT_AFTER = timedelta(seconds=10)  # a sampler that has not sampled for so long is gone

_SQL = NamedSql(Path(__file__).with_suffix(".sql"))


@dataclass(frozen=True, kw_only=True)
class Sample:
    """One column of ``e2e_sample``: ``at`` is when it begins, ``seconds`` what its counts stand for, never 0."""

    at: datetime
    seconds: float
    visible: int
    in_flight: int
    delayed: int
    oldest_s: float | None
    tsq: int
    workers: int
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
class Sampler:
    """Who samples, ``at`` which time last; ``now``: the database's clock. ``at`` is None before the first sample.

    What happened until ``counted_at`` is counted. Where it stays behind ``at``, counts wait for an open transaction.
    """

    sampler: str
    at: datetime | None
    now: datetime
    counted_at: datetime | None = None

    @property
    def is_silent(self) -> bool:
        return self.at is None or self.now - self.at > SILENT_AFTER


@dataclass(frozen=True, kw_only=True)
class DatabaseSample:
    """One column of ``e2e_database_sample``: bytes, and dead rows; ``wal_bytes`` is a position, which only grows."""

    at: datetime
    size_bytes: int
    dead_rows: int
    wal_bytes: int


@dataclass(frozen=True, kw_only=True)
class Span:
    """The columns of one stored width that begin from ``since`` up to, and without, ``until``."""

    width_s: int
    since: datetime
    until: datetime


def series(spans: Sequence[Span], domain: str = DOMAIN) -> list[list[Sample]]:
    """The samples of each span, oldest first; gaps are left."""
    asked = {f"{name}s": [getattr(span, name) for span in spans] for name in ("since", "until")}
    rows = _SQL.rows("series", domain=domain, widths=[span.width_s for span in spans], **asked)
    found: dict[int, list[Sample]] = {span.width_s: [] for span in spans}
    for row in rows:
        found[row.pop("width_s")].append(_sample(row))
    return list(found.values())


def latest(domain: str = DOMAIN) -> Sample | None:
    """The newest second; None before the first."""
    rows = _SQL.rows("latest", domain=domain)
    return _sample(rows[0]) if rows else None


def sampler() -> Sampler:
    (row,) = _SQL.rows("sampler")
    return Sampler(sampler=row["sampler"], at=row["sampled_at"], now=row["now"], counted_at=row["counted_at"])


def database_series(*, since: datetime, until: datetime, width_s: int) -> list[DatabaseSample]:
    """As `series`, of the whole database; there is none of 1 s."""
    rows = _SQL.rows("database_series", width_s=width_s, since=since, until=until)
    return [DatabaseSample(**row) for row in rows]


def database_latest() -> DatabaseSample | None:
    """The newest 10 s; None before the first."""
    rows = _SQL.rows("database_latest")
    return DatabaseSample(**rows[0]) if rows else None


def _sample(row: Row) -> Sample:
    waiting, running = (_histogram(row[name]) for name in ("waiting", "running"))
    return Sample(**{**row, "waiting": waiting, "running": running})


def _histogram(counts: Sequence[int]) -> Histogram:
    return Histogram(tuple(counts))
