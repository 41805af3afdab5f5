"""bench/history: the stories of a made history are those that commands have, and each slice is a piece of its time."""

import math
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest

from bench.history.seed import SLICE, HistoryError, Wanted, slices, stride_of
from bench.history.stories import STORIES
from bench.history.story import LEASE_MS, LONGEST_MS, MAX_ATTEMPTS, WAITING, Story
from commands.rules.courses import Circumstances
from commands.rules.expectation import expectation
from commands.rules.words import LATE, EventType, Status

END = datetime(2026, 11, 26, tzinfo=UTC)
BY_THEMSELVES = [story for story in STORIES if not set(story.word) & set("OKX") and story.kind != WAITING]
LOST = "SRRC"  # as of a worker that was killed, which no expectation is about


def wanted(**changes: int) -> Wanted:
    sizes = {"commands": 5000, "parked": 50, "failed": 40, "canceled": 30, "waiting": 20, "days": 4, "seed": 1}
    return Wanted(domain="test", **{**sizes, **changes})


@pytest.mark.parametrize("story", [s for s in BY_THEMSELVES if s.word != LOST], ids=lambda s: f"{s.word} {s.behavior}")
def test_what_becomes_of_a_command_by_itself_is_what_its_behavior_says(story: Story) -> None:
    circumstances = Circumstances(
        behavior=story.behavior, max_attempts=MAX_ATTEMPTS, lease_s=LEASE_MS // 1000, base_delay_ms=1000,
        max_delay_ms=60_000, backoff_multiplier=2,
    )  # fmt: skip
    said = expectation(circumstances)
    assert said.allows(story.word)
    assert story.status in said.statuses
    assert story.attempts in said.attempts
    assert story.last.delay_ms in said.ends_ms
    assert story.word.count("c") in said.late_completed


@pytest.mark.parametrize("story", STORIES, ids=lambda s: f"{s.word} {s.behavior}")
def test_a_story_goes_on_in_time_and_each_attempt_ends_at_most_once(story: Story) -> None:
    for one, next_one in pairwise(story.steps):
        if one.operated == next_one.operated:
            assert one.delay_ms <= next_one.delay_ms
            assert next_one.since == one.since + 1
    assert max(step.delay_ms for step in story.steps) + 25 * len(story.steps) < LONGEST_MS
    ends = [step.details["attempt"] for step in story.steps if "has_result" in step.details or step.event in LATE]
    assert len(set(ends)) == len(ends)


def test_each_kind_of_command_has_its_stories() -> None:
    assert {story.kind for story in STORIES} == {*(status for status in Status if status.is_final), WAITING}
    never = {EventType.RETRY_SCHEDULED, EventType.RETRY_EXHAUSTED, EventType.BATCH_STARTED, EventType.BATCH_COMPLETED,
             EventType.MESSAGE_REJECTED, EventType.LATE_FAILED}  # fmt: skip
    assert {step.event for story in STORIES for step in story.steps} == set(EventType) - never


def test_a_code_that_an_operation_is_about_is_that_of_no_other_story() -> None:
    codes = [story.behavior.error_code for story in STORIES]
    assert all(codes.count(story.behavior.error_code) == 1 for story in STORIES if story.bulk)


def test_slices_follow_each_other_in_time_and_number_and_end_with_what_waits() -> None:
    found = slices(wanted(), END - timedelta(days=4), END)
    assert [piece.first for piece in found] == [0, 1245, 2490, 3735, 4980]
    assert sum(piece.count for piece in found) == 5000
    assert all(one.ends == next_one.begins for one, next_one in pairwise(found))
    assert (found[0].begins, found[-1].ends) == (END - timedelta(days=4), END)
    assert found[-1].ends - found[-1].begins == timedelta(minutes=10)


def test_a_day_of_many_commands_is_several_slices_and_a_day_without_any_is_none() -> None:
    assert (
        max(piece.count for piece in slices(wanted(commands=1_000_000, days=1), END - timedelta(days=1), END)) <= SLICE
    )
    few = slices(wanted(commands=3, parked=1, failed=0, canceled=0, waiting=0, days=30), END - timedelta(days=30), END)
    assert [piece.count for piece in few] == [1, 1, 1]


def test_more_in_the_statuses_than_there_are_commands_is_refused() -> None:
    with pytest.raises(HistoryError, match="More than 100 commands"):
        wanted(commands=100)


@pytest.mark.parametrize("number", [0, 1, 2, 10, 1995, 1_995_000])
def test_a_stride_visits_each_place_once(number: int) -> None:
    assert stride_of(number) >= 1
    assert number == 0 or math.gcd(stride_of(number), number) == 1
