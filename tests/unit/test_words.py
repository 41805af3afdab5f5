"""commands/rules/words.py: our words against the library's."""

import pytest
from commandbus import AuditEventType, CommandStatus

from commands.rules.words import EventType, Status

OURS = {"LATE_COMPLETED", "LATE_FAILED", "MESSAGE_REJECTED"}
WRITTEN_BY_SQL_ONLY = {"BATCH_STARTED", "BATCH_COMPLETED"}


def test_the_statuses_are_the_librarys() -> None:
    assert set(Status) == {status.value for status in CommandStatus}


def test_the_event_types_are_the_librarys_those_of_its_sql_and_ours() -> None:
    assert set(EventType) == {event.value for event in AuditEventType} | WRITTEN_BY_SQL_ONLY | OURS


@pytest.mark.parametrize("words", [Status, EventType])
def test_no_two_words_read_the_same(words: type[Status] | type[EventType]) -> None:
    assert len({word.label for word in words}) == len(words)


def test_only_a_command_that_no_worker_has_ended_is_not_final() -> None:
    assert [status for status in Status if not status.is_final] == [Status.PENDING, Status.IN_PROGRESS]
