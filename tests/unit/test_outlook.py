"""What is said before a command is sent. tests/e2e holds the behaviors themselves against the same outcomes."""

import pytest

from commands.rules.behaviors import BehaviorType
from commands.rules.expectation import Outlook, outlook


def _outlook(kind: BehaviorType, max_attempts: int = 3, delays: tuple[int, ...] = (1000, 2000)) -> Outlook:
    return outlook(kind, max_attempts=max_attempts, lease_s=2, delays_ms=list(delays))


@pytest.mark.parametrize(
    ("kind", "status", "attempts"),
    [
        (BehaviorType.SUCCESS, "COMPLETED", "1 attempt"),
        (BehaviorType.FAIL_PERMANENT, "IN_TROUBLESHOOTING_QUEUE", "1 attempt"),
        (BehaviorType.FAIL_TRANSIENT, "IN_TROUBLESHOOTING_QUEUE", "3 attempts"),
        (BehaviorType.FAIL_TRANSIENT_THEN_SUCCEED, "COMPLETED", "one attempt more than it fails"),
        (BehaviorType.TIMEOUT, "COMPLETED", "up to 3 attempts"),
    ],
)
def test_each_behavior_leads_to_its_status(kind: BehaviorType, status: str, attempts: str) -> None:
    assert (_outlook(kind).status, _outlook(kind).attempts) == (status, attempts)


def test_the_waits_between_attempts_are_named() -> None:
    assert "1 s, 2 s." in _outlook(BehaviorType.FAIL_TRANSIENT).why
    assert "1 s, 1 s, 1 s, 1 s, …" in _outlook(BehaviorType.FAIL_TRANSIENT, 7, (1000,) * 6).why


def test_with_one_attempt_nothing_is_retried() -> None:
    assert _outlook(BehaviorType.FAIL_TRANSIENT, 1, ()).why == "Only one attempt is allowed now."
    assert _outlook(BehaviorType.FAIL_TRANSIENT_THEN_SUCCEED, 1, ()).status == "IN_TROUBLESHOOTING_QUEUE"


def test_the_failures_that_can_still_succeed_are_one_less_than_the_attempts() -> None:
    assert "at most 2 failures" in _outlook(BehaviorType.FAIL_TRANSIENT_THEN_SUCCEED).why
    assert "at most 1 failure;" in _outlook(BehaviorType.FAIL_TRANSIENT_THEN_SUCCEED, 2, (1000,)).why


def test_a_timeout_names_the_lease_and_the_time_after_which_it_is_parked() -> None:
    assert "Above the lease of 2 s" in _outlook(BehaviorType.TIMEOUT).why
    assert "Above 6 s it goes to the TSQ" in _outlook(BehaviorType.TIMEOUT).why
