"""An operator's action on many parked commands: a few at once, others as an operation."""

from dataclasses import replace
from typing import Any

from django.http import HttpRequest, HttpResponse
from ninja import Router, Status

from commands.api.asked import domain_of
from commands.api.auth import changing
from commands.api.confirming import confirmed
from commands.api.operation_shape import OperationOut, operation_address, operation_out
from commands.api.problems import ProblemError, invalid, invalid_form
from commands.api.schemas import ProblemDetails
from commands.api.tsq_shapes import ActedOut, Bulk, BulkCancelIn, BulkCompleteIn, BulkRetryIn
from commands.bus.operations import MOST_IDS, ParkedFilter, asked_before, operate_on
from commands.bus.operators import Left, act, why
from commands.forms.operating import MOST_AT_ONCE, ConfirmForm
from commands.forms.parked import FilterForm, looked_until
from commands.reads import operations, parked
from commands.rules.operating import left_text
from e2e_site.problem import FieldError

LEFT_TOLD = 5
_OPERATING = changing("commands.operate_command", "retry, cancel or complete commands")
_RESPONSES: dict[int, Any] = {200: ActedOut, 202: OperationOut, 409: ProblemDetails}

router = Router()


@router.post(
    "/bulk-retry", auth=_OPERATING, operation_id="retry_many_parked", summary="Retry many", response=_RESPONSES
)
def retry(request: HttpRequest, response: HttpResponse, body: BulkRetryIn) -> Status[Any]:
    """Sends each one again. 202 leads to an operation, 200 says what was done already."""
    return _asked(request, response, body)


@router.post(
    "/bulk-cancel", auth=_OPERATING, operation_id="cancel_many_parked", summary="Cancel many", response=_RESPONSES
)
def cancel(request: HttpRequest, response: HttpResponse, body: BulkCancelIn) -> Status[Any]:
    """Ends each one as CANCELED. 202 leads to an operation, 200 says what was done already."""
    return _asked(request, response, body)


@router.post(
    "/bulk-complete", auth=_OPERATING, operation_id="complete_many_parked", summary="Complete many", response=_RESPONSES
)
def complete(request: HttpRequest, response: HttpResponse, body: BulkCompleteIn) -> Status[Any]:
    """Ends each one as COMPLETED. 202 leads to an operation, 200 says what was done already."""
    return _asked(request, response, body)


def _asked(request: HttpRequest, response: HttpResponse, body: Bulk) -> Status[Any]:
    domain = domain_of(body.domain)
    chosen = _chosen(body, domain)
    known = asked_before(body.key) if body.key else None
    count = parked.met(domain, chosen)
    if known is None and body.expected_count is not None and count.value > body.expected_count:
        raise ProblemError(
            409,
            f"They are more by now: {count.value:,}, not {body.expected_count:,}. Nothing was done.",
            code="more_by_now",
        )
    form = confirmed(body, count=count.value)
    operator = request.user.get_username()
    if chosen.ids and len(chosen.ids) <= MOST_AT_ONCE and body.key is None and not form.is_gradual:
        return _at_once(form, chosen, domain, operator)
    if known is None:
        if not count.value:
            raise _none_met(chosen, domain)
        known = _operation(form, chosen, domain, operator)
    return _told(response, known, body)


def _at_once(form: ConfirmForm, chosen: ParkedFilter, domain: str, operator: str) -> Status[Any]:
    acted = act(form.action(operator), chosen.ids, domain=domain, until=chosen.until)
    left = [
        {"command_id": command_id, "status": one.status, "why": left_text(**vars(one))}
        for command_id, one in acted.left.items()
    ]
    return Status(200, {"action": form.kind, "done": acted.done, "left": left})


def _operation(form: ConfirmForm, chosen: ParkedFilter, domain: str, operator: str) -> int:
    cleaned = form.cleaned_data
    return operate_on(
        chosen,
        form.action(operator),
        rate=cleaned["rate"],
        canary=cleaned.get("canary"),
        domain=domain,
        key=cleaned["key"],
    )


def _told(response: HttpResponse, number: int, body: Bulk) -> Status[Any]:
    row = operations.operation(number)
    if row is None or row["kind"] != body.kind:
        raise ProblemError(409, f"Operation {number} had this key, and was another action.", code="key_taken")
    response["Location"] = operation_address(number)
    return Status(202, operation_out(row))


def _none_met(chosen: ParkedFilter, domain: str) -> ProblemError:
    gone: dict[Any, Left] = why(chosen.ids, domain=domain, until=chosen.until) if chosen.ids else {}
    told = [f"{command_id} {left_text(**vars(left))}" for command_id, left in list(gone.items())[:LEFT_TOLD]]
    errors: list[FieldError] = [{"field": "ids", "message": said} for said in told]
    return ProblemError(409, "No parked command is met: nothing was done.", code="nothing_met", errors=errors)


def _chosen(body: Bulk, domain: str) -> ParkedFilter:
    """What a body chooses. Raises ProblemError: 422."""
    now = parked.moment(domain)["now"]
    try:
        until = looked_until(body.until, now)
    except ValueError as exc:
        raise invalid("until", str(exc)) from exc
    if body.ids is not None:
        return _selected(body, ParkedFilter(until=until))
    form = FilterForm(body.filter.data() if body.filter else {})
    if not form.is_valid():
        raise invalid_form(form, prefix="filter.")
    if body.all and form.is_filtered:
        raise invalid("all", "all is for no filter: leave one of them out.")
    if not body.all and not form.is_filtered:
        raise invalid("filter", 'The filter is empty: choose all explicitly ("all": true), or filter, or name ids.')
    return form.chosen(until)


def _selected(body: Bulk, chosen: ParkedFilter) -> ParkedFilter:
    ids = list(dict.fromkeys(body.ids or ()))
    if body.all or body.filter is not None:
        raise invalid("ids", "ids are for no filter, and not for all: leave one of them out.")
    if not ids:
        raise invalid("ids", "No command is selected: name some, or filter.")
    if len(ids) > MOST_IDS:
        raise invalid("ids", f"{len(ids):,} commands are selected: at most {MOST_IDS:,}, or all that a filter meets.")
    return replace(chosen, ids=ids)
