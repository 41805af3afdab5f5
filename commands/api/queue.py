"""What waits, runs and is delayed in the queue of a domain; a command that waits is canceled."""

from datetime import datetime
from typing import Any
from uuid import UUID

from django.http import HttpRequest
from ninja import Query, Router
from pydantic import BaseModel, ConfigDict, Field

from commands.api.asked import InDomain, Paging, Text, cursor_of, domain_of, number_at, standing_of
from commands.api.auth import READING, changing
from commands.api.confirming import refused
from commands.api.problems import invalid_form
from commands.api.schemas import ProblemDetails
from commands.api.tsq_shapes import DoneOut
from commands.bus.operators import MAX_REASON_LENGTH, Action, act
from commands.forms.operating import CancelWaitingForm
from commands.reads import queue as reads
from commands.rules.words import MessageState, OperationKind, Status
from e2e_site.named_sql import Row
from settings_app.pause import is_paused

router = Router()


class QueueQuery(InDomain, Paging):
    state: MessageState | None = Field(None, description="Messages of one state alone.")


class PerformedBy(BaseModel):
    worker_id: str
    name: str
    alive: bool


class QueuedOut(BaseModel):
    """A message that waits for a worker, or that one has in hand."""

    msg_id: int
    command_id: UUID
    state: MessageState
    status: Status
    attempts: int
    max_attempts: int
    behavior: str | None
    last_error_code: str | None
    visible_at: datetime = Field(description="When a worker may take it; of a running one, when its lease ends.")
    late: bool = Field(description="It runs, and its lease is over.")
    began: datetime | None = Field(description="When its last attempt began or failed.")
    worker: PerformedBy | None


class QueueCounts(BaseModel):
    waiting: int
    running: int
    delayed: int
    at_least: bool = Field(description=f"There are more: the first {reads.MOST:,} messages were counted.")


class QueuePage(BaseModel):
    """Messages in the order in which workers take them."""

    items: list[QueuedOut]
    next: str | None
    looked: int | None = Field(description="Where a look for a state ended early: at how many it looked.")
    reach: datetime | None
    counts: QueueCounts
    paused: bool = Field(description="Workers take nothing more.")


class CancelWaitingIn(BaseModel):
    model_config = ConfigDict(extra="forbid")

    reason: Text = Field(
        json_schema_extra={"minLength": 1, "maxLength": MAX_REASON_LENGTH, "examples": ["no longer needed"]}
    )


@router.get("", auth=READING, operation_id="list_queue", summary="What is in the queue", response=QueuePage)
def listed(request: HttpRequest, query: Query[QueueQuery]) -> dict[str, Any]:
    domain = domain_of(query.domain)
    found = reads.messages(domain, state=query.state, after=number_at(query.cursor) or 0, size=query.limit)
    counts = reads.counts(domain)
    return {
        "items": [_item(row) for row in found.rows],
        "next": cursor_of(found.goes_on),
        "looked": found.looked if found.goes_on and not found.full else None,
        "reach": None,
        "counts": {
            **{state.value: counts[state].value for state in MessageState},
            "at_least": any(count.mark for count in counts.values()),
        },
        "paused": is_paused(),
    }


@router.post(
    "/{command_id}/cancel",
    auth=changing("commands.operate_command", "cancel commands"),
    operation_id="cancel_waiting",
    summary="Cancel a command that waits",
    response={200: DoneOut, 404: ProblemDetails, 409: ProblemDetails},
)
def cancel(request: HttpRequest, command_id: UUID, body: CancelWaitingIn) -> dict[str, Any]:
    """Nothing of it is performed. One that a worker has begun is left as it is: 409."""
    domain = standing_of(command_id)["domain"]
    form = CancelWaitingForm({"reason": body.reason})
    if not form.is_valid():
        raise invalid_form(form)
    operator = request.user.get_username()
    action = Action(kind=OperationKind.CANCEL, operator=operator, reason=form.cleaned_data["reason"])
    acted = act(action, [command_id], domain=domain, waiting=True)
    if acted.left:
        raise refused(acted.left[command_id], needed="not_waiting")
    return {"command_id": command_id, "action": action.kind, "status": Status.CANCELED, "operator": operator}


def _item(row: Row) -> dict[str, Any]:
    seen = row["seen"]
    worker = {"worker_id": row["worker"], "name": seen.name, "alive": seen.alive} if seen else None
    return {**row, "visible_at": row["vt"], "worker": worker}
