"""What an operator does to commands at once: retry, cancel, complete. Many are an operation (`operations.py`).

Nothing waits: what another transaction holds right now, and what stands elsewhere by now, is left as it is and told.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from django.db import transaction

from commands.rules.payload import exact_json, payload_text, storable_json
from commands.rules.words import DOMAIN, OPERATOR_EVENTS, OperationKind, Status, archive_table, command_queue
from e2e_site.named_sql import NamedSql

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime
    from uuid import UUID

    from commands.rules.behaviors import Behavior

MAX_REASON_LENGTH = 1000  # characters
MOST_AT_ONCE = 1000  # commands; more are an operation

_SQL = NamedSql(Path(__file__).with_suffix(".sql"))


@dataclass(frozen=True, kw_only=True)
class Action:
    """What is to be done to commands, by whom, and why.

    A retry may give them another ``behavior`` or ``payload``, and let them have at least ``max_attempts``. A completion
    stores and replies ``result``. Raises the payload's PayloadError for JSON that cannot be stored.
    """

    kind: OperationKind
    operator: str
    reason: str = ""
    behavior: Behavior | None = None
    payload: Mapping[str, Any] | None = None
    max_attempts: int | None = None
    result: Any = None

    def spec(self) -> dict[str, str | int | None]:
        """Its particulars as JSON texts, None for what is left as it is."""
        return {
            "behavior": None if self.behavior is None else exact_json(self.behavior.to_json()),
            "payload": None if self.payload is None else payload_text(dict(self.payload)),
            "max_attempts": self.max_attempts,
            "result": None if self.kind != OperationKind.COMPLETE else storable_json(self.result, "result"),
        }


@dataclass(frozen=True, kw_only=True)
class Left:
    """Why a command was left as it is: where it stands, and the newest action of an operator on it, if any.

    ``status`` is None for a command that is gone. ``held``: it stands where the action needs it, but another
    transaction holds it. ``lost``: its message is no longer in the archive, so it cannot be sent again.
    ``again``: when it was parked anew, since the operator looked.
    """

    status: Status | None
    held: bool = False
    lost: bool = False
    again: datetime | None = None
    operator: str = ""
    event_type: str = ""
    at: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class Acted:
    """The commands that were changed, in the order given, and why each other one was not."""

    done: list[UUID]
    left: dict[UUID, Left] = field(default_factory=dict)


def act(
    action: Action,
    ids: Sequence[UUID],
    *,
    domain: str = DOMAIN,
    waiting: bool = False,
    until: datetime | None = None,
) -> Acted:
    """Change these parked commands, `MOST_AT_ONCE` at most, in the caller's transaction or one of its own.

    ``waiting``: cancel commands that are PENDING instead. An attempt that runs is never disturbed. ``until``: when the
    operator looked; what was parked again since then is left as it is.
    """
    if len(ids) > MOST_AT_ONCE:
        raise ValueError(f"{len(ids)} commands at once, more than {MOST_AT_ONCE}")
    needed = Status.PENDING if waiting else Status.IN_TROUBLESHOOTING_QUEUE
    with transaction.atomic():
        seen = list(ids) if until is None else _parked_until(until, list(ids), domain)
        done = _changed(action, seen, domain, needed) if seen else []
    left = [command_id for command_id in ids if command_id not in set(done)]
    return Acted(done=done, left=why(left, domain=domain, needed=needed, until=until) if left else {})


def _parked_until(until: datetime, ids: list[UUID], domain: str) -> list[UUID]:
    """Those that were parked until then. Their rows stay locked, so that none of them moves meanwhile."""
    locked = [row["command_id"] for row in _SQL.rows("lock", domain=domain, ids=ids)]
    return [row["command_id"] for row in _SQL.rows("parked_until", domain=domain, ids=locked, until=until)]


def _changed(action: Action, ids: list[UUID], domain: str, needed: Status) -> list[UUID]:
    common = {"domain": domain, "ids": ids, "operator": action.operator, "reason": action.reason, **action.spec()}
    if action.kind == OperationKind.RETRY:
        found = _SQL.rows("retry", **common)
    else:
        ends = {OperationKind.CANCEL: Status.CANCELED, OperationKind.COMPLETE: Status.COMPLETED}
        found = _SQL.rows("end", status=ends[action.kind], needed=needed, **common)
    changed: list[UUID] = found[0]["done"]
    return changed


def why(
    ids: Sequence[UUID],
    *,
    domain: str = DOMAIN,
    needed: Status = Status.IN_TROUBLESHOOTING_QUEUE,
    until: datetime | None = None,
) -> dict[UUID, Left]:
    """Why these commands were left, or would be, by an action that ``needed`` them somewhere else."""
    tables = {"archive": archive_table(command_queue(domain))}
    rows = _SQL.rows("why", tables, domain=domain, ids=list(ids), types=list(OPERATOR_EVENTS))
    found = {row["command_id"]: row for row in rows}
    return {command_id: _left(found.get(command_id), needed, until) for command_id in ids}


def _left(row: Mapping[str, Any] | None, needed: Status, until: datetime | None) -> Left:
    if row is None:
        return Left(status=None)
    stands = row["status"] == needed
    again = until is not None and row["parked_at"] is not None and row["parked_at"] > until
    return Left(
        status=Status(row["status"]),
        held=stands and row["has_message"] and not again,
        lost=stands and not row["has_message"],
        again=row["parked_at"] if again else None,
        operator=row["operator"] or "",
        event_type=row["event_type"] or "",
        at=row["ts"],
    )
