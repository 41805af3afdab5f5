"""The troubleshooting queue: its list and groups, and an operator's action on one of its commands."""

from typing import Any
from uuid import UUID

from django.http import Http404, HttpRequest
from ninja import Query, Router

from commands.api import tsq_bulk
from commands.api.asked import InDomain, domain_of, standing_of, wrong_cursor
from commands.api.auth import READING, changing
from commands.api.confirming import confirmed, refused
from commands.api.problems import invalid, invalid_form
from commands.api.schemas import ProblemDetails
from commands.api.tsq_shapes import ActionIn, CancelIn, CompleteIn, DoneOut, GroupsOut, ListQuery, ParkedPage, RetryIn
from commands.bus.operators import act
from commands.forms.parked import FilterForm, looked_until, spelled
from commands.reads import parked
from commands.rules.formatting import Count
from commands.rules.words import OperationKind, Status
from e2e_site.named_sql import Row

ENDS = {OperationKind.RETRY: Status.PENDING, OperationKind.CANCEL: Status.CANCELED}
_OPERATING = changing("commands.operate_command", "retry, cancel or complete commands")
_RESPONSES: dict[int, Any] = {200: DoneOut, 404: ProblemDetails, 409: ProblemDetails}

router = Router()
router.add_router("", tsq_bulk.router)


@router.get("", auth=READING, operation_id="list_parked", summary="Parked commands, newest first", response=ParkedPage)
def listed(request: HttpRequest, query: Query[ListQuery]) -> dict[str, Any]:
    domain = domain_of(query.domain)
    form = FilterForm(query.data())
    if not form.is_valid():
        raise invalid_form(form)
    chosen = form.chosen(parked.END_OF_TIME)
    try:
        place = parked.place_of(query.cursor)
    except Http404 as exc:
        raise wrong_cursor() from exc
    found = parked.page(domain, chosen, place, query.limit)
    return {
        "items": [_item(row) for row in found.rows],
        "next": parked.place_text(*found.goes_on) if found.goes_on else None,
        "looked": found.looked or None,
        "reach": found.reach,
        "matching": None if chosen.text else counted(parked.count(domain, chosen)),
    }


@router.get("/groups", auth=READING, operation_id="list_parked_groups", summary="Groups", response=GroupsOut)
def groups(request: HttpRequest, query: Query[InDomain]) -> dict[str, Any]:
    """By error code and behavior, the largest first."""
    domain = domain_of(query.domain)
    found = parked.groups(domain, parked.moment(domain)["now"])
    return {
        "items": [
            {**row, "filter": {"code": spelled(row["error_code"]), "behavior": spelled(row["behavior"])}}
            for row in found[: parked.MOST_GROUPS]
        ],
        "cut": len(found) > parked.MOST_GROUPS,
    }


@router.post(
    "/{command_id}/retry", auth=_OPERATING, operation_id="retry_parked", summary="Send it again", response=_RESPONSES
)
def retry(request: HttpRequest, command_id: UUID, body: RetryIn | None = None) -> dict[str, Any]:
    """Sends it again, its attempts counted from 0, with another behavior or payload where one is given."""
    return _acted(request, command_id, body or RetryIn.model_validate({}))


@router.post(
    "/{command_id}/cancel",
    auth=_OPERATING,
    operation_id="cancel_parked",
    summary="End it for good",
    response=_RESPONSES,
)
def cancel(request: HttpRequest, command_id: UUID, body: CancelIn) -> dict[str, Any]:
    """Ends it as CANCELED. Who waits for a reply hears so, and the reason."""
    return _acted(request, command_id, body)


@router.post(
    "/{command_id}/complete",
    auth=_OPERATING,
    operation_id="complete_parked",
    summary="Complete it by hand",
    response=_RESPONSES,
)
def complete(request: HttpRequest, command_id: UUID, body: CompleteIn | None = None) -> dict[str, Any]:
    """Ends it as COMPLETED, without running it. Who waits for a reply gets the result."""
    return _acted(request, command_id, body or CompleteIn.model_validate({}))


def _acted(request: HttpRequest, command_id: UUID, body: ActionIn) -> dict[str, Any]:
    domain = standing_of(command_id)["domain"]
    form = confirmed(body, count=1)
    try:
        until = looked_until(body.until, parked.moment(domain)["now"]) if body.until else None
    except ValueError as exc:
        raise invalid("until", str(exc)) from exc
    operator = request.user.get_username()
    acted = act(form.action(operator), [command_id], domain=domain, until=until)
    if acted.left:
        raise refused(acted.left[command_id], needed="not_parked")
    status = ENDS.get(body.kind, Status.COMPLETED)
    return {"command_id": command_id, "action": body.kind, "status": status, "operator": operator}


def _item(row: Row) -> dict[str, Any]:
    return {**row, "error_message": row["message"]}


def counted(count: Count) -> dict[str, Any]:
    return {"count": count.value, "at_least": bool(count.mark)}
