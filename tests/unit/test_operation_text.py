"""commands/rules/operation_text.py: an operation in words."""

import pytest

from commands.rules.operation_text import asked, canary_text, progress_text, rate_text, title
from commands.rules.words import OperationKind


@pytest.mark.parametrize(
    ("kind", "wanted", "words"),
    [
        (OperationKind.SEND, 1, "Send 1 command"),
        (OperationKind.SEND, 10_000, "Send 10,000 commands"),
        (OperationKind.COMPLETE, 1, "Complete 1 parked command"),
    ],
)
def test_the_title_names_what_is_done_and_to_how_many(kind: str, wanted: int, words: str) -> None:
    assert title(kind, wanted) == words


@pytest.mark.parametrize(
    ("done", "skipped", "words"),
    [(0, 0, "0 of 2,000 retried"), (1500, 3, "1,500 of 2,000 retried, 3 skipped"), (2000, 0, "2,000 retried")],
)
def test_progress_names_what_was_done_and_what_was_left(done: int, skipped: int, words: str) -> None:
    assert progress_text({"kind": "retry", "wanted": 2000, "done": done, "skipped": skipped}) == words


@pytest.mark.parametrize(("per_s", "words"), [(0.25, "0.2"), (9.96, "10.0"), (10, "10"), (23_711.8, "23,712")])
def test_a_slow_rate_has_a_decimal_place(per_s: float, words: str) -> None:
    assert rate_text(per_s) == words


@pytest.mark.parametrize(
    ("progress", "done", "begins"),
    [
        ({}, 0, "Begins with one command"),
        ({"stage": 0}, 1, "One was sent again"),
        ({"stage": 1}, 1, "The first one ended well"),
        ({"stage": 2}, 11, "Passed: the rest follows"),
        ("foreign", 0, "Begins with one command"),
    ],
)
def test_a_canary_says_which_stage_it_has_reached(progress: object, done: int, begins: str) -> None:
    text = canary_text(progress, 20, done)
    assert text.startswith(begins)
    assert "stops above 20 % of failures" in text


def test_a_filter_for_commands_without_a_code_or_for_some_of_them_says_so() -> None:
    spec = {"filter": {"code": "", "until": "2026-11-26T23:37:15.95+01:00"}}
    facts = asked({"kind": "cancel", "spec": spec, "chosen": 37})
    assert [(fact.label, fact.text) for fact in facts] == [
        ("Selected", "37"),
        ("Error code", "none"),
        ("Parked until", "2026-11-26 22:37:15 UTC"),
    ]
