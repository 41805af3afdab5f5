"""What a program asks an operator's action to do, as the form of the page that confirms it: one validation for both."""

from typing import Any
from uuid import uuid4

from commands.api.problems import INVALID, ProblemError, form_errors, invalid
from commands.api.tsq_shapes import ActionIn, Bulk, CompleteIn, RetryIn
from commands.bus.operators import Left
from commands.forms.operating import BEHAVIOR_FIELDS, FORMS, ConfirmForm
from commands.rules.operating import left_text
from commands.rules.payload import PayloadError, json_text, payload_text
from e2e_site.problem import FieldError

_OF_A_BEHAVIOR = ("type", *BEHAVIOR_FIELDS)


def confirmed(body: ActionIn, *, count: int) -> ConfirmForm:
    """A valid form for this many commands. Raises ProblemError: 422."""
    key = body.key if isinstance(body, Bulk) else None
    data = {**_data(body), "seen": str(count), "typed": str(count), "key": str(key or uuid4())}
    form = FORMS[body.kind](data, count=count)
    if not form.is_valid():
        raise ProblemError(422, INVALID, errors=[_named(error) for error in form_errors(form)])
    return form


def _named(error: FieldError) -> FieldError:
    name = error["field"]
    return {**error, "field": f"behavior.{name}" if name in _OF_A_BEHAVIOR else name}


def _data(body: ActionIn) -> dict[str, str]:
    """As a browser would send the form."""
    data: dict[str, Any] = {"reason": body.reason}
    if isinstance(body, Bulk):
        data |= {"rate": body.rate, "canary": getattr(body, "canary", None)}
    if isinstance(body, RetryIn):
        data |= {"max_attempts": body.max_attempts, "payload": _payload(body)}
        data |= body.behavior.model_dump() if body.behavior else {}
    if isinstance(body, CompleteIn):
        data["result"] = _result(body)
    return {name: str(value) for name, value in data.items() if value is not None}


def _payload(body: RetryIn) -> str | None:
    try:
        return None if body.payload is None else payload_text(body.payload)
    except PayloadError as exc:
        raise invalid("payload", str(exc)) from exc


def _result(body: CompleteIn) -> str | None:
    try:
        return None if body.result is None else json_text(body.result, "result")
    except PayloadError as exc:
        raise invalid("result", str(exc)) from exc


def refused(left: Left, *, needed: str) -> ProblemError:
    """409: why a command was left as it is, and where it stands; 404 where it is gone. ``needed``: the usual code."""
    if left.status is None:
        return ProblemError(404, "Nothing was done: the command is gone.")
    code = needed
    for reason, found in (("message_lost", left.lost), ("parked_again", left.again), ("held", left.held)):
        code = reason if found else code
    said = left_text(**vars(left))
    return ProblemError(409, f"Nothing was done: the command {said}. Its status is {left.status}.", code=code)
