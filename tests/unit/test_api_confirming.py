"""One validation for page and API: what a form takes of what a person types, the API takes of the same in JSON."""

import json
from decimal import Decimal
from typing import Any
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from commands.api.confirming import confirmed
from commands.api.problems import ProblemError
from commands.api.tsq_shapes import BulkCancelIn, BulkRetryIn, CompleteIn
from commands.bus.operators import Action
from commands.forms.operating import FORMS
from commands.rules.behaviors import BehaviorType
from commands.rules.words import OperationKind

COMMON = {"seen": "1", "key": str(UUID(int=1))}

NUMBERS = st.none() | st.integers(-2, 130) | st.integers(-(10**30), 10**30)
TEXTS = st.text(max_size=8) | st.sampled_from(["", "x" * 101, "x" * 1001, "\0", " E "])
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
BEHAVIORS = st.none() | st.fixed_dictionaries(
    {"type": st.sampled_from(list(BehaviorType))},
    optional={
        "execution_time_ms": NUMBERS,
        "transient_failures": NUMBERS,
        "error_code": TEXTS,
        "error_message": TEXTS,
    },
)


def told(action: Action) -> list[Any]:
    """What an action does, its numbers by their values, however they are written."""
    spec = action.spec().items()
    read = {name: json.loads(text, parse_float=Decimal) if isinstance(text, str) else text for name, text in spec}
    return [action.kind, action.reason, read]


def by_form(kind: OperationKind, typed: dict[str, Any]) -> list[Any] | None:
    data = {name: str(value) for name, value in {**COMMON, **typed}.items() if value is not None}
    form = FORMS[kind](data, count=1)
    return told(form.action("ada")) if form.is_valid() else None


def by_api(shape: type[Any], body: dict[str, Any]) -> list[Any] | None:
    try:
        return told(confirmed(shape.model_validate(body), count=1).action("ada"))
    except (ProblemError, ValidationError):
        return None


@given(
    behavior=BEHAVIORS,
    payload=st.none() | st.dictionaries(st.text(max_size=5), JSON, max_size=3),
    numbers=st.fixed_dictionaries({}, optional=dict.fromkeys(("max_attempts", "rate", "canary"), NUMBERS)),
    reason=TEXTS,
)
def test_retries(
    behavior: dict[str, Any] | None, payload: dict[str, Any] | None, numbers: dict[str, Any], reason: str
) -> None:
    typed = {**numbers, "reason": reason, "payload": None if payload is None else json.dumps(payload)}
    body = {**numbers, "reason": reason, "payload": payload, "behavior": behavior}
    assert by_api(BulkRetryIn, body) == by_form(OperationKind.RETRY, {**typed, **(behavior or {})})


@given(reason=TEXTS, rate=NUMBERS)
def test_cancellations(reason: str, rate: int | None) -> None:
    asked = {"reason": reason, "rate": rate}
    assert by_api(BulkCancelIn, asked) == by_form(OperationKind.CANCEL, asked)


@given(reason=TEXTS, result=JSON)
def test_completions_by_hand(reason: str, result: Any) -> None:
    asked = {"reason": reason, "result": result}
    assert by_api(CompleteIn, asked) == by_form(OperationKind.COMPLETE, {**asked, "result": json.dumps(result)})
