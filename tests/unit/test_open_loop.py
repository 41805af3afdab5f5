"""bench/open_loop.py: what is due is handed out once, in order, not too early, and whatever the receiver does."""

import time
from itertools import chain, pairwise
from threading import Event, Timer

import pytest

from bench.open_loop import AT_ONCE, Chunk, Schedule


def numbers(chunks: list[Chunk]) -> list[int]:
    return list(chain.from_iterable(chunk.numbers for chunk in chunks))


def test_an_item_is_due_when_the_rate_says() -> None:
    schedule = Schedule(rate=50, count=100)
    assert [schedule.due_s(number) for number in (0, 1, 50, 100)] == [0.0, 0.02, 1.0, 2.0]


@pytest.mark.parametrize("rate", [200.0, 333.3, 7_919.0, 100_000.0])
def test_each_item_comes_once_in_its_order_and_none_before_it_is_due(rate: float) -> None:
    schedule = Schedule(rate=rate, count=40)
    chunks = list(schedule.chunks())
    assert numbers(chunks) == list(range(40))
    for chunk in chunks:
        assert len(chunk.numbers) > 0
        assert schedule.due_s(chunk.numbers[-1]) <= chunk.at_s + 1e-9


def test_what_falls_due_while_the_receiver_is_busy_comes_with_the_next_chunk() -> None:
    schedule = Schedule(rate=1000, count=200)
    chunks = schedule.chunks()
    next(chunks)
    time.sleep(0.1)  # a receiver that stalls
    late = next(chunks)
    assert late.at_s >= 0.1
    assert late.numbers[-1] >= 100, "all of those 100 ms are there, and their latencies count from when they were due"


def test_a_stalled_receiver_does_not_move_what_comes_after() -> None:
    schedule = Schedule(rate=500, count=100)
    began = time.monotonic()
    for chunk in schedule.chunks():
        if chunk.numbers[0] == 0:
            time.sleep(0.08)
    took = time.monotonic() - began
    assert took >= schedule.due_s(99)
    assert took < 2, "it catches up; it does not begin anew"


def test_a_schedule_that_lies_far_behind_sends_no_more_at_once_than_it_may() -> None:
    chunks = list(Schedule(rate=1e9, count=5_000).chunks())
    assert numbers(chunks) == list(range(5_000))
    assert {len(chunk.numbers) for chunk in chunks[1:-1]} == {AT_ONCE}
    small = list(Schedule(rate=1e9, count=10, at_once=4).chunks())
    assert max(len(chunk.numbers) for chunk in small) == 4


def test_chunks_begin_a_pause_apart() -> None:
    chunks = list(Schedule(rate=2_000, count=200, pause_s=0.02).chunks())
    assert numbers(chunks) == list(range(200))
    for earlier, later in pairwise(chunks):
        assert later.at_s - earlier.at_s >= 0.02
    assert len(chunks) <= 6, "100 ms of commands in chunks of 20 ms"


def test_a_stop_ends_it_between_two_chunks() -> None:
    stop = Event()
    chunks = Schedule(rate=100, count=1_000).chunks(stop)
    first = next(chunks)
    stop.set()
    assert list(chunks) == []
    assert len(first.numbers) >= 1


def test_a_stop_ends_a_wait_for_what_is_due_in_an_hour() -> None:
    stop = Event()
    chunks = Schedule(rate=1 / 3600, count=2).chunks(stop)
    assert next(chunks).numbers == range(1)
    Timer(0.05, stop.set).start()
    began = time.monotonic()
    assert list(chunks) == []
    assert time.monotonic() - began < 10


def test_nothing_to_send_is_no_chunk() -> None:
    assert list(Schedule(rate=10, count=0).chunks()) == []
