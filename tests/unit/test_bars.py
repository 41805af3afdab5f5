"""Attempts as bars over time."""

from datetime import UTC, datetime, timedelta
from typing import Any

from commands.rules.bars import MOST_ROWS, WIDTH, Bars, Lease, bars
from commands.rules.timeline import Attempt, Event

START = datetime(2026, 1, 1, tzinfo=UTC)
UNKNOWN = Lease(length=None)


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def attempt(number: int, started: float, ended: float | None = None, **details: Any) -> Attempt:
    kind = "FAILED" if "delay_ms" in details else "COMPLETED"
    end = None if ended is None else Event(event_type=kind, ts=at(ended), details=details)
    return Attempt(number=number, max_attempts=3, msg_id=7, started=at(started), end=end)


def pieces(drawn: Bars | None, row: int) -> list[tuple[str, str]]:
    assert drawn is not None
    return [(piece.kind, piece.title) for piece in drawn.rows[row].pieces]


def test_without_attempts_there_is_nothing_to_draw() -> None:
    assert bars([], sent=START, now=START, lease=UNKNOWN) is None


def test_waiting_work_backoff_and_lease_lie_one_after_the_other() -> None:
    story = [attempt(1, 1, 2, delay_ms=3000), attempt(2, 6, 10)]
    drawn = bars(story, sent=START, now=at(99), lease=Lease(length=timedelta(seconds=2)))
    assert pieces(drawn, 0) == [
        ("waits", "Waited 1 s for a worker"), ("lease", "Lease: 2 s"), ("works", "Attempt 1: 1 s"),
        ("backoff", "Backoff: 3 s"),
    ]  # fmt: skip
    assert pieces(drawn, 1) == [
        ("waits", "Waited 1 s for a worker"), ("lease", "Lease: 2 s"), ("works", "Attempt 2: 4 s"),
    ]  # fmt: skip
    assert drawn is not None
    assert drawn.description == "waited 1 s, Attempt 1: 1 s, backoff 3 s; waited 1 s, Attempt 2: 4 s"
    waits, lease, works, backoff = drawn.rows[0].pieces
    assert (waits.x + waits.width, works.x + works.width) == (works.x, backoff.x)
    assert (lease.x, round(lease.width, 0)) == (works.x, round(works.width * 2, 0))
    assert [tick.label for tick in drawn.ticks] == ["0 ms", "2 s", "4 s", "6 s", "8 s", "10 s"]
    last = drawn.rows[1].pieces[-1]
    assert last.x + last.width == drawn.right < WIDTH


def test_an_attempt_that_runs_is_drawn_to_now_and_its_lease_to_where_the_queue_says() -> None:
    running = attempt(1, 0)
    drawn = bars([running], sent=START, now=at(3), lease=Lease(length=None, until=at(30)))
    assert pieces(drawn, 0) == [("lease", "Lease: 30 s"), ("works", "Attempt 1: no end yet")]
    assert drawn is not None
    lease, works = drawn.rows[0].pieces
    assert round(works.width / lease.width, 2) == 0.1
    assert drawn.leases


def test_an_attempt_of_which_nothing_was_heard_is_drawn_to_the_one_that_followed() -> None:
    lost = attempt(1, 0)
    lost.overtaken = True
    drawn = bars([lost, attempt(2, 2, 4)], sent=START, now=at(60), lease=UNKNOWN)
    assert pieces(drawn, 0) == [("works", "Attempt 1: no end is known")]
    assert drawn is not None
    assert (drawn.rows[0].pieces[0].x, drawn.rows[0].pieces[0].width) == (drawn.left, (drawn.right - drawn.left) / 2)
    assert not drawn.leases


def test_a_moment_can_be_seen_and_times_that_go_backwards_harm_nothing() -> None:
    for story in ([attempt(1, 0, 0)], [attempt(1, 0, -5)], [attempt(1, -9, 0, delay_ms=10), attempt(2, -10, -4)]):
        drawn = bars(story, sent=START, now=START, lease=Lease(length=timedelta(seconds=1), until=at(-20)))
        assert drawn is not None
        assert all(piece.width >= 2 and piece.x >= drawn.left for row in drawn.rows for piece in row.pieces)


def test_of_many_attempts_the_newest_are_drawn() -> None:
    drawn = bars([attempt(n, n, n + 0.5) for n in range(100)], sent=START, now=at(200), lease=UNKNOWN)
    assert drawn is not None
    assert [row.label for row in drawn.rows] == [str(n) for n in range(100 - MOST_ROWS, 100)]
    assert drawn.left_out == 80
