"""The page and the API take and refuse the same: one form judges both."""

import json
from typing import Any
from uuid import UUID

from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from commands.api.send_shapes import SendIn
from commands.forms.sending import FIELDS, SendForm
from commands.forms.sending_json import SendOneForm, path_of
from commands.rules.behaviors import BehaviorType
from commands.rules.payload import parse_json

CLEANED = ("behavior", "payload", "max_attempts", "correlation_id", "reply")
NUMBERS = st.integers(-2, 105) | st.sampled_from([3_599_999, 3_600_000, 3_600_001, 2**31, 10**30]) | st.just(2.0)
TEXTS = st.text(max_size=8) | st.sampled_from(["", " ", "\0", " X ", "x" * 100, "x" * 101, "x" * 1000, "x" * 1001])
SPELLED = st.uuids().flatmap(
    lambda value: st.sampled_from(
        [str(value), value.hex.upper(), f" {value} ", f"{{{value}}}", value.urn, str(value)[1:]]
    )
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)
BODIES = st.fixed_dictionaries(
    {"type": st.sampled_from([*BehaviorType, "explode", ""])},
    optional={
        "execution_time_ms": NUMBERS,
        "transient_failures": NUMBERS,
        "error_code": TEXTS,
        "error_message": TEXTS,
        "max_attempts": NUMBERS,
        "payload": st.dictionaries(st.text(), JSON, max_size=3) | st.just({"long": "x" * 70_000}),
        "correlation_id": SPELLED | st.sampled_from(["", "42"]),
        "reply": st.booleans(),
    },
)


def by_the_page(values: dict[str, Any]) -> SendForm:
    """What a browser sends of these values."""
    typed = {name: value if isinstance(value, str) else json.dumps(value) for name, value in values.items()}
    if typed.pop("reply", "true") == "true":
        typed["reply"] = "on"
    return SendForm(typed)


def by_the_api(values: dict[str, Any]) -> SendOneForm:
    """The same as a body, where a field that is left empty is null."""
    values = {name: None if (name, value) == ("correlation_id", "") else value for name, value in values.items()}
    behavior = {name: value for name, value in values.items() if name in ("type", *FIELDS)}
    others = {name: value for name, value in values.items() if name not in behavior}
    body = SendIn.model_validate(parse_json(json.dumps({"behavior": behavior, **others})))
    return SendOneForm(body.model_dump(exclude_unset=True, exclude={"reply"}) | {"reply": body.reply})


@settings(deadline=None)
@given(BODIES)
def test_what_one_takes_the_other_takes_and_what_one_refuses_the_other_refuses(values: dict[str, Any]) -> None:
    page, api = by_the_page(values), by_the_api(values)
    assert page.errors == api.errors
    if page.is_valid():
        assert {name: page.cleaned_data[name] for name in CLEANED} == {name: api.cleaned_data[name] for name in CLEANED}


@settings(deadline=None)
@given(JSON, st.sampled_from(["type", *FIELDS, "max_attempts", "payload", "correlation_id", "reply"]))
def test_a_value_of_another_kind_is_refused_by_its_field(value: Any, name: str) -> None:
    """A form has texts alone; what is no text or number of its kind never reaches it."""
    kinds: dict[str, Any] = {
        **dict.fromkeys(("type", "error_code", "error_message", "correlation_id"), str),
        **dict.fromkeys(("execution_time_ms", "transient_failures", "max_attempts"), (int, float)),
        "payload": dict,
        "reply": bool,
    }
    is_number = isinstance(value, float) or type(value) is int
    of_kind = isinstance(value, kinds[name]) and (kinds[name] != (int, float) or is_number)
    if of_kind or (value is None and name in ("max_attempts", "correlation_id")):
        return
    try:
        by_the_api({"type": "success", name: value})
    except ValidationError as exc:
        (error,) = exc.errors()
        assert ".".join(map(str, error["loc"])) == path_of(name)
    else:
        raise AssertionError(f"{name} took {value!r}")


def test_the_id_of_a_command_is_none_that_the_audit_has_for_others() -> None:
    form = SendOneForm({"behavior": {"type": "success"}, "command_id": str(UUID(int=0))})
    assert list(form.errors) == ["command_id"]
