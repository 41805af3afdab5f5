"""commands/forms/sending.py: what a person may send, and what they are told otherwise."""

from typing import Any

import pytest

from commands.forms.sending import SendForm
from commands.rules.behaviors import Behavior, BehaviorType

# What a browser sends when nothing is filled in.
UNTOUCHED = {
    "type": "success",
    "execution_time_ms": "0",
    "transient_failures": "1",
    "error_code": "",
    "error_message": "",
    "max_attempts": "",
    "payload": "{}",
    "reply": "on",
}


def form_with(**values: Any) -> SendForm:
    return SendForm({**UNTOUCHED, **values})


@pytest.mark.parametrize("kind", BehaviorType)
def test_each_type_can_be_sent_with_nothing_filled_in(kind: BehaviorType) -> None:
    form = form_with(type=kind.value)
    assert form.is_valid(), form.errors
    assert form.cleaned_data["behavior"] == Behavior(type=kind)
    assert form.cleaned_data["payload"] == {}
    assert form.cleaned_data["reply"] is True
    assert form.cleaned_data["max_attempts"] is None


def test_what_is_filled_in_becomes_the_behavior() -> None:
    form = form_with(
        type="fail_permanent", execution_time_ms="250", error_code="INVALID", error_message="No such account"
    )
    assert form.is_valid(), form.errors
    assert form.cleaned_data["behavior"] == Behavior(
        type=BehaviorType.FAIL_PERMANENT,
        execution_time_ms=250,
        error_code="INVALID",
        error_message="No such account",
    )


def test_fields_that_are_not_sent_at_all_have_their_defaults() -> None:
    form = SendForm({"type": "fail_transient_then_succeed"})
    assert form.is_valid(), form.errors
    assert form.cleaned_data["behavior"] == Behavior(type=BehaviorType.FAIL_TRANSIENT_THEN_SUCCEED)
    assert form.cleaned_data["payload"] == {}
    assert form.cleaned_data["reply"] is False


def test_the_form_starts_with_a_reply_and_the_defaults() -> None:
    form = SendForm()
    assert form["reply"].value() is True
    assert (form["execution_time_ms"].value(), form["transient_failures"].value()) == (0, 1)
    assert form["payload"].value() == "{}"


@pytest.mark.parametrize(
    ("values", "field", "message"),
    [
        ({"type": ""}, "type", "required"),
        ({"type": "explode"}, "type", "type must be one of success, fail_permanent"),
        ({"execution_time_ms": "5.5"}, "execution_time_ms", "whole number"),
        ({"execution_time_ms": "-1"}, "execution_time_ms", "from 0 to 3,600,000, not -1"),
        ({"execution_time_ms": "3600001"}, "execution_time_ms", "from 0 to 3,600,000"),
        ({"type": "fail_transient_then_succeed", "transient_failures": "0"}, "transient_failures", "from 1 to 100"),
        ({"type": "fail_transient_then_succeed", "transient_failures": "101"}, "transient_failures", "from 1 to 100"),
        ({"type": "fail_permanent", "error_code": "X" * 101}, "error_code", "text of 1 to 100 characters"),
        ({"type": "fail_permanent", "error_code": "a\0"}, "error_code", "Null characters"),
        ({"type": "fail_permanent", "error_message": "X" * 1001}, "error_message", "text of 0 to 1,000 characters"),
        ({"type": "success", "error_code": "X"}, "error_code", "does not apply to success; success takes"),
        ({"type": "timeout", "transient_failures": "3"}, "transient_failures", "does not apply to timeout"),
        ({"max_attempts": "0"}, "max_attempts", "max_attempts must be a whole number from 1 to 100."),
        ({"max_attempts": "101"}, "max_attempts", "whole number from 1 to 100"),
        ({"max_attempts": "x"}, "max_attempts", "whole number from 1 to 100"),
        ({"payload": '{"a": {"b": 1, "b": 2}}'}, "payload", "a.b is there twice"),
        ({"payload": "{"}, "payload", "Not valid JSON"),
        ({"payload": "[]"}, "payload", "must be a JSON object, not a list"),
        ({"payload": '"a"'}, "payload", "must be a JSON object"),
        ({"payload": '{"a": NaN}'}, "payload", "must not hold nan"),
        ({"payload": r'{"a": "\u0000"}'}, "payload", "must not hold NUL"),
        ({"payload": '{"a": "%s"}' % ("x" * 65_536)}, "payload", "at most 65,536 bytes"),
        ({"payload": "[" * 100_000}, "payload", "Nested deeper than 100 levels|Not valid JSON"),
        ({"payload": '{"a": %s}' % ("1" * 5000)}, "payload", "too many digits"),
    ],
    ids=lambda case: ascii(case)[:50],
)
def test_an_error_stands_at_the_field_that_was_wrong(values: dict[str, str], field: str, message: str) -> None:
    form = form_with(**values)
    assert not form.is_valid()
    assert list(form.errors) == [field]
    assert any(part in form.errors[field][0] for part in message.split("|")), form.errors[field]


def test_errors_of_the_payload_do_not_hide_those_of_the_behavior() -> None:
    form = form_with(payload="{", execution_time_ms="-1")
    assert not form.is_valid()
    assert set(form.errors) == {"payload", "execution_time_ms"}


@pytest.mark.parametrize("text", ['{"a" : 1', "[" * 100_000, r'{"a": "\ud800"}', "1" * 5000, "<script>"])
def test_a_refused_payload_is_shown_again_as_it_was_typed(text: str) -> None:
    form = form_with(payload=text)
    assert not form.is_valid()
    assert form["payload"].value() == text
    form.render().encode()
