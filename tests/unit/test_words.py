"""commands/rules/words.py: our words against the library's."""

import ast
from collections.abc import Iterator

import pytest
from commandbus import AuditEventType, CommandStatus, ReplyOutcome

from commands.rules import words
from commands.rules.words import COMMAND_TYPE, DOMAIN, LATE, LEASE_EXPIRED, LETTERS, EventType, OutcomeKind, Status
from tests.support.clusters import CHECKOUT

OURS = {"LATE_COMPLETED", "LATE_FAILED", "MESSAGE_REJECTED"}
WRITTEN_BY_SQL_ONLY = {"BATCH_STARTED", "BATCH_COMPLETED"}


def test_the_statuses_are_the_librarys() -> None:
    assert set(Status) == {status.value for status in CommandStatus}


def test_the_event_types_are_the_librarys_those_of_its_sql_and_ours() -> None:
    assert set(EventType) == {event.value for event in AuditEventType} | WRITTEN_BY_SQL_ONLY | OURS


def test_the_outcomes_of_replies_are_the_librarys() -> None:
    assert set(words.ReplyOutcome) == {outcome.value for outcome in ReplyOutcome}


@pytest.mark.parametrize("kind", [Status, EventType])
def test_no_two_words_read_the_same(kind: type[Status] | type[EventType]) -> None:
    assert len({word.label for word in kind}) == len(kind)


def test_a_word_of_a_newer_library_is_its_own_label() -> None:
    assert (Status.label_of("PENDING"), Status.label_of("NEW_IN_0_3")) == ("Pending", "NEW_IN_0_3")


def test_only_a_command_that_no_worker_has_ended_is_not_final() -> None:
    assert [status for status in Status if not status.is_final] == [Status.PENDING, Status.IN_PROGRESS]


def test_each_event_of_a_command_has_a_letter_of_its_own_and_what_is_late_a_small_one() -> None:
    never = {EventType.RETRY_SCHEDULED, EventType.RETRY_EXHAUSTED}
    of_others = {EventType.BATCH_STARTED, EventType.BATCH_COMPLETED, EventType.MESSAGE_REJECTED}
    assert set(LETTERS) == set(EventType) - never - of_others
    assert len(set(LETTERS.values())) == len(LETTERS)
    assert [event for event in LETTERS if LETTERS[event].islower()] == list(LATE)


# Two outcomes are names of behaviors too, and "success" a word of results; the model of test commands has their type's
# name.
SPELLED_ONCE = {*Status, *EventType, *OutcomeKind, DOMAIN, COMMAND_TYPE, LEASE_EXPIRED}
SPELLED_ONCE -= {OutcomeKind.SUCCESS, OutcomeKind.BUSINESS_RULE}
MODEL = f"commands/models.py: {COMMAND_TYPE}"


def spelled(code: str) -> Iterator[str]:
    """The words that Python code spells as texts of their own, or as the beginning of a queue's name."""
    for node in ast.walk(ast.parse(code)):
        text = node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""
        if text in SPELLED_ONCE or text.startswith(f"{DOMAIN}__"):
            yield text


def test_no_other_module_spells_a_word() -> None:
    found = {
        f"{path.relative_to(CHECKOUT)}: {word}"
        for package in ("bench", "commands", "e2e_site", "settings_app")
        for path in (CHECKOUT / package).rglob("*.py")
        if "node_modules" not in path.parts and path.name != "words.py"
        for word in spelled(path.read_text())
    }
    assert found == {MODEL}
