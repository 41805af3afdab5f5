"""What the benchmark makes of commands that were offered at a rate."""

from uuid import UUID, uuid4

import pytest

from bench.benchmark.openloop import Offered, judge

RATE, SECONDS = 100, 20


def offered(latency_s: float, *, slower_by: float = 0.0, behind_s: float = 0.0) -> Offered:
    """Commands each of which ends so long after it was due, later ones by ``slower_by`` seconds a second more."""
    ids = [uuid4() for _ in range(RATE * SECONDS)]
    ended: dict[UUID, float] = {one: number / RATE * (1 + slower_by) + latency_s for number, one in enumerate(ids)}
    return judge(RATE, ids, [0.0] * len(ids), ended, behind_s)


def test_a_latency_counts_from_the_moment_a_command_was_due() -> None:
    steady = offered(0.05)
    assert steady.latencies == pytest.approx([50.0] * len(steady.latencies))


def test_the_first_three_seconds_are_not_counted() -> None:
    assert len(offered(0.05).latencies) == RATE * (SECONDS - 3)


def test_a_rate_that_is_worked_off_as_it_comes_is_sustained() -> None:
    steady = offered(0.05)
    assert steady.growth == pytest.approx(0.0, abs=0.5)
    assert steady.sustained(100)


def test_a_rate_whose_latency_is_too_long_is_not_sustained() -> None:
    assert not offered(0.15).sustained(100)


def test_a_rate_at_which_the_backlog_grows_is_not_sustained() -> None:
    growing = offered(0.0, slower_by=0.05)
    assert growing.growth == pytest.approx(0.05 / 1.05 * RATE, rel=0.1)
    assert not growing.sustained(1_000_000)


def test_a_rate_that_was_not_offered_is_not_sustained_whatever_came_of_it() -> None:
    assert not offered(0.01, behind_s=2.0).sustained(100)
