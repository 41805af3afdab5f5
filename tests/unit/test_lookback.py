"""commands/worker/lookback.py: how far a worker looks back."""

from commands.worker.lookback import Lookback


def test_the_first_look_is_at_all_messages() -> None:
    assert Lookback().after() == 0


def test_after_a_slow_full_look_only_later_messages_are_looked_at_for_twenty_times_as_long() -> None:
    lookback = Lookback()
    lookback.looked(0, 700, 60.0)
    assert lookback.after() == 700
    assert 1190 < lookback.until_full_look() <= 1200


def test_later_looks_move_the_mark_on_and_do_not_put_the_next_full_look_off() -> None:
    lookback = Lookback()
    lookback.looked(0, 700, 60.0)
    before = lookback.until_full_look()
    lookback.looked(700, 900, 60.0)
    assert lookback.after() == 900
    assert lookback.until_full_look() <= before


def test_where_a_full_look_costs_nothing_each_look_is_a_full_one() -> None:
    lookback = Lookback()
    lookback.looked(0, 700, 0.0)
    assert (lookback.after(), lookback.until_full_look()) == (0, 0.0)
