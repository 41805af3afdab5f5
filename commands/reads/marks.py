"""What happened beside the commands, to be marked over charts: settings, workers, operations; and who samples.

The SQL is in ``marks.sql``.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path

from commands.rules import operation_text
from commands.rules.words import DOMAIN, OperationState, command_queue
from commands.stats.samples import Sampler
from e2e_site.named_sql import NamedSql, Row
from e2e_site.texts import visible
from settings_app.models import Worker

LOOKED = 1000  # rows of each table that one read looks at, the newest
MOST = 100  # of each kind

_SQL = NamedSql(Path(__file__).with_suffix(".sql"))


class MarkKind(StrEnum):
    SETTINGS = "settings"
    WORKER_CAME = "worker_came"
    WORKER_WENT = "worker_went"
    OPERATION = "operation"


@dataclass(frozen=True, kw_only=True)
class Mark:
    """``text`` says what happened, for people; ``operation``: the number of the operation that it is about."""

    at: datetime
    kind: MarkKind
    text: str
    operation: int | None = None


@dataclass(frozen=True, kw_only=True)
class Beside:
    """The ``marks``, oldest first, of each kind the newest `MOST`; and who samples."""

    marks: list[Mark]
    sampler: Sampler


def read(since: datetime, until: datetime, domain: str = DOMAIN) -> Beside:
    """What happened from ``since`` up to, and without, ``until``."""
    span = {"since": since, "until": until, "looked": LOOKED, "most": MOST}
    rows = _SQL.rows("marks", **span, domain=domain, queue=command_queue(domain), silence=Worker.SILENCE)
    found = [mark for row in rows if row["about"] in _MARKS for mark in _MARKS[row["about"]](row)]
    (own,) = [row for row in rows if row["about"] == "sampler"]
    return Beside(
        marks=sorted((mark for mark in found if since <= mark.at < until), key=lambda mark: mark.at),
        sampler=Sampler(sampler=own["name"], at=own["began"], counted_at=own["ended"], now=own["silent"]),
    )


def _settings(row: Row) -> Iterator[Mark]:
    text = f"Settings changed by {row['name'] or 'SQL'}: {row['what'].removesuffix('.')}"
    yield Mark(at=row["began"], kind=MarkKind.SETTINGS, text=visible(text))


def _worker(row: Row) -> Iterator[Mark]:
    name = visible(row["name"])
    yield Mark(at=row["began"], kind=MarkKind.WORKER_CAME, text=f"Worker {name} started")
    if row["ended"] is not None:
        yield Mark(at=row["ended"], kind=MarkKind.WORKER_WENT, text=f"Worker {name} stopped")
    elif row["silent"] is not None:
        yield Mark(at=row["silent"], kind=MarkKind.WORKER_WENT, text=f"Worker {name} fell silent")


def _operation(row: Row) -> Iterator[Mark]:
    number = row["number"]
    title = f"Operation {number}: {operation_text.title(row['what'], row['wanted'])}"
    by = visible(f"{title}, by {row['name']}")
    yield Mark(at=row["began"], kind=MarkKind.OPERATION, text=f"{by}, began", operation=number)
    if row["ended"] is not None:
        ending = OperationState.label_of(row["state"]).lower()
        text = f"{title}, ended: {ending}"
        yield Mark(at=row["ended"], kind=MarkKind.OPERATION, text=text, operation=number)


_MARKS: Mapping[str, Callable[[Row], Iterator[Mark]]] = {
    "settings": _settings,
    "worker": _worker,
    "operation": _operation,
}
