"""commands/rules/behaviors.py: what a behavior may be, and what each type does."""

from typing import Any

import pytest

from commands.rules.behaviors import (
    PARAMETERS,
    Behavior,
    BehaviorError,
    BehaviorType,
    SimulatedBusinessRuleFailure,
    SimulatedFailure,
    SimulatedPermanentFailure,
    SimulatedTransientFailure,
    act,
)


@pytest.mark.parametrize("kind", ["success", "timeout"])
def test_success_and_timeout_return_success_at_any_attempt(kind: str) -> None:
    behavior = Behavior.from_json({"type": kind, "execution_time_ms": 5})
    assert [act(behavior, attempt) for attempt in (1, 2)] == [{"status": "success"}] * 2


@pytest.mark.parametrize(
    ("kind", "error", "code", "message"),
    [
        ("fail_permanent", SimulatedPermanentFailure, "PERMANENT", "Simulated permanent failure"),
        ("business_rule", SimulatedBusinessRuleFailure, "BUSINESS_RULE", "Simulated business rule failure"),
        ("fail_transient", SimulatedTransientFailure, "TRANSIENT", "Simulated transient failure"),
    ],
)
def test_a_failing_behavior_raises_its_kind_with_its_default_code_and_message(
    kind: str, error: type[SimulatedFailure], code: str, message: str
) -> None:
    with pytest.raises(error) as caught:
        act(Behavior.from_json({"type": kind}), 1)
    assert (caught.value.code, caught.value.message) == (code, message)


@pytest.mark.parametrize("kind", ["fail_permanent", "business_rule", "fail_transient"])
def test_a_failing_behavior_raises_the_code_and_message_that_it_was_given(kind: str) -> None:
    behavior = Behavior.from_json({"type": kind, "error_code": "INVALID_ACCOUNT", "error_message": ""})
    with pytest.raises(SimulatedFailure) as caught:
        act(behavior, 1)
    assert (caught.value.code, caught.value.message) == ("INVALID_ACCOUNT", "")


def test_fail_transient_then_succeed_fails_as_often_as_told_and_then_returns_its_attempt() -> None:
    behavior = Behavior.from_json({"type": "fail_transient_then_succeed", "transient_failures": 2})
    for attempt in (1, 2):
        with pytest.raises(SimulatedTransientFailure) as caught:
            act(behavior, attempt)
        assert (caught.value.code, caught.value.message) == ("TRANSIENT", f"Transient failure {attempt}")
    assert act(behavior, 3) == {"status": "success", "attempts": 3}


def test_fail_transient_then_succeed_fails_once_unless_told_otherwise() -> None:
    behavior = Behavior.from_json({"type": "fail_transient_then_succeed"})
    with pytest.raises(SimulatedTransientFailure):
        act(behavior, 1)
    assert act(behavior, 2) == {"status": "success", "attempts": 2}


@pytest.mark.parametrize("kind", BehaviorType)
def test_each_type_takes_its_parameters_and_survives_the_way_to_json_and_back(kind: BehaviorType) -> None:
    extremes = {
        "execution_time_ms": 3_600_000,
        "transient_failures": 100,
        "error_code": "X" * 100,
        "error_message": "é" * 1000,
    }
    full = {"type": kind.value, **{key: extremes[key] for key in PARAMETERS[kind]}}
    assert Behavior.from_json(full).to_json() == full
    assert Behavior.from_json({"type": kind.value}).to_json() == {"type": kind.value}


