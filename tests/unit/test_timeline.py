"""A command's events as a story, attempt by attempt."""

from datetime import UTC, datetime, timedelta
from typing import Any

from commands.rules.timeline import Event, build, milliseconds_to_end

START = datetime(2026, 1, 1, tzinfo=UTC)


def _events(*told: tuple[str, dict[str, Any]]) -> list[Event]:
    """One event a second."""
    return [
        Event(event_type=kind, ts=START + timedelta(seconds=second), details=details)
        for second, (kind, details) in enumerate(told)
    ]


def _a(number: int, msg_id: int = 7, **more: Any) -> dict[str, Any]:
    return {"attempt": number, "msg_id": msg_id, "max_attempts": 3, **more}


def _told(events: list[Event]) -> list[str]:
    """The story, oldest first: an attempt as "1 COMPLETED", another event by its type."""
    lines = []
    for entry in reversed(build(events)):
        if entry.attempt:
            end = (
                entry.attempt.end.event_type
                if entry.attempt.end
                else "overtaken"
                if entry.attempt.overtaken
                else "runs"
            )
            lines.append(f"{entry.attempt.number} {end}")
        elif entry.event:
            lines.append(entry.event.event_type)
    return lines


def test_nothing_happened_yet() -> None:
    assert build([]) == []


def test_the_newest_comes_first() -> None:
    story = build(_events(("SENT", {}), ("RECEIVED", _a(1))))
    assert story[0].attempt is not None
    assert story[1].event is not None


def test_an_attempt_and_its_end_are_one_line() -> None:
    told = _told(
        _events(("SENT", {}), ("RECEIVED", _a(1)), ("FAILED", _a(1)), ("RECEIVED", _a(2)), ("COMPLETED", _a(2)))
    )
    assert told == ["SENT", "1 FAILED", "2 COMPLETED"]


def test_an_attempt_without_an_end_runs() -> None:
    assert _told(_events(("SENT", {}), ("RECEIVED", _a(1)))) == ["SENT", "1 runs"]


def test_ends_find_their_attempts_when_attempts_overlap() -> None:
    told = _told(
        _events(
            ("RECEIVED", _a(1)),
            ("RECEIVED", _a(2)),
            ("RECEIVED", _a(3)),
            ("COMPLETED", _a(1)),
            ("LATE_COMPLETED", _a(2)),
            ("LATE_FAILED", _a(3)),
        )
    )
    assert told == ["1 COMPLETED", "2 LATE_COMPLETED", "3 LATE_FAILED"]


def test_a_lease_that_ran_out_overtakes_the_attempt_and_parks_the_command() -> None:
    told = _told(_events(("RECEIVED", _a(1)), ("RECEIVED", _a(2)), ("MOVED_TO_TSQ", _a(2, reason="LEASE_EXPIRED"))))
    assert told == ["1 overtaken", "2 overtaken", "MOVED_TO_TSQ"]


def test_an_attempt_that_fails_for_good_ends_in_the_troubleshooting_queue() -> None:
    assert _told(_events(("RECEIVED", _a(1)), ("MOVED_TO_TSQ", _a(1)))) == ["1 MOVED_TO_TSQ"]


def test_attempts_of_another_message_are_others() -> None:
    told = _told(
        _events(
            ("RECEIVED", _a(1)),
            ("MOVED_TO_TSQ", _a(1)),
            ("OPERATOR_RETRY", {"operator": "ada", "new_msg_id": 9}),
            ("RECEIVED", _a(1, msg_id=9)),
            ("COMPLETED", _a(1, msg_id=9)),
        )
    )
    assert told == ["1 MOVED_TO_TSQ", "OPERATOR_RETRY", "1 COMPLETED"]


def test_the_librarys_completed_names_no_attempt_and_ends_the_last_one() -> None:
    assert _told(_events(("RECEIVED", _a(1)), ("COMPLETED", {"msg_id": 7}))) == ["1 COMPLETED"]


def test_a_second_end_of_an_attempt_is_a_line_of_its_own() -> None:
    told = _told(_events(("RECEIVED", _a(1)), ("COMPLETED", _a(1)), ("COMPLETED", _a(1))))
    assert told == ["1 COMPLETED", "COMPLETED"]


def test_an_attempt_knows_how_long_it_worked_and_when_the_next_is_due() -> None:
    (entry,) = build(_events(("RECEIVED", _a(1)), ("FAILED", _a(1, delay_ms=500))))
    assert entry.attempt is not None
    assert entry.attempt.milliseconds == 1000
    assert entry.attempt.due == START + timedelta(seconds=1.5)


def test_a_command_took_from_its_sending_to_its_end_and_late_ends_do_not_count() -> None:
    events = _events(("SENT", {}), ("RECEIVED", _a(1)), ("COMPLETED", _a(1)), ("LATE_COMPLETED", _a(2)))
    assert milliseconds_to_end(events) == 2000
    assert milliseconds_to_end(events[:2]) is None


def test_after_an_operators_retry_the_clock_starts_again() -> None:
    events = _events(
        ("SENT", {}), ("MOVED_TO_TSQ", _a(1)), ("OPERATOR_RETRY", {}), ("RECEIVED", _a(1)), ("COMPLETED", _a(1))
    )
    assert milliseconds_to_end(events) == 2000
