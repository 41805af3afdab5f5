"""Operations: what was asked to be done to many commands, how far each is, and its cancellation."""

from datetime import datetime
from typing import Any

from django.http import HttpRequest
from ninja import Path, Query, Router
from pydantic import BaseModel, Field

from commands.api.asked import Number, Paging, cursor_of, number_at
from commands.api.auth import READING, changing, redactor_of
from commands.api.operation_shape import OperationOut, operation_out
from commands.api.problems import ProblemError
from commands.api.schemas import ProblemDetails
from commands.api.values import Stored, stored
from commands.bus import operations
from commands.reads import operations as reads
from commands.rules import operation_text
from commands.rules.redaction import Redactor
from commands.rules.words import OperationKind, Status, operation_permission
from e2e_site.named_sql import Row

_LONGEST = 1_000_000  # characters of a payload or a result; what can be asked for has fewer

router = Router()


class OperationPage(BaseModel):
    items: list[OperationOut]
    next: str | None
    looked: int | None
    reach: datetime | None


class OperationDetail(OperationOut):
    """One operation with what was asked, and its pace."""

    spec: dict[str, Any] = Field(description="What is sent, or which commands and what they get.")
    chosen: int | None = Field(description="How many were named by their ids; null where a filter chose them.")
    payload: Stored
    result: Stored
    stopped_by: str
    percent: int
    per_s: float | None
    left_s: float | None = Field(description="How long it takes from now.")
    stalled: bool = Field(description="It is due, and no worker works it off.")
    stand: dict[Status, int] | None = Field(
        description=f"Of a bulk send: how many of its first {reads.ENDS_COUNTED:,} commands stand where."
    )


@router.get(
    "", auth=READING, operation_id="list_operations", summary="Operations, newest first", response=OperationPage
)
def listed(request: HttpRequest, query: Query[Paging]) -> dict[str, Any]:
    rows = reads.newest(number_at(query.cursor), query.limit + 1)
    found = rows[: query.limit]
    more = len(rows) > query.limit
    return {
        "items": [operation_out(row) for row in found],
        "next": cursor_of(found[-1]["operation_id"]) if more else None,
        "looked": None,
        "reach": None,
    }


@router.get(
    "/{operation_id}",
    auth=READING,
    operation_id="get_operation",
    summary="One operation",
    response={200: OperationDetail, 404: ProblemDetails},
)
def detail(request: HttpRequest, operation_id: Path[Number]) -> dict[str, Any]:
    return _detail(_known(operation_id), redactor_of(request))


@router.post(
    "/{operation_id}/cancel",
    auth=changing("", ""),
    operation_id="cancel_operation",
    summary="End an operation",
    response={200: OperationDetail, 404: ProblemDetails, 409: ProblemDetails},
)
def cancel(request: Any, operation_id: Path[Number]) -> dict[str, Any]:
    """Ends it after its current chunk; what it has done stays done. Who may ask for its kind may end it."""
    needed = operation_permission(_known(operation_id)["kind"])
    if not request.auth.may(needed):
        raise ProblemError(403, f"You need the permission {needed} to cancel operation {operation_id}.")
    canceled = operations.cancel(operation_id, by=request.user.get_username())
    row = _known(operation_id)
    if not canceled:
        raise ProblemError(409, f"Operation {operation_id} was over already: it is {row['state']}.", code="over")
    return _detail(row, redactor_of(request))


def _known(operation_id: int) -> Row:
    row = reads.operation(operation_id)
    if row is None:
        raise ProblemError(404, f"No operation has the number {operation_id}.")
    return row


def _detail(row: Row, hide: Redactor) -> dict[str, Any]:
    pace = operation_text.pace(row)
    sent = row["kind"] == OperationKind.SEND and row["done"]
    return {
        **operation_out(row),
        "spec": hide.value(row["spec"]),
        "chosen": row["chosen"],
        "payload": stored(_redacted("payload", row, hide), most=_LONGEST),
        "result": stored(_redacted("result", row, hide), most=_LONGEST),
        "stopped_by": row["stopped_by"],
        "percent": pace.percent,
        "per_s": pace.per_s,
        "left_s": pace.left_s,
        "stalled": bool(row["silent"]),
        "stand": reads.ends(row["correlation_id"]) if sent else None,
    }


def _redacted(name: str, row: Row, hide: Redactor) -> str | None:
    return None if row[name] is None else hide.under(name, row[name])
