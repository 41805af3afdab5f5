"""What happened beside the commands, to be marked over charts: settings, workers, operations. SQL: ``marks.sql``."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path

from commands.rules import operation_text
from commands.rules.words import DOMAIN, OperationState, command_queue
from e2e_site.named_sql import NamedSql
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


def read(since: datetime, until: datetime, domain: str = DOMAIN) -> list[Mark]:
    """All marks from ``since`` up to ``until``, oldest first; of each kind the newest `MOST`."""
    span = {"since": since, "until": until, "looked": LOOKED, "most": MOST}
    found = [*_settings(span), *_workers(span, domain), *_operations(span, domain)]
    return sorted((mark for mark in found if since <= mark.at < until), key=lambda mark: mark.at)


def _settings(span: dict[str, object]) -> list[Mark]:
    return [
        Mark(
            at=row["at"],
            kind=MarkKind.SETTINGS,
            text=visible(f"Settings changed by {row['who'] or 'SQL'}: {row['what'].removesuffix('.')}"),
        )
        for row in _SQL.rows("settings", **span)
    ]


def _workers(span: dict[str, object], domain: str) -> list[Mark]:
    found = []
    for row in _SQL.rows("workers", **span, queue=command_queue(domain), silence=Worker.SILENCE):
        name = visible(row["name"])
        found.append(Mark(at=row["started_at"], kind=MarkKind.WORKER_CAME, text=f"Worker {name} started"))
        if row["stopped_at"] is not None:
            found.append(Mark(at=row["stopped_at"], kind=MarkKind.WORKER_WENT, text=f"Worker {name} stopped"))
        elif row["silent"]:
            found.append(Mark(at=row["beat_at"], kind=MarkKind.WORKER_WENT, text=f"Worker {name} fell silent"))
    return found


def _operations(span: dict[str, object], domain: str) -> list[Mark]:
    found = []
    for row in _SQL.rows("operations", **span, domain=domain):
        number = row["operation_id"]
        title = f"Operation {number}: {operation_text.title(row['kind'], row['wanted'])}"
        by = visible(f"{title}, by {row['who']}")
        found.append(Mark(at=row["begun_at"], kind=MarkKind.OPERATION, text=f"{by}, began", operation=number))
        if row["ended_at"] is not None:
            ending = OperationState.label_of(row["state"]).lower()
            found.append(
                Mark(at=row["ended_at"], kind=MarkKind.OPERATION, text=f"{title}, ended: {ending}", operation=number)
            )
    return found
