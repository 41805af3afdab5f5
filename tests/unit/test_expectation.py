"""What must become of a command, row by row, and how it is said. tests/integration holds it against the bus itself."""

import re
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from commands.rules.behaviors import PARAMETERS, BehaviorType
from commands.rules.courses import Circumstances, courses
from commands.rules.expectation import Bounds, expectation
from commands.rules.sentence import attempts_text, sentence
from tests.support.circumstances import circumstances
from tests.support.expectations import ROWS, WITHIN_THE_LEASE


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
