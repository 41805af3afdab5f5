"""The audit: what happened, newest first."""

from datetime import datetime
from typing import Any
from uuid import UUID

from django.http import HttpRequest, QueryDict
from ninja import Query, Router
from pydantic import BaseModel, Field

from commands.api.auth import READING, redactor_of, sees_redacted
from commands.api.lists import NO_NUL, TIME, OperationNumber, PageOut, PageQuery, refused
from commands.api.schemas import ProblemDetails
from commands.api.values import OR_UUID, Stored, stored
from commands.forms.audit import MOST_TEXT, OPERATOR_LENGTH, AuditForm
from commands.reads import events, one_command, queries
from commands.rules.redaction import Redactor
from commands.rules.words import EventType
from e2e_site.named_sql import Row

router = Router()

_LONGEST_TIME = 60
_NAMES = {"id": "command_id", "from": "since", "to": "until"}


def _time(description: str) -> Any:
    shown: dict[str, Any] = {"pattern": f"^({TIME})?$"}
    return Field("", max_length=_LONGEST_TIME, pattern=NO_NUL, description=description, json_schema_extra=shown)


class AuditQuery(PageQuery):
    """Which events; what is left out does not matter."""

    event: list[EventType] = Field([], description="One of these; may be repeated.")
    command_id: str = Field(
        "", max_length=60, pattern=NO_NUL, description="A whole command id.", json_schema_extra={"pattern": OR_UUID}
    )
    operator: str = Field(
        "", max_length=OPERATOR_LENGTH, pattern=NO_NUL, description="A user name: what this operator did."
    )
    operation: OperationNumber = Field(None, description="What this operation did.")
    text: str = Field("", max_length=MOST_TEXT, pattern=NO_NUL, description="A part of the details' text.")
    since: str = _time("Then or later: a time in UTC.")
    until: str = _time("Earlier than that.")
    domain: str = Field("", max_length=100, pattern=NO_NUL, description="Domain test where left out.")


class AuditEventOut(BaseModel):
    """One event."""

    id: int
    at: datetime
    domain: str
    event: str
    command_id: UUID | None = Field(description="Null for a message that was no command.")
    operator: str | None
    details: Stored


class AuditPage(PageOut):
    items: list[AuditEventOut]


@router.get(
    "/search",
    auth=READING,
    operation_id="search_audit",
    summary="Events, newest first",
    response={200: AuditPage, 404: ProblemDetails},
)
def search(request: HttpRequest, asked: Query[AuditQuery]) -> Any:
    """With the filters of the page. A page looks at a bounded number of events, however many match."""
    form = AuditForm(_query_of(asked), domains=queries.domains()[0], may_see=sees_redacted(request))
    if not form.is_valid():
        raise refused(form, _NAMES)
    chosen = form.chosen
    return _page(chosen, events.read(chosen, size=asked.limit, before=asked.before), redactor_of(request))


@router.get(
    "/{command_id}",
    auth=READING,
    operation_id="get_audit",
    summary="Events of one command, newest first",
    response={200: AuditPage, 404: ProblemDetails},
)
def of_command(request: HttpRequest, command_id: UUID, asked: Query[PageQuery]) -> Any:
    """Of whatever domain it is."""
    domain = queries.domain_of(command_id)
    if domain is None:
        raise one_command.unknown(command_id)
    chosen = events.EventFilter(domain=domain, command_id=command_id)
    return _page(chosen, events.read(chosen, size=asked.limit, before=asked.before), redactor_of(request))


def _page(chosen: events.EventFilter, found: events.Events, hide: Redactor) -> dict[str, Any]:
    return {
        "items": [_event(row, hide) for row in found.rows],
        "next": None if found.next is None else str(found.next),
        "looked": chosen.most if found.reach else None,
        "reach": found.reach,
    }


def _event(row: Row, hide: Redactor) -> dict[str, Any]:
    details = None if row["details"] is None else hide.text(row["details"])
    return {
        "id": row["audit_id"],
        "at": row["ts"],
        "domain": row["domain"],
        "event": row["event_type"],
        "command_id": None if row["command_id"] == events.NIL else row["command_id"],
        "operator": row["operator"],
        "details": stored(details, most=queries.JSON_SHOWN),
    }


def _query_of(asked: AuditQuery) -> QueryDict:
    """The same as the page's address has it."""
    query = QueryDict(mutable=True)
    query.setlist("event", [str(kind) for kind in asked.event])
    same = ("operator", "operation", "text", "domain")
    for field, name in {**{name: name for name in same}, **_NAMES}.items():
        if (value := getattr(asked, name)) not in (None, ""):
            query[field] = str(value)
    return query
