"""The replies of a domain: those that wait to be read, and those that were taken; an operator moves them."""

from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import transaction
from django.http import HttpRequest
from ninja import Path, Query, Router
from pydantic import BaseModel, Field

from commands.api.asked import InDomain, Number, Paging, cursor_of, domain_of, number_at
from commands.api.auth import READING, changing, redactor_of
from commands.api.problems import ProblemError
from commands.api.schemas import ProblemDetails
from commands.api.values import Stored, stored
from commands.bus.action_log import write_down
from commands.bus.messages import moved_text, put_back_replies, take_replies
from commands.reads import messages as reads
from commands.rules.words import reply_queue

_MOVING = changing("commands.operate_command", "take replies or put them back")

router = Router()


class RepliesQuery(InDomain, Paging):
    command_id: UUID | None = Field(None, description="Replies to one command alone.")
    taken: bool = Field(False, description="Those that were taken, instead of those that wait.")


class ReplyOut(BaseModel):
    msg_id: int
    at: datetime = Field(description="Since when it waits, or when it was taken.")
    command_id: UUID | None
    outcome: str | None
    read_ct: int = Field(description="How often a reader got it.")
    hidden: bool = Field(description="A reader has it in hand.")
    message: Stored


class ReplyPage(BaseModel):
    """Replies, newest first."""

    items: list[ReplyOut]
    next: str | None
    looked: int | None = Field(description="Where a look for a command ended early: at how many it looked.")
    reach: datetime | None = Field(description="Since when the next one is there.")


class MovedOut(BaseModel):
    msg_id: int = Field(description="Its number now; one that is put back gets a new one.")
    queue: str
    taken: bool


@router.get("", auth=READING, operation_id="list_replies", summary="Replies, newest first", response=ReplyPage)
def listed(request: HttpRequest, query: Query[RepliesQuery]) -> dict[str, Any]:
    found = reads.replies(
        domain_of(query.domain),
        archived=query.taken,
        command_id=query.command_id,
        before=number_at(query.cursor),
        size=query.limit,
    )
    hide = redactor_of(request)
    return {
        "items": [{**row, "message": stored(hide.text(row["text"] or "null"), most=reads.SHOWN)} for row in found.rows],
        "next": cursor_of(found.goes_on),
        "looked": found.looked if found.reach else None,
        "reach": found.reach,
    }


@router.post(
    "/{msg_id}/take",
    auth=_MOVING,
    operation_id="take_reply",
    summary="Take a reply out of its queue",
    response={200: MovedOut, 404: ProblemDetails},
)
def take(request: HttpRequest, msg_id: Path[Number], query: Query[InDomain]) -> dict[str, Any]:
    """It moves to the archive, and can be put back."""
    return _moved(request, msg_id, domain_of(query.domain), taken=True)


@router.post(
    "/{msg_id}/restore",
    auth=_MOVING,
    operation_id="restore_reply",
    summary="Put a taken reply back",
    response={200: MovedOut, 404: ProblemDetails},
)
def restore(request: HttpRequest, msg_id: Path[Number], query: Query[InDomain]) -> dict[str, Any]:
    """It is in its queue again, under a new number."""
    return _moved(request, msg_id, domain_of(query.domain), taken=False)


def _moved(request: HttpRequest, msg_id: int, domain: str, *, taken: bool) -> dict[str, Any]:
    queue = reply_queue(domain)
    with transaction.atomic():
        done = take_replies([msg_id], domain=domain) if taken else put_back_replies([msg_id], domain=domain)
        if done:
            write_down(request.user, domain, queue, moved_text(done, domain, take=taken))
    if not done:
        where = "in the queue" if taken else "among those that were taken"
        raise ProblemError(404, f"No reply {where} has the number {msg_id}: nothing was done.")
    return {"msg_id": done[0], "queue": queue, "taken": taken}
