"""A command's events as a story, attempt by attempt."""

from datetime import UTC, datetime, timedelta
from typing import Any

from commands.rules.ends import Took, took
from commands.rules.timeline import (
    LATE_ENDS_AWAITED,
    LONGEST_AWAITED,
    Attempt,
    Event,
    WorkerSeen,
    attempts,
    await_ends,
    build,
)

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


def test_the_librarys_completed_names_no_attempt_and_ends_the_only_one_that_is_open() -> None:
    assert _told(_events(("RECEIVED", _a(1)), ("COMPLETED", {"msg_id": 7}))) == ["1 COMPLETED"]


def test_where_attempts_overlap_the_librarys_completed_ends_the_one_whose_work_it_fits() -> None:
    overrun = _events(  # one event a second: each attempt works 3 s
        *[("RECEIVED", _a(number)) for number in (1, 2, 3)], *[("COMPLETED", {"msg_id": 7})] * 3
    )
    story = build(overrun, work=timedelta(seconds=3))
    assert [attempt.milliseconds for attempt in attempts(story)] == [3000, 3000, 3000]
    # The worker of the first died; the second took no time.
    died = _events(("RECEIVED", _a(1)), ("SENT", {}), ("RECEIVED", _a(2)), ("COMPLETED", {"msg_id": 7}))
    newest, oldest = attempts(build(died, work=timedelta()))
    assert (newest.milliseconds, oldest.end) == (1000, None)


def test_an_end_that_fits_no_attempt_is_a_line_of_its_own() -> None:
    told = _told(_events(("RECEIVED", _a(1)), ("RECEIVED", _a(2)), ("COMPLETED", {"msg_id": 7})))
    assert told == ["1 overtaken", "2 runs", "COMPLETED"]
    assert _told(_events(("COMPLETED", {"msg_id": 7}))) == ["COMPLETED"]


def test_an_attempt_before_a_lost_one_says_so_names_its_worker_and_whether_it_was_alone() -> None:
    story = attempts(
        build(
            _events(
                ("RECEIVED", _a(1)),
                ("RECEIVED", _a(2, worker="w2", alone=True)),
            )
        )
    )
    assert [(attempt.worker_id, attempt.lost, attempt.alone) for attempt in story] == [
        ("w2", False, True),
        ("", True, False),
    ]


def test_an_attempt_that_was_overtaken_is_lost_where_its_worker_is_gone() -> None:
    def lost(worker: WorkerSeen | None) -> list[bool]:
        story = attempts(build(_events(*[("RECEIVED", _a(number, worker="w")) for number in (1, 2)])))
        for attempt in story:
            attempt.worker = worker
        return [attempt.lost for attempt in story]

    assert lost(None) == lost(WorkerSeen(name="a:1", alive=False)) == [False, True]
    assert lost(WorkerSeen(name="a:1", alive=True)) == [False, False]
    assert not any(attempt.lost for attempt in attempts(build(_events(("RECEIVED", _a(1)), ("RECEIVED", _a(2))))))


def test_details_that_are_not_what_they_should_be_harm_nothing() -> None:
    odd = {"attempt": "x", "msg_id": [], "max_attempts": 1e300, "delay_ms": "soon", "worker": None, "alone": "no"}
    story = build(_events(("RECEIVED", odd), ("FAILED", odd), ("FAILED", {"attempt": float("nan"), "delay_ms": 1e300})))
    assert all(attempt.due is None and attempt.number == 0 for attempt in attempts(story))


# -- whether more may come -------------------------------------------------------------------------------------------


def _awaited(
    attempt: Attempt, *, seconds: float, worker: WorkerSeen | None = None, work: timedelta | None = None
) -> bool:
    attempt.worker = worker
    (entry,) = [entry for entry in build(_events(("RECEIVED", _a(1)))) if entry.attempt]
    entry.attempt = attempt
    return await_ends([entry], now=START + timedelta(seconds=seconds), changed=START, work=work)


def test_an_end_is_awaited_while_its_worker_lives_and_for_a_while_after_its_work() -> None:
    minute, day = LATE_ENDS_AWAITED.total_seconds(), LONGEST_AWAITED.total_seconds()
    alive, gone = WorkerSeen(name="a:1", alive=True), WorkerSeen(name="a:1", alive=False)

    def open_attempt(**more: Any) -> Attempt:
        return Attempt(number=1, max_attempts=3, msg_id=7, started=START, overtaken=True, **more)

    assert _awaited(open_attempt(), seconds=minute - 1)
    assert not _awaited(open_attempt(), seconds=minute)
    assert _awaited(open_attempt(), seconds=minute + 9, work=timedelta(seconds=10))
    assert not _awaited(open_attempt(), seconds=minute + 10, work=timedelta(seconds=10))
    assert _awaited(open_attempt(), seconds=day - 1, worker=alive)
    assert not _awaited(open_attempt(), seconds=day, worker=alive)
    assert not _awaited(open_attempt(), seconds=minute, worker=gone)
    assert not _awaited(open_attempt(told_lost=True), seconds=1)
    assert not _awaited(open_attempt(end=Event(event_type="FAILED", ts=START, details={})), seconds=1, worker=alive)


def test_a_second_end_of_an_attempt_is_a_line_of_its_own() -> None:
    told = _told(_events(("RECEIVED", _a(1)), ("COMPLETED", _a(1)), ("COMPLETED", _a(1))))
    assert told == ["1 COMPLETED", "COMPLETED"]


def test_an_attempt_knows_how_long_it_worked_and_when_the_next_is_due() -> None:
    (entry,) = build(_events(("RECEIVED", _a(1)), ("FAILED", _a(1, delay_ms=500))))
    assert entry.attempt is not None
    assert entry.attempt.milliseconds == 1000
    assert entry.attempt.due == START + timedelta(seconds=1.5)


# -- how long it took ------------------------------------------------------------------------------------------------


def test_a_command_took_from_its_sending_to_its_end_and_late_ends_do_not_count() -> None:
    events = _events(("SENT", {}), ("RECEIVED", _a(1)), ("COMPLETED", _a(1)), ("LATE_COMPLETED", _a(2)))
    assert took(events) == Took(milliseconds=2000, retried=False, whole=2000)
    assert took(events[:2]) is None
    assert took(events[1:]) is None


def test_after_an_operators_retry_the_clock_starts_again() -> None:
    events = _events(
        ("SENT", {}), ("MOVED_TO_TSQ", _a(1)), ("OPERATOR_RETRY", {}), ("RECEIVED", _a(1)), ("COMPLETED", _a(1))
    )
    assert took(events) == Took(milliseconds=2000, retried=True, whole=4000)
    assert took(events[1:]) == Took(milliseconds=2000, retried=True, whole=None)
    assert took(events[:4]) is None


def test_it_ended_when_an_operator_ended_it_and_at_the_first_of_ends_alike() -> None:
    operator = _events(("SENT", {}), ("MOVED_TO_TSQ", _a(1)), ("OPERATOR_CANCEL", {}))
    assert took(operator) == Took(milliseconds=2000, retried=False, whole=2000)
    library = _events(("SENT", {}), *[("COMPLETED", {"msg_id": 7})] * 3)
    assert took(library) == Took(milliseconds=1000, retried=False, whole=1000)
