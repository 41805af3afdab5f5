"""Operations: what people ask to be done to many commands. The site writes the row, workers work it off.

create ─► public.e2e_operation ─► commandbus.work_operation, chunk by chunk ─► done
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, LiteralString

from commands.rules.payload import exact_json, payload_text
from commands.rules.words import DOMAIN, OperationKind
from e2e_site.named_sql import NamedSql, containing
from settings_app.models import Configuration

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime
    from uuid import UUID

    from commands.bus.operators import Action
    from commands.rules.behaviors import Behavior

WORK: LiteralString = "SELECT commandbus.work_operation()"  # off one chunk of what is due

MOST_SENT = 1_000_000
MOST_IDS = 1000
MOST_SEED = 2**31 - 1
MOST_RATE = 100_000  # commands per second
MOST_CANARY = 99  # percent of failures

MOST_TEXTS = 20_000  # messages of parked commands that are looked into for one page

_SQL = NamedSql(Path(__file__).with_suffix(".sql"))


@dataclass(frozen=True, kw_only=True)
class Mix:
    """What a bulk send sends: ``parts`` are behaviors with their weights; which comes when follows from the ``seed``.

    ``in_turn``: instead of being drawn, one after the other and from the first again. ``max_attempts`` None: as the
    settings say when it is asked for.
    """

    parts: Sequence[tuple[Behavior, float]]
    count: int
    seed: int = 0
    in_turn: bool = False
    payload: Mapping[str, Any] | None = None
    reply: bool = True
    max_attempts: int | None = None


@dataclass(frozen=True, kw_only=True)
class ParkedFilter:
    """Which parked commands; what is None or empty does not matter. ``code`` "" are those without one.

    ``since`` and ``until`` are when they were parked; ``until`` is needed, so that nothing that is parked again while
    an operation runs is met twice. ``text`` is part of the error message, upper or lower case.
    """

    until: datetime
    since: datetime | None = None
    code: str | None = None
    error_type: str | None = None
    behavior: str | None = None
    text: str = ""
    ids: Sequence[UUID] = ()

    def parameters(self) -> dict[str, Any]:
        """For ``%(name)s`` of a statement that selects from ``commandbus.parked``."""
        return {
            "until": self.until,
            "since": self.since,
            "code": self.code,
            "error_type": self.error_type,
            "behavior": self.behavior,
            "text": self.text,
            "pattern": containing(self.text),
            "ids": list(self.ids) or None,
        }


def count_parked(chosen: ParkedFilter, *, domain: str = DOMAIN) -> int:
    """How many parked commands a filter meets now; by their text, among the newest `MOST_TEXTS`."""
    found = _SQL.rows("count_parked", domain=domain, most=MOST_TEXTS, **chosen.parameters())
    count: int = found[0]["count"]
    return count


def send_many(
    mix: Mix, *, operator: str, reason: str = "", rate: int | None = None, domain: str = DOMAIN, key: UUID | None = None
) -> int:
    """Ask for a bulk send; the operation's number. Raises PayloadError for a payload that cannot be stored.

    ``key``: asked for again with the same one, it is the operation that there is.
    """
    parts = [f'{{"behavior":{exact_json(behavior.to_json())},"weight":{weight}}}' for behavior, weight in mix.parts]
    most = mix.max_attempts or Configuration.load().max_attempts
    common = exact_json({"seed": mix.seed, "in_turn": mix.in_turn, "reply": mix.reply, "max_attempts": most})
    payload = payload_text(dict(mix.payload or {}))
    spec = f'{{"parts":[{",".join(parts)}],"payload":{payload},{common[1:]}'
    return _create(
        kind=OperationKind.SEND, operator=operator, reason=reason, spec=spec, wanted=mix.count, rate=rate,
        domain=domain, key=key,
    )  # fmt: skip


def operate_on(
    chosen: ParkedFilter,
    action: Action,
    *,
    rate: int | None = None,
    canary: int | None = None,
    domain: str = DOMAIN,
    key: UUID | None = None,
) -> int:
    """Ask for an action on all that a filter meets; the operation's number.

    ``canary``, of a retry alone: begin with one command, then ten, each time waiting for their ends, and stop where
    more than so many percent of them fail. Raises ValueError for a canary of another action. ``key``: asked for again
    with the same one, it is the operation that there is.
    """
    if canary is not None and action.kind != OperationKind.RETRY:
        raise ValueError("only a retry can have a canary")
    particulars = ",".join(f'"{name}":{value}' for name, value in action.spec().items() if value is not None)
    spec = f"{{{particulars}}}"
    return _create(
        kind=action.kind, operator=action.operator, reason=action.reason, spec=spec, chosen=chosen,
        wanted=count_parked(chosen, domain=domain), rate=rate, canary=canary, domain=domain, key=key,
    )  # fmt: skip


def asked_before(key: UUID) -> int | None:
    """The number of the operation that was asked for with this key."""
    found = _SQL.rows("asked_before", key=key)
    return found[0]["operation_id"] if found else None


def cancel(operation_id: int, *, by: str) -> bool:
    """End an operation after its current chunk. False where it is over already."""
    return bool(_SQL.rows("cancel", operation_id=operation_id, by=by))


def _create(
    *, chosen: ParkedFilter | None = None, canary: int | None = None, key: UUID | None = None, **values: Any
) -> int:
    which = chosen.parameters() if chosen else dict.fromkeys((*ParkedFilter.__dataclass_fields__, "pattern"))
    found = _SQL.rows("create", filtered=chosen is not None, canary=canary, key=key, **values, **which)
    found = found or _SQL.rows("asked_before", key=key)
    operation_id: int = found[0]["operation_id"]
    return operation_id
