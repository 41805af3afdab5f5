"""bench/benchmark/offer.py and the search on it: what a benchmark makes of commands that were offered at a rate."""

from collections.abc import Callable
from uuid import UUID, uuid4

import pytest

from bench.benchmark.cases.rate import search
from bench.benchmark.offer import Offered, judge
from bench.errors import BenchError

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


def test_of_a_short_offer_a_quarter_is_not_counted() -> None:
    ids = [uuid4() for _ in range(RATE)]
    short = judge(RATE, ids, [float(n) for n in range(RATE)], dict.fromkeys(ids, 0.5), 0.0)
    assert len(short.latencies) == RATE * 3 // 4
    assert short.send_delays == [float(n) for n in range(RATE // 4, RATE)], "delays of the same commands"


def test_commands_may_end_in_another_order_than_they_were_due() -> None:
    ids = [uuid4() for _ in range(8)]
    ended = {one: 1.0 - number / 100 for number, one in enumerate(ids)}
    assert judge(10, ids, [0.0] * 8, ended, 0.0).latencies == pytest.approx(
        [(0.98 - 0.2) * 1000 - 110 * number for number in range(6)]
    )


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


def system(capacity: float, *, most_offered: float = float("inf")) -> tuple[Callable[[int], Offered], list[int]]:
    """A system that keeps up so many a second, with a sender that offers no more than it can; and what it was asked."""
    asked: list[int] = []

    def offered_at(rate: int) -> Offered:
        asked.append(rate)
        return Offered(
            rate=rate,
            latencies=[20.0],
            send_delays=[0.0],
            growth=max(0.0, rate - capacity),
            behind_s=5.0 if rate > most_offered else 0.0,
        )

    return offered_at, asked


def test_the_highest_rate_is_searched_for_upwards_and_then_between_two() -> None:
    offered_at, asked = system(2_000)
    kept, failed = search(offered_at, first=1_000, halvings=3)
    assert asked == [1_000, 1_500, 2_250, 1_875, 2_062, 1_968]
    assert (kept.rate, failed.rate) == (1_968, 2_062)


def test_a_first_rate_that_is_too_high_is_halved_until_one_is_kept_up() -> None:
    offered_at, asked = system(300)
    kept, failed = search(offered_at, first=2_000, halvings=0)
    assert asked == [2_000, 1_000, 500, 250]
    assert (kept.rate, failed.rate) == (250, 500)


def test_more_halvings_bring_the_two_nearer() -> None:
    for halvings in (1, 4, 8):
        offered_at, _ = system(2_000)
        kept, failed = search(offered_at, first=1_000, halvings=halvings)
        assert kept.rate <= 2_020 < failed.rate, "a backlog may grow by a hundredth of the rate"
        assert failed.rate - kept.rate <= 750 / 2**halvings + 1


def test_a_sender_that_cannot_offer_more_ends_the_search_too() -> None:
    offered_at, _ = system(1e9, most_offered=4_000)
    kept, failed = search(offered_at, first=3_000, halvings=2)
    assert kept.rate <= 4_000
    assert not failed.valid


def test_where_nothing_is_kept_up_the_search_ends_with_an_error() -> None:
    offered_at, asked = system(0)
    with pytest.raises(BenchError, match="Not even 62 commands/s can be kept up"):
        search(offered_at, first=500, halvings=3)
    assert asked == [500, 250, 125, 62]
