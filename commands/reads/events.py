"""Events of the audit, newest first, by a filter: what pages and exports read.

What an index answers (a command, an operator, an operation, rare events) goes by it; anything else walks through the
events in the order of writing. A read looks at a bounded number of candidates and says where the next one goes on.
"""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Literal, LiteralString
from uuid import UUID

from commands.reads import queries
from commands.reads.listing import LARGEST_NUMBER
from commands.rules.details import details_of
from commands.rules.words import DOMAIN, OPERATOR_EVENTS, EventType
from e2e_site import limits, stored_json
from e2e_site.backend.base import by_index
from e2e_site.named_sql import NamedSql, Row, containing, rows_of

MOST = 50_000  # candidates of one read
MOST_TEXTS = 20_000  # where each one's details are looked into
DETAILS_LISTED = 4000  # characters of an event's details in a list; its own page has more
NIL = UUID(int=0)  # the command of a message that is none
CHUNK = 1000  # events that an export has in memory at once: their details may be large
RARE = (EventType.BUSINESS_RULE_FAILED, EventType.OPERATOR_CANCEL, EventType.MESSAGE_REJECTED)  # in ix_audit_rare

_SQL = NamedSql(Path(__file__).with_suffix(".sql"))


@dataclass(frozen=True, kw_only=True)
class EventFilter:
    """Which events of a domain; what is None or empty does not matter.

    From ``since`` up to, and without, ``until``. ``text`` is part of the details, upper or lower case, as a person
    reads them or as JSON. ``alone``: no events that are part of an operation. ``operator`` and ``operation`` leave only
    what operators did.
    """

    domain: str = DOMAIN
    types: tuple[str, ...] = ()
    command_id: UUID | None = None
    operator: str = ""
    operation: int | None = None
    text: str = ""
    since: datetime | None = None
    until: datetime | None = None
    alone: bool = False

    @property
    def walk(self) -> str:
        """The statement whose candidates are fewest."""
        if self.command_id is not None:
            return "of_command"
        if self.operation is not None:
            return "of_operation"
        if self.operator:
            return "of_operator"
        if len(self.types) == 1 and self.types[0] in RARE:
            return "rare"
        if self.types and set(self.types) <= set(OPERATOR_EVENTS):
            return "of_operators"
        return "window"

    @property
    def most(self) -> int:
        """How many candidates one read looks at."""
        return MOST_TEXTS if self.text or self.alone else MOST


@dataclass(frozen=True, kw_only=True)
class Events:
    """``rows``: audit_id, ts, domain, event_type, command_id, operator, and ``details`` as JSON text or None.

    ``next``: what ``before`` of the next read is, None where nothing is left. ``reach``: how far back this one looked,
    where it stopped at its bound.
    """

    rows: list[Row]
    next: int | None
    reach: datetime | None


def read(chosen: EventFilter, *, size: int, before: int | None = None) -> Events:
    """The newest events before ``before`` that a filter meets, ``size`` at most."""
    bounds = _bounds(chosen)
    return _read(chosen, bounds, size, bounds["before"] if before is None else min(before, bounds["before"]))


def read_all(chosen: EventFilter, *, before: int | None = None) -> Iterator[Row]:
    """All of them, a chunk in memory at a time. Each read has the time of a statement in a request."""
    with limits.at_most(limits.STATEMENT_S):
        bounds = _bounds(chosen)
    place: int | None = bounds["before"] if before is None else min(before, bounds["before"])
    while place is not None:
        with limits.at_most(limits.STATEMENT_S):
            found = _read(chosen, bounds, CHUNK, place)
        yield from found.rows
        place = found.next


def one(audit_id: int, *, shown: int) -> Row | None:
    """An event of any domain, its details cut to ``shown`` characters, with ``now``; None where it is not there."""
    found = _SQL.rows("one", audit_id=audit_id, shown=shown)
    return found[0] if found else None


def behaviors(command_ids: Iterable[UUID]) -> dict[UUID, str]:
    """The behavior types of those commands that have a test_command row."""
    found = _SQL.rows("behaviors", ids=list(set(command_ids)))
    return {row["command_id"]: row["behavior"] for row in found}


def listed(row: Row) -> Row:
    """An event for a page: its ``details`` as values, and as ``text``, which is cut; ``of_command``: it has a page."""
    text = row["details"]
    details = details_of(None if text is None else stored_json.read(text))
    return {
        **row,
        "details": details,
        "text": None if text is None else text[:DETAILS_LISTED],
        "cut": text is not None and len(text) > DETAILS_LISTED,
        "of_command": row["command_id"] != NIL and not row["event_type"].startswith("BATCH_"),
    }


def _bounds(chosen: EventFilter) -> dict[str, int]:
    return {
        "from": queries.audit_id_at(chosen.since, 0),
        "before": queries.audit_id_at(chosen.until, LARGEST_NUMBER),
    }


def _read(chosen: EventFilter, bounds: dict[str, int], size: int, before: int) -> Events:
    parameters = {**parameters_of(chosen), "from": bounds["from"], "before": before, "limit": size + 1}
    with by_index():
        rows = rows_of(statement("page", chosen), parameters)
        if len(rows) > size:
            return Events(rows=rows[:size], next=rows[size - 1]["audit_id"], reach=None)
        edge = rows_of(statement("edge", chosen), parameters)
    if not edge:
        return Events(rows=rows, next=None, reach=None)
    return Events(rows=rows, next=edge[0]["audit_id"] + 1, reach=edge[0]["ts"])


def statement(name: Literal["page", "edge"], chosen: EventFilter) -> LiteralString:
    """That statement, with the candidates that fit the filter."""
    return _SQL.text(name).replace("/*candidates*/", _SQL.text(chosen.walk).removesuffix(";"))


def parameters_of(chosen: EventFilter) -> dict[str, Any]:
    return {
        "domain": chosen.domain,
        "types": _types(chosen),
        "rare": chosen.types[0] if chosen.types else None,
        "command_id": chosen.command_id,
        "operator": chosen.operator[:150],
        "operation": chosen.operation,
        "since": chosen.since,
        "until": chosen.until,
        "alone": chosen.alone,
        "patterns": _patterns(chosen.text) if chosen.text else None,
        "most": chosen.most,
    }


def _types(chosen: EventFilter) -> list[str] | None:
    """Also where another walk than theirs is taken, an operator and an operation leave operators' events alone."""
    if chosen.operator or chosen.operation is not None:
        return [kind for kind in OPERATOR_EVENTS if not chosen.types or kind in chosen.types]
    return list(chosen.types) or None


def _patterns(text: str) -> list[str]:
    """As it stands, and as JSON writes it in a text."""
    spelled = {text, json.dumps(text, ensure_ascii=False)[1:-1]}
    return [containing(spelling) for spelling in sorted(spelled)]
