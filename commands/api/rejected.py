"""The messages of a domain that were no command: why, when, and how they began; one is mended and sent again."""

from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from django.http import HttpRequest
from ninja import Path, Query, Router
from pydantic import BaseModel, ConfigDict, Field

from commands.api.asked import InDomain, Number, Paging, cursor_of, domain_of, number_at
from commands.api.auth import READING, changing, redactor_of
from commands.api.problems import ProblemError, invalid, invalid_form
from commands.api.schemas import ProblemDetails
from commands.forms.mending import LOST, NEW, MendError, MendForm, no_gaps, send_again
from commands.reads import messages as reads
from commands.rules.payload import PayloadError, json_text
from commands.rules.redaction import Redactor
from e2e_site.named_sql import Row
from e2e_site.problem import FieldError

SENDING = "commands.add_testcommand"

router = Router()


class RejectedQuery(InDomain, Paging):
    pass


class RejectedOut(BaseModel):
    """A message that was no command."""

    audit_id: int
    ts: datetime = Field(description="When it was rejected.")
    msg_id: int | None
    reason: str | None
    message: str | None = Field(description="How it began.")
    kept: bool = Field(description="The archive has it whole.")


class RejectedPage(BaseModel):
    items: list[RejectedOut]
    next: str | None
    looked: int | None
    reach: datetime | None


class RejectedDetail(RejectedOut):
    domain: str
    text: str | None = Field(description="The whole message; null where it is gone or too long.")


class MendIn(BaseModel):
    """The message as it is to be sent."""

    model_config = ConfigDict(extra="forbid")

    way: Literal["lost", "new"] = Field(
        description="`lost`: for the command that it names, whose own message is gone; `new`: as a new test command."
    )
    message: dict[str, Any] = Field(examples=[{"command_id": "0193a5b0-7c1e-7abc-8def-0123456789ab", "data": {}}])
    behavior: dict[str, Any] | None = Field(None, description="Of the new command.", examples=[{"type": "success"}])


class MendedOut(BaseModel):
    command_id: UUID
    msg_id: int | None = Field(description="The number of the message of a command that had lost its own.")


@router.get(
    "",
    auth=READING,
    operation_id="list_rejected",
    summary="Messages that were no command, newest first",
    response=RejectedPage,
)
def listed(request: HttpRequest, query: Query[RejectedQuery]) -> dict[str, Any]:
    rows = reads.rejected(domain_of(query.domain), before=number_at(query.cursor), limit=query.limit + 1)
    hide = redactor_of(request)
    found = [{**row, "message": _redacted(row["message"], hide)} for row in rows[: query.limit]]
    more = len(rows) > query.limit
    return {"items": found, "next": cursor_of(found[-1]["audit_id"]) if more else None, "looked": None, "reach": None}


@router.get(
    "/{audit_id}",
    auth=READING,
    operation_id="get_rejected",
    summary="One of them",
    response={200: RejectedDetail, 404: ProblemDetails},
)
def detail(request: HttpRequest, audit_id: Path[Number]) -> dict[str, Any]:
    event = _known(audit_id)
    text = reads.kept_text(event["domain"], event["msg_id"])
    hide = redactor_of(request)
    shown = {"message": _redacted(event["message"], hide), "text": _redacted(text, hide)}
    return {**event, **shown, "audit_id": audit_id, "kept": text is not None}


@router.post(
    "/{audit_id}/send",
    auth=changing("commands.operate_command", "send rejected messages again"),
    operation_id="send_rejected",
    summary="Send it again, mended",
    response={200: MendedOut, 404: ProblemDetails, 409: ProblemDetails},
)
def send(request: Any, audit_id: Path[Number], body: MendIn) -> dict[str, Any]:
    """A new command needs the permission to send commands too."""
    event = _known(audit_id)
    refusal = no_gaps(redactor_of(request), event, reads.kept_text(event["domain"], event["msg_id"]))
    if refusal:
        raise ProblemError(403, refusal)
    form = MendForm({"way": body.way, "message": _text(body.message, "message"), "behavior": _behavior(body)})
    if not form.is_valid():
        raise invalid_form(form)
    if body.way == NEW and not request.auth.may(SENDING):
        raise ProblemError(403, f"You need the permission {SENDING} to send commands.")
    try:
        mended = send_again(event, form.cleaned_data, user=request.user)
    except MendError as exc:
        errors: list[FieldError] = [{"field": exc.field or "", "message": str(exc)}]
        raise ProblemError(409, str(exc), code="not_sent", errors=errors) from exc
    return vars(mended)


def _known(audit_id: int) -> Row:
    event = reads.rejection(audit_id)
    if event is None:
        raise ProblemError(404, f"No rejected message has the number {audit_id}. Old ones may have been pruned.")
    return event


def _behavior(body: MendIn) -> str:
    return "" if body.behavior is None or body.way == LOST else _text(body.behavior, "behavior")


def _text(value: dict[str, Any], name: str) -> str:
    try:
        return json_text(value, name)
    except PayloadError as exc:
        raise invalid(name, str(exc)) from exc


def _redacted(text: str | None, hide: Redactor) -> str | None:
    return None if text is None else hide.text(text)
