"""What must become of a command, row by row, and how it is said. tests/integration holds it against the bus itself."""

import re
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from commands.rules.behaviors import PARAMETERS, BehaviorType
from commands.rules.courses import Circumstances, courses
from commands.rules.expectation import Bounds, expectation, loosened
from commands.rules.sentence import attempts_text, sentence
from commands.rules.words import ReplyOutcome, Status
from tests.support.circumstances import circumstances
from tests.support.expectations import DONE, EITHER, FAILED, PARKED, ROWS, WITHIN_THE_LEASE, bounds


@pytest.mark.parametrize("name", ROWS)
def test_each_row_is_expected_as_the_bus_promises(name: str) -> None:
    assert expectation(ROWS[name].of) == ROWS[name].expected


@pytest.mark.parametrize("name", ROWS)
def test_each_row_is_said_with_its_values(name: str) -> None:
    assert sentence(ROWS[name].of) == ROWS[name].said


@pytest.mark.parametrize("name", WITHIN_THE_LEASE)
def test_within_the_lease_slots_change_nothing(name: str) -> None:
    row = WITHIN_THE_LEASE[name]
    for slots in (None, 1, 2, 99):
        assert expectation(replace(row.of, slots=slots)) == row.expected


def test_who_asks_for_no_reply_gets_none() -> None:
    expected = expectation(circumstances("success", reply=False))
    assert (expected.replies, expected.reply) == (Bounds(least=0, most=0), None)


def test_a_story_is_allowed_with_late_events_wherever_they_come() -> None:
    expected = expectation(circumstances("timeout", 5000, lease_s=2, slots=3))
    assert expected.word == "SRRRC"
    assert expected.allows("SRRRCcc")
    assert expected.allows("SRRfRCc")
    assert not expected.allows("SRRC")
    assert not expected.allows("SRRRCC")
    assert expectation(circumstances("timeout", 5000, lease_s=2)).word is None


def test_attempts_read_as_people_say_them() -> None:
    texts = [attempts_text(Bounds(least=least, most=most)) for least, most in ((1, 1), (3, 3), (1, 2), (1, 3))]
    assert texts == ["1 attempt", "3 attempts", "1 or 2 attempts", "1 to 3 attempts"]


