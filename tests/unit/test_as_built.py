"""bench/oracle/as_built.py: a story that the contract does not allow, and the deviation that explains it."""

from typing import Any

import pytest

from bench.oracle.as_built import TITLES, Seen, known_deviation


def seen(word: str, **more: Any) -> Seen:
    said: dict[str, Any] = {
        "status": "COMPLETED", "attempts": word.count("R"), "max_attempts": 3, "expected": "SRC",
        "executions": word.count("R"), "replies": word.count("C"), "behavior": "success",
    }  # fmt: skip
    return Seen(**{**said, "word": word, **more})


@pytest.mark.parametrize(
    ("word", "more", "deviation"),
    [
        ("SRFRFRT", {"max_attempts": 5, "behavior": "fail_transient"}, "D1"),
        ("SRFRFRT", {"max_attempts": 1, "behavior": "fail_transient"}, "D1"),
        ("SRRRRRRRCCCCCCC", {"behavior": "timeout"}, "D2"),
        ("SRRRRR", {"status": "IN_PROGRESS"}, "D2"),
        ("SRRCT", {}, "D3"),
        ("SRRCB", {}, "D3"),
        ("SRRFRFRTT", {"behavior": "fail_transient"}, "D3"),
        ("SRTRC", {}, "D3"),
        ("SRRRCCC", {"behavior": "timeout"}, "D4"),
        ("SRRC", {"replies": 2}, "D4"),
        ("SC", {}, "D5"),
        ("SRC", {"executions": 2}, "D5"),
        ("SRRCF", {}, "D13"),
    ],
)
def test_a_deviation_is_known_by_the_story_that_it_makes(word: str, more: dict[str, Any], deviation: str) -> None:
    assert known_deviation(seen(word, **more)) == deviation
    assert deviation in TITLES


@pytest.mark.parametrize(
    ("word", "more"),
    [
        ("SRC", {"replies": 0}),  # a reply that is lost is no known deviation
        ("SRC", {"replies": 2}),  # nor is one too many of a single attempt
        ("SR", {"status": "IN_PROGRESS"}),
        ("SRT", {"behavior": "success"}),
        ("S", {"status": "PENDING"}),
        ("", {"status": ""}),
        ("SRTORC", {}),  # an operator retried it
        ("SRFRFRT", {"max_attempts": 3, "behavior": "fail_transient"}),
    ],
)
def test_what_is_no_known_deviation_has_no_name(word: str, more: dict[str, Any]) -> None:
    assert known_deviation(seen(word, **more)) is None
