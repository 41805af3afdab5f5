"""Commands to be sent: one, and many."""

from typing import Any

from django.forms import BaseForm
from django.http import HttpRequest, HttpResponse
from ninja import Router
from ninja.responses import Status as Answer

from commands.api.auth import changing, sending_budget
from commands.api.operation_shape import OperationOut, operation_address, operation_out
from commands.api.problems import INVALID, ProblemError, form_errors, invalid
from commands.api.schemas import ProblemDetails
from commands.api.send_shapes import SendIn, SendManyIn, SentOut, command_address, sent_out
from commands.bus import operations
from commands.bus.conflicts import SendConflictError
from commands.bus.one import Asked, OtherContentError, Sent, send_one
from commands.forms.sending_json import SendMixForm, SendOneForm, path_of
from commands.models import Operation
from commands.reads.expected import circumstances_of, foreseen
from commands.rules.behaviors import Behavior
from commands.rules.words import OperationKind
from e2e_site.problem import FieldError
from settings_app.current import settings_now

router = Router()
_SENDING = changing("commands.add_testcommand", "send commands")


@router.post(
    "",
    auth=_SENDING,
    operation_id="send_command",
    summary="Send one command",
    response={201: SentOut, 200: SentOut, 409: ProblemDetails, 429: ProblemDetails},
)
def send(request: HttpRequest, response: HttpResponse, body: SendIn) -> Any:
    """Under a `command_id` of your own it is sent once: the same again is answered 200, other content 409."""
    form = SendOneForm(body.model_dump(exclude_unset=True, exclude={"reply"}) | {"reply": body.reply})
    if not form.is_valid():
        raise ProblemError(422, INVALID, errors=_errors(form))
    asked = form.asked
    sending_budget(request, 1)
    sent = _sent(asked)
    response["Location"] = command_address(sent.command_id)
    return Answer(200 if sent.again else 201, sent_out(sent, _expected(asked.behavior, sent)))


@router.post(
    "/bulk",
    auth=_SENDING,
    operation_id="send_commands",
    summary="Have many commands sent",
    response={202: OperationOut, 409: ProblemDetails, 429: ProblemDetails},
)
def send_many(request: HttpRequest, response: HttpResponse, body: SendManyIn) -> Any:
    """Of one behavior or of a mix. Workers send them; the operation says how far they are."""
    form = _many(body)
    values = form.cleaned_data
    sending_budget(request, values["count"])
    operation_id = operations.send_many(
        form.mix(),
        operator=request.user.get_username(),
        reason=values["reason"],
        rate=values["rate"],
        domain=values["domain"],
        key=values["key"],
    )
    operation = Operation.objects.get(operation_id=operation_id)
    if differing := _differing(form, operation):
        raise _duplicate(f"Another operation was asked for with this key: number {operation_id}.", differing)
    response["Location"] = operation_address(operation_id)
    return Answer(202, operation_out(vars(operation)))


def _sent(asked: Asked) -> Sent:
    try:
        return send_one(asked, max_attempts=settings_now().max_attempts)
    except OtherContentError as exc:
        said = f"{exc} It was sent with another content." if exc.fields else str(exc)
        raise _duplicate(said, exc.fields) from exc
    except SendConflictError as exc:
        raise ProblemError(409, str(exc), code="conflict") from exc


def _duplicate(said: str, fields: list[str]) -> ProblemError:
    errors: list[FieldError] = [{"field": name, "message": f"{name} is not what it was."} for name in fields]
    return ProblemError(409, said, code="duplicate", errors=errors)


def _expected(behavior: Behavior, sent: Sent) -> dict[str, Any]:
    found = foreseen(circumstances_of(behavior, sent.max_attempts, settings_now(), reply=sent.reply))
    return {
        "statuses": found.statuses,
        "least_attempts": found.bounds.least,
        "most_attempts": found.bounds.most,
        "sentence": found.sentence,
    }


def _many(body: SendManyIn) -> SendMixForm:
    """A valid form. Raises ProblemError."""
    given = body.model_dump(exclude={"parts", "behavior"})
    parts = body.model_dump(exclude_unset=True, include={"parts"}).get("parts", [])
    if (body.behavior is None) == (not parts):
        raise invalid(
            "parts", "Name either behavior, what all of them do, or parts, each with its behavior and weight."
        )
    if body.behavior is not None:
        parts = [{"behavior": body.behavior.model_dump(exclude_unset=True)}]
    form = SendMixForm(given, [{"weight": 1, **part} for part in parts])
    if not form.is_valid():
        raise ProblemError(422, INVALID, errors=_mix_errors(form, simple=body.behavior is not None))
    return form


def _errors(form: BaseForm, prefix: str = "") -> list[FieldError]:
    return [{**error, "field": f"{prefix}{path_of(error['field'])}"} for error in form_errors(form)]


def _mix_errors(form: SendMixForm, *, simple: bool) -> list[FieldError]:
    found: list[FieldError] = [{**error, "field": error["field"] or "parts"} for error in form_errors(form)]
    of_parts = [
        error for place, part in enumerate(form.parts) for error in _errors(part, "" if simple else f"parts.{place}.")
    ]
    return of_parts + [error for error in found if error["field"] != "parts" or not of_parts]


def _differing(form: SendMixForm, operation: Operation) -> list[str]:
    """What is not as it was when the same key asked before."""
    values = form.cleaned_data
    if operation.kind != OperationKind.SEND:
        return ["key"]
    same = {
        "count": operation.wanted == values["count"],
        "rate": operation.rate == values["rate"],
        "domain": operation.domain == values["domain"],
    }
    return [name for name, is_same in same.items() if not is_same]
