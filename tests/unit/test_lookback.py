"""commands/worker/lookback.py: how far a worker looks back."""

from commands.worker.lookback import Mark


def test_the_first_look_is_at_all_messages() -> None:
    assert Mark().after() == 0


def test_after_a_slow_full_look_only_later_messages_are_looked_at_for_twenty_times_as_long() -> None:
    mark = Mark()
    mark.looked(0, 700, 60.0)
    assert mark.after() == 700
    assert 1190 < mark.until_full_look() <= 1200


def test_later_looks_move_the_mark_on_and_do_not_put_the_next_full_look_off() -> None:
    mark = Mark()
    mark.looked(0, 700, 60.0)
    before = mark.until_full_look()
    mark.looked(700, 900, 60.0)
    assert mark.after() == 900
    assert mark.until_full_look() <= before


def test_where_a_full_look_costs_nothing_each_look_is_a_full_one() -> None:
    mark = Mark()
    mark.looked(0, 700, 0.0)
    assert (mark.after(), mark.until_full_look()) == (0, 0.0)