# What so many attempts that came to no end make of it: statuses, attempts, pattern, retries.
LOST = {
    "success, one": (circumstances("success", kills=1), {DONE}, (1, 2), "SR{1,2}C", (0, 0)),
    "success, all of them": (circumstances("success", kills=3), EITHER, (1, 3), "S(R{1,3}C|RRRT)", (0, 0)),
    "fail_permanent": (circumstances("fail_permanent", kills=1), {PARKED}, (1, 2), "SR{1,2}T", (0, 0)),
    "fail_transient": (circumstances("fail_transient", kills=1), {PARKED}, (3, 3), "S(RF?){2}RT", (1, 2)),
    "business_rule": (circumstances("business_rule", kills=2), {FAILED}, (1, 3), "SR{1,3}B", (0, 0)),
    "business_rule, all of them": (
        circumstances("business_rule", kills=3), {FAILED, PARKED}, (1, 3), "S(R{1,3}B|RRRT)", (0, 0),
    ),
    "then_succeed, with one to spare": (
        circumstances("fail_transient_then_succeed", kills=1), {DONE}, (2, 3), "S(RF?)R{1,2}C", (0, 1),
    ),
    "then_succeed, with none to spare": (
        circumstances("fail_transient_then_succeed", 0, 2, kills=1), EITHER, (3, 3), "S(RF?){2}(RC|RT)", (1, 2),
    ),
    "then_succeed, too often": (
        circumstances("fail_transient_then_succeed", 0, 3, kills=1), {PARKED}, (3, 3), "S(RF?){2}RT", (1, 2),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", LOST)
def test_attempts_that_were_lost_widen_what_is_expected(name: str) -> None:
    of, statuses, attempts, pattern, retries = LOST[name]
    found = expectation(of)
    assert found.statuses == statuses
    assert found.pattern == pattern
    assert (found.attempts, found.retries) == (bounds(attempts), bounds(retries))
    assert found.replies == Bounds(least=int(PARKED not in statuses), most=int(statuses != {PARKED}))


def test_no_more_attempts_without_an_end_are_allowed_than_were_lost() -> None:
    one = expectation(circumstances("fail_transient_then_succeed", kills=1))
    assert [one.allows(word) for word in ("SRFRC", "SRRC", "SRFRRC", "SRFRCf")] == [True] * 4
    assert [one.allows(word) for word in ("SRC", "SRRRC", "SRRFRC", "SRFRRRC", "SRFRT")] == [False] * 5


def test_a_lost_attempt_makes_the_end_a_lease_later_and_a_long_backoff_shorter() -> None:
    calm = expectation(circumstances("success", 5000))
    assert expectation(circumstances("success", 5000, kills=2)).ends_ms == Bounds(
        least=5000, most=calm.ends_ms.most + 2 * 30_550
    )
    retried = circumstances("fail_transient", base_delay_ms=60_000)
    assert expectation(retried).ends_ms.least == 120_000
    assert expectation(replace(retried, kills=1)).ends_ms.least == 90_000  # the lease of 30 s in place of a backoff


def test_lost_attempts_are_said() -> None:
    assert sentence(circumstances("success", kills=1)).endswith(
        "; with 1 attempt that comes to no end it completes with 1 or 2 attempts"
    )
    assert sentence(circumstances("success", kills=3)).endswith(
        "; with 3 attempts that come to no end it completes or goes to the TSQ with 1 to 3 attempts"
    )


def test_an_expectation_alone_is_loosened_by_lost_attempts() -> None:
    known = expectation(circumstances("success"))
    assert loosened(known, 0, 3) == known
    one, all_of_them = loosened(known, 1, 3), loosened(known, 3, 3)
    assert one.statuses == {Status.COMPLETED}
    assert (one.attempts, one.replies) == (bounds((1, 2)), bounds(1))
    assert all_of_them.statuses == EITHER
    assert all_of_them.replies == bounds((0, 1))
    assert all_of_them.reply == ReplyOutcome.SUCCESS
    assert (one.allows("SRRC"), one.allows("SRRT"), all_of_them.allows("SRRRT")) == (True, False, True)


def test_fewer_than_no_lost_attempts_are_refused() -> None:
    with pytest.raises(ValueError, match=r"kills must be at least 0, not -1."):
        circumstances("success", kills=-1)


@pytest.mark.parametrize("name", ["max_attempts", "lease_s", "slots"])
def test_what_no_worker_can_have_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match=f"{name} must be at least 1, not 0."):
        circumstances("success", **{name: 0})


@st.composite
def any_circumstances(draw: st.DrawFn) -> Circumstances:
    kind, most, lease_s = draw(st.sampled_from(BehaviorType)), draw(st.integers(1, 8)), draw(st.integers(1, 60))
    failures = draw(st.integers(1, most + 2)) if "transient_failures" in PARAMETERS[kind] else 1
    return circumstances(
        kind,
        draw(st.integers(0, lease_s * 9000)),
        failures,
        max_attempts=most,
        lease_s=lease_s,
        base_delay_ms=draw(st.integers(0, 5000)),
        slots=draw(st.integers(1, 10)),
    )


@settings(derandomize=True, database=None, max_examples=200)
@given(known=any_circumstances())
def test_where_slots_are_not_known_all_is_expected_that_any_number_of_them_leads_to(known: Circumstances) -> None:
    exact, wide = expectation(known), expectation(replace(known, slots=None))
    assert exact.statuses <= wide.statuses
    for name in ("attempts", "retries", "late_completed", "late_failed", "replies", "ends_ms"):
        inner, outer = getattr(exact, name), getattr(wide, name)
        assert inner.least in outer, name
        assert inner.most in outer, name
    assert all(wide.allows(course.word) for course in courses(known))


@settings(derandomize=True, database=None, max_examples=200)
@given(known=any_circumstances())
def test_away_from_multiples_of_the_lease_known_slots_leave_one_story(known: Circumstances) -> None:
    past = known.work_ms % known.lease_ms
    is_near = past < known.margin_ms <= known.work_ms or past > known.lease_ms - known.margin_ms
    expected = expectation(known)
    if known.slots == 1 or not is_near:
        assert re.fullmatch("S(R+|(RF)*R)[CBT]", expected.word or "")
        assert len(expected.statuses) == 1
        assert expected.attempts.least == expected.attempts.most


@settings(derandomize=True, database=None, max_examples=200)
@given(known=any_circumstances(), kills=st.integers(1, 9))
def test_lost_attempts_only_widen(known: Circumstances, kills: int) -> None:
    calm, wide = expectation(replace(known, slots=None)), expectation(replace(known, kills=kills))
    assert calm.statuses <= wide.statuses
    for name in ("attempts", "retries", "late_completed", "late_failed", "replies", "ends_ms"):
        inner, outer = getattr(calm, name), getattr(wide, name)
        assert inner.least in outer, name
        assert inner.most in outer, name
    assert all(wide.allows(course.word) for course in courses(known))
    assert wide.attempts.most <= known.max_attempts
