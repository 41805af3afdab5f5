"""Commands: listed, and looked at one by one. Sending them is sending.py."""

import hashlib
from collections.abc import Collection
from typing import Any, Literal
from uuid import UUID

from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotModified, QueryDict
from django.utils.http import parse_etags
from ninja import Query
from pydantic import BaseModel, Field

from commands.api.auth import READING, redactor_of, sees_redacted
from commands.api.command_shapes import CommandOut, CommandRow, command_out, command_row
from commands.api.formats import ExactRenderer
from commands.api.lists import NO_NUL, TIME, LeastAttempts, OperationNumber, PageOut, PageQuery, refused
from commands.api.schemas import ProblemDetails
from commands.api.sending import router
from commands.api.values import OR_UUID
from commands.forms.command_list import LONGEST, FilterForm
from commands.reads import one_command, queries
from commands.reads.command_reads import CommandReads
from commands.rules.operating import ALLOWED, nothing_allowed
from commands.rules.words import Status
from e2e_site.later import later

__all__ = ["router"]  # one for all of the noun: sending.py has begun it

LONGEST_WAIT_S = 60
_OPERATE = "commands.operate_command"
# What the fields of the page's filter are called here.
_NAMES = {"type": "command_type", "from": "created_after", "to": "created_before"}
_TIME = "a time in UTC, or how long ago, such as 15min, 24h or 7d"
_TIMES = {"pattern": rf"^(\d{{1,5}}(min|h|d)|{TIME})?$"}
_ID_PATTERN = "^([0-9a-fA-F]{1,8}(-[0-9a-fA-F]{1,4}){0,4})?$"


def _text(description: str, **more: Any) -> Any:
    return Field("", max_length=LONGEST, pattern=NO_NUL, description=description, **more)


class CommandQuery(PageQuery):
    """Which commands; what is left out does not matter."""

    status: list[Status] = Field([], description="One of these; may be repeated.")
    domain: str = _text("Domain test where left out.")
    command_type: str = _text("The whole command type.")
    behavior: str = _text("The type of its behavior.")
    created_after: str = _text(f"Sent then or later: {_TIME}.", json_schema_extra=_TIMES)
    created_before: str = _text(f"Sent earlier than that: {_TIME}.", json_schema_extra=_TIMES)
    code: str = _text("The whole code of its last error.")
    attempts: LeastAttempts = Field(None, description="At least so many.")
    operation: OperationNumber = Field(None, description="Sent or changed by this operation.")
    correlation: str = _text("A whole correlation id.", json_schema_extra={"pattern": OR_UUID})
    id: str = _text("A command id, or its beginning.", json_schema_extra={"pattern": _ID_PATTERN})
    payload: str = Field(
        "", max_length=10_000, pattern=NO_NUL, description="JSON that its payload contains, or a part of its text."
    )
    count: bool = Field(False, description="Also answer how many there are, where an index tells.")


class WaitQuery(BaseModel):
    wait: int = Field(0, ge=0, le=LONGEST_WAIT_S, description="Seconds within which to wait for its end.")


class CountOut(BaseModel):
    """At least ``value`` where it is not exact."""

    value: int
    exact: bool


class CommandPage(PageOut):
    items: list[CommandRow]
    count: CountOut | None = Field(description="Where it was asked for and an index tells.")


@router.get(
    "",
    auth=READING,
    operation_id="list_commands",
    summary="Commands, newest first",
    response={200: CommandPage, 404: ProblemDetails},
)
def listed(request: HttpRequest, asked: Query[CommandQuery]) -> Any:
    """With the filters of the console. A page looks at a bounded number of candidates, however many match."""
    form = FilterForm(_query_of(asked), may_see=sees_redacted(request))
    if not form.is_valid():
        raise refused(form, _NAMES)
    chosen = form.chosen
    reads = CommandReads(chosen)
    found = reads.page(asked.limit, before=asked.cursor)
    total = reads.count() if asked.count else None
    return {
        "items": [command_row(row, chosen.domain) for row in found.rows],
        "next": found.more or None,
        "looked": found.looked or None,
        "reach": found.reach,
        "count": {"value": total.value, "exact": not total.mark} if total else None,
    }


@router.get(
    "/{command_id}",
    auth=READING,
    operation_id="get_command",
    summary="One command",
    response={200: CommandOut, 304: None, 404: ProblemDetails},
)
def detail(request: HttpRequest, response: HttpResponse, command_id: UUID, asked: Query[WaitQuery]) -> Any:
    """Where it stands beside what had to happen, and its story. With `wait` it is answered once it is final, or as it
    is when that time is over."""
    if asked.wait and not _standing(command_id).is_final:
        answer = later(request, ready=final_ones, key=command_id, seconds=asked.wait)
        if answer is not None:
            return answer
    found = one_command.read(command_id, redactor_of(request))
    body = command_out(found, _actions(request, found.status))
    etag = f'"{hashlib.sha256(ExactRenderer().render(request, body, response_status=200)).hexdigest()[:32]}"'
    if etag in parse_etags(request.headers.get("If-None-Match", "")):
        return HttpResponseNotModified(headers={"ETag": etag})
    response["ETag"] = etag
    return body


@router.get(
    "/{command_id}/raw/{part}",
    auth=READING,
    operation_id="get_command_raw",
    summary="Behavior, payload or result as it is stored",
    response={200: Any, 404: ProblemDetails},
)
def raw(request: HttpRequest, command_id: UUID, part: Literal["behavior", "payload", "result"]) -> HttpResponse:
    """The stored JSON, whole."""
    found = queries.raw(command_id, part)
    if found is None:
        raise Http404(f"The command {command_id} has no {part}.")
    if found["text"] is None:
        raise Http404(f"This {part} has more than {queries.RAW_SHOWN:,} characters: read it in SQL.")
    text = redactor_of(request).under(part, found["text"])
    return HttpResponse(text, content_type="application/json; charset=utf-8")


def final_ones(command_ids: Collection[UUID]) -> set[UUID]:
    """Those of these commands that no worker changes any more, or that are gone."""
    standing = queries.standing(command_ids)
    return {key for key in command_ids if key not in standing or standing[key].is_final}


def _standing(command_id: UUID) -> Status:
    """Raises Http404."""
    found = queries.standing([command_id])
    if command_id not in found:
        raise one_command.unknown(command_id)
    return found[command_id]


def _actions(request: HttpRequest, status: Status) -> dict[str, Any]:
    allowed = ALLOWED.get(status, ())
    if allowed and not request.auth.may(_OPERATE):  # type: ignore[attr-defined]  # Ninja's
        return {"allowed": [], "why": f"You need the permission {_OPERATE} to act on commands."}
    return {"allowed": list(allowed), "why": nothing_allowed(status)}


def _query_of(asked: CommandQuery) -> QueryDict:
    """The same as the page's address has it."""
    query = QueryDict(mutable=True)
    query.setlist("status", [str(status) for status in asked.status])
    names = {
        name: name for name in ("domain", "behavior", "code", "attempts", "operation", "correlation", "id", "payload")
    }
    for field, name in {**names, **_NAMES}.items():
        if (value := getattr(asked, name)) not in (None, ""):
            query[field] = str(value)
    return query
