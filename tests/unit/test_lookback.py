"""commands/worker/lookback.py: how far a worker looks back."""

import pytest

from commands.worker.lookback import Lookback


def test_the_first_look_is_at_all_messages() -> None:
    assert Lookback().after() == 0


@pytest.mark.parametrize(("held", "share"), [(False, 20), (True, 5)])
def test_after_a_slow_sweep_only_later_messages_are_looked_at_for_many_times_as_long(held: bool, share: int) -> None:
    lookback = Lookback()
    lookback.looked(700, 60.0, held=held, through=True)
    assert lookback.after() == 700
    assert share * 60 - 10 < lookback.until_sweep() <= share * 60


def test_later_looks_move_the_mark_on_and_do_not_put_the_next_sweep_off() -> None:
    lookback = Lookback()
    lookback.looked(700, 60.0, held=False, through=True)
    before = lookback.until_sweep()
    lookback.looked(900, 60.0, held=True, through=True)
    assert lookback.after() == 900
    assert lookback.until_sweep() <= before


def test_where_a_sweep_costs_nothing_each_look_begins_one() -> None:
    lookback = Lookback()
    lookback.looked(700, 0.0, held=False, through=True)
    assert (lookback.after(), lookback.until_sweep()) == (0, 0.0)


def test_a_sweep_that_found_nothing_to_take_goes_on_where_it_ended_and_counts_as_a_whole() -> None:
    lookback = Lookback()
    for last in (100, 200, 300):
        lookback.looked(last, 10.0, held=True, through=False)
        assert lookback.after() == last
    lookback.looked(310, 10.0, held=False, through=True)
    assert lookback.after() == 310
    assert 190 < lookback.until_sweep() <= 200


def test_a_sweep_can_be_begun_at_once() -> None:
    lookback = Lookback()
    lookback.looked(700, 60.0, held=False, through=True)
    lookback.start_again()
    assert lookback.after() == 0