BAD: list[tuple[Any, str, str]] = [
    (None, "behavior", "must be a JSON object"),
    ([], "behavior", "must be a JSON object"),
    ("success", "behavior", "must be a JSON object"),
    ({}, "type", "must be one of success, fail_permanent"),
    ({"type": "explode"}, "type", "must be one of success, fail_permanent"),
    ({"type": None}, "type", "must be one of success"),
    ({"type": ["success"]}, "type", "must be one of success"),
    ({"type": "x" * 1000}, "type", "must be one of success"),
    ({"type": "SUCCESS"}, "type", "must be one of success"),
    ({"type": "success", "colour": "red"}, "colour", "not a key of a behavior; success takes execution_time_ms"),
    ({"type": "success", 7: 1}, "7", "is not a key of a behavior"),
    (
        {"type": "success", "error_code": "X"},
        "error_code",
        "does not apply to success; success takes",
    ),
    ({"type": "timeout", "transient_failures": 1}, "transient_failures", "does not apply to timeout"),
    ({"type": "fail_transient_then_succeed", "error_code": "X"}, "error_code", "does not apply"),
    ({"type": "success", "execution_time_ms": "5"}, "execution_time_ms", "whole number from 0 to 3,600,000, not '5'"),
    ({"type": "success", "execution_time_ms": True}, "execution_time_ms", "whole number from 0 to 3,600,000, not True"),
    ({"type": "success", "execution_time_ms": 5.0}, "execution_time_ms", "whole number"),
    ({"type": "success", "execution_time_ms": None}, "execution_time_ms", "must not be null"),
    ({"type": "success", "execution_time_ms": -1}, "execution_time_ms", "whole number from 0 to 3,600,000, not -1"),
    ({"type": "success", "execution_time_ms": 10**5000}, "execution_time_ms", "not a value of type int"),
    ({"type": "success", "execution_time_ms": [[]]}, "execution_time_ms", "not a value of type list"),
    ({"type": "success", "execution_time_ms": 3_600_001}, "execution_time_ms", "from 0 to 3,600,000"),
    ({"type": "fail_transient_then_succeed", "transient_failures": 0}, "transient_failures", "from 1 to 100, not 0"),
    ({"type": "fail_transient_then_succeed", "transient_failures": 101}, "transient_failures", "from 1 to 100"),
    ({"type": "fail_transient_then_succeed", "transient_failures": False}, "transient_failures", "from 1 to 100"),
    ({"type": "fail_permanent", "error_code": ""}, "error_code", "text of 1 to 100 characters, not ''"),
    ({"type": "fail_permanent", "error_code": "X" * 101}, "error_code", "text of 1 to 100 characters"),
    ({"type": "fail_permanent", "error_code": 42}, "error_code", "text of 1 to 100 characters, not 42"),
    ({"type": "fail_permanent", "error_code": None}, "error_code", "must not be null"),
    ({"type": "fail_transient", "error_message": "X" * 1001}, "error_message", "text of 0 to 1,000 characters"),
    ({"type": "fail_transient", "error_message": {}}, "error_message", "text of 0 to 1,000 characters"),
    ({"type": "fail_transient", "error_message": "a\0b"}, "error_message", "must not hold NUL"),
    ({"type": "fail_transient", "error_code": "\ud800"}, "error_code", "half surrogate pairs"),
]


@pytest.mark.parametrize(("value", "key", "message"), BAD, ids=[message for _, _, message in BAD])
def test_what_is_no_behavior_is_refused_by_an_error_that_names_the_key_and_what_is_allowed(
    value: Any, key: str, message: str
) -> None:
    with pytest.raises(BehaviorError) as caught:
        Behavior.from_json(value)
    assert caught.value.key == key
    assert message in caught.value.message
    assert key in caught.value.message
    assert len(caught.value.message) < 250


def test_a_behavior_made_in_code_is_held_to_the_same_rules() -> None:
    with pytest.raises(BehaviorError, match="from 1 to 100"):
        Behavior(type=BehaviorType.FAIL_TRANSIENT_THEN_SUCCEED, transient_failures=0)
    with pytest.raises(BehaviorError, match="does not apply to success"):
        Behavior(type=BehaviorType.SUCCESS, error_code="X")
    with pytest.raises(BehaviorError, match="type must be one of"):
        Behavior(type="explode")  # type: ignore[arg-type]  # the wrong type is the point
