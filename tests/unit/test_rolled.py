"""What must become of a command whose attempts roll: exact, or a set; and of many of them."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from commands.rules.behaviors import PARAMETERS, Behavior, BehaviorType
from commands.rules.courses import Circumstances
from commands.rules.expectation import expectation
from commands.rules.rolled import rolled_expectation
from commands.rules.rolls import Rolls
from commands.rules.words import Status
from tests.support.chance import is_plausible, shares
from tests.support.circumstances import circumstances
from tests.support.expectations import DONE, EITHER, FAILED, PARKED, bounds

ONE = UUID(int=1)
SECONDS = 1000


@dataclass(frozen=True, kw_only=True)
class Chosen(Rolls):
    """What each attempt does is given; the others do what the command says."""

    seed: int = 0
    attempts: Mapping[int, Behavior]

    def behavior(self, own: Behavior, command_id: UUID, attempt: int) -> Behavior:
        return self.attempts.get(attempt, own)


def rolls(*kinds: str, ms: int = 0) -> Chosen:
    """The first attempts do this; ``ms`` of work where it is a timeout."""
    each = {
        number: Behavior(type=BehaviorType(kind), execution_time_ms=ms if kind == "timeout" else 0)
        for number, kind in enumerate(kinds, 1)
    }
    return Chosen(attempts=each)


OWN = circumstances("success", lease_s=2, base_delay_ms=100)


@pytest.mark.parametrize(
    ("kinds", "status", "word"),
    [
        ((), DONE, "SRC"),
        (("fail_transient",), DONE, "SRFRC"),
        (("fail_transient", "fail_permanent"), PARKED, "SRFRT"),
        (("fail_transient", "business_rule"), FAILED, "SRFRB"),
        (("fail_transient",) * 3, PARKED, "SRFRFRT"),
        (("timeout",), DONE, "SRC"),
    ],
)
def test_what_each_attempt_rolls_within_its_lease_makes_one_story(
    kinds: tuple[str, ...], status: Status, word: str
) -> None:
    found = rolled_expectation(rolls(*kinds, ms=500), ONE, OWN)
    assert found.statuses == {status}
    assert found.word == word
    assert found.attempts == bounds(word.count("R"))
    assert found.ends_ms.least == (word.count("F") and 100 * (2 ** word.count("F") - 1)) + 500 * ("timeout" in kinds)


def test_a_first_attempt_that_outlives_its_lease_may_be_overtaken_by_the_next() -> None:
    found = rolled_expectation(rolls("timeout", "fail_permanent", ms=3 * SECONDS), ONE, OWN)
    assert found.statuses == EITHER
    assert found.attempts == bounds((1, 2))
    assert all(found.allows(word) for word in ("SRC", "SRRC", "SRRT"))
    assert found.retries == bounds(0)
    assert (found.late_completed, found.late_failed) == (bounds((0, 1)), bounds((0, 1)))


def test_no_further_attempt_comes_than_there_is_time_for() -> None:
    found = rolled_expectation(rolls("fail_transient", "timeout", ms=3 * SECONDS), ONE, replace_most(9))
    assert found.statuses == {DONE}
    assert found.attempts == bounds((2, 3))
    assert found.allows("SRFRC")
    assert found.allows("SRFRRC")


def replace_most(most: int) -> Circumstances:
    return circumstances("success", lease_s=2, base_delay_ms=100, max_attempts=most)


def test_with_one_slot_nothing_is_overtaken() -> None:
    of = circumstances("success", lease_s=2, base_delay_ms=100, slots=1)
    assert rolled_expectation(rolls("timeout", ms=9 * SECONDS), ONE, of).word == "SRC"


def test_all_leases_may_run_out_before_the_end() -> None:
    found = rolled_expectation(rolls(*["timeout"] * 3, ms=13 * SECONDS), ONE, OWN)
    assert found.statuses == EITHER
    assert found.attempts == bounds((1, 3))
    assert found.late_completed == bounds((0, 3))


def test_lost_attempts_leave_what_comes_after_them_to_decide() -> None:
    of = circumstances("success", lease_s=2, base_delay_ms=100, kills=1)
    found = rolled_expectation(rolls("fail_permanent", "business_rule"), ONE, of)
    assert found.statuses == {PARKED, FAILED}
    assert found.attempts == bounds((1, 2))
    assert (found.allows("SRT"), found.allows("SRRB"), found.allows("SRRRB")) == (True, True, False)
    failing = rolled_expectation(rolls("fail_transient", "fail_transient"), ONE, of)
    assert failing.statuses == EITHER
    assert failing.attempts == bounds(3)
    assert (failing.allows("SRRFRC"), failing.allows("SRRRC")) == (True, False)


@st.composite
def any_circumstances(draw: st.DrawFn) -> Circumstances:
    kind, most, lease_s = draw(st.sampled_from(BehaviorType)), draw(st.integers(1, 6)), draw(st.integers(1, 60))
    failures = draw(st.integers(1, most + 2)) if "transient_failures" in PARAMETERS[kind] else 1
    more = {"max_attempts": most, "lease_s": lease_s, "base_delay_ms": draw(st.integers(0, 5000))}
    return circumstances(kind, draw(st.integers(0, lease_s * 7000)), failures, **more, kills=draw(st.integers(0, 3)))


@settings(derandomize=True, database=None, max_examples=300)
@given(of=any_circumstances())
def test_who_rolls_nothing_is_expected_to_do_what_it_says(of: Circumstances) -> None:
    exact, rolled = expectation(of), rolled_expectation(Rolls(seed=1), ONE, of)
    assert exact.statuses <= rolled.statuses
    for name in ("attempts", "retries", "late_completed", "late_failed", "replies"):
        inner, outer = getattr(exact, name), getattr(rolled, name)
        assert inner.least in outer, name
        assert inner.most in outer, name
    if not of.kills and of.work_ms + of.margin_ms <= of.lease_ms:
        assert (rolled.word, rolled.statuses, rolled.ends_ms) == (exact.word, exact.statuses, exact.ends_ms)


# -- many of them ----------------------------------------------------------------------------------------------------

MANY = Rolls(seed=42, permanent=0.1, transient=0.3, business_rule=0.1)


def test_of_many_commands_so_many_end_so_as_the_closed_form_says() -> None:
    of, count = circumstances("success"), 4000
    found = [rolled_expectation(MANY, UUID(int=number), of) for number in range(count)]
    expected = shares(MANY, of.max_attempts)
    ends = Counter((next(iter(one.statuses)), one.attempts.most == 3 and one.retries.most == 2) for one in found)
    statuses = Counter(status for status, _ in ends.elements())
    for status, share in (
        (Status.COMPLETED, expected.completed),
        (Status.FAILED, expected.failed),
        (Status.IN_TROUBLESHOOTING_QUEUE, expected.parked_for_good + expected.parked_exhausted),
    ):
        assert is_plausible(statuses[status], count, share), status
    attempts = sum(one.attempts.most for one in found) / count
    assert attempts == pytest.approx(expected.attempts, rel=0.05)


def test_the_closed_form_has_its_bounds() -> None:
    nothing = shares(Rolls(seed=1), 3)
    assert (nothing.completed, nothing.attempts) == (1, 1)
    always = shares(Rolls(seed=1, transient=1), 3)
    assert (always.parked_exhausted, always.completed, always.attempts) == (1, 0, 3)
    one = shares(MANY, 3)
    assert one.completed + one.failed + one.parked_for_good + one.parked_exhausted == pytest.approx(1)
    assert one.parked_exhausted == pytest.approx(0.27**3)


@pytest.mark.parametrize(
    ("hits", "of", "probability", "plausible"),
    [
        (500, 1000, 0.5, True),
        (560, 1000, 0.5, True),
        (600, 1000, 0.5, False),
        (400, 1000, 0.5, False),
        (0, 1000, 0, True),
        (1, 1000, 0, False),
        (1000, 1000, 1, True),
        (999, 1000, 1, False),
        (0, 10, 0.5, True),
        (100_500, 1_000_000, 0.1, True),
        (103_000, 1_000_000, 0.1, False),
        (1_000_000, 1_000_000, 0.1, False),
    ],
)
def test_what_chance_brings_is_told_from_what_it_does_not(
    hits: int, of: int, probability: float, plausible: bool
) -> None:
    assert is_plausible(hits, of, probability) is plausible


def test_more_hits_than_tries_are_refused() -> None:
    with pytest.raises(ValueError, match=r"hits must be from 0 to 3, not 4."):
        is_plausible(4, 3, 0.5)
