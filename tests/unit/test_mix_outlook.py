"""commands/forms/mix_outlook.py: shares, and where the commands of a mix end."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from commands.forms.mix_outlook import ends, percent, shares_of
from commands.rules.words import Status

weights = st.lists(st.just(0.0) | st.floats(0.001, 1_000_000), min_size=1, max_size=6).filter(any)
kinds = st.sampled_from([[Status.COMPLETED], [Status.FAILED], [Status.COMPLETED, Status.IN_TROUBLESHOOTING_QUEUE]])


@pytest.mark.parametrize(
    ("share", "text"),
    [(0, "0 %"), (0.004, "< 0.01 %"), (0.5, "0.5 %"), (33.3333, "33.33 %"), (70.0, "70 %"), (100, "100 %")],
)
def test_a_share_is_as_short_as_it_can_be(share: float, text: str) -> None:
    assert percent(share) == text


@given(weights, st.booleans())
def test_shares_make_a_whole_and_what_has_no_weight_has_none(found: list[float], in_turn: bool) -> None:
    shares = shares_of(found, in_turn=in_turn)
    assert sum(shares) == pytest.approx(100)
    assert [share > 0 for share in shares] == [weight > 0 for weight in found]


@given(st.lists(kinds, min_size=1, max_size=6), st.integers(0, 1_000_000))
def test_in_turn_the_ends_are_exact(found: list[list[Status]], count: int) -> None:
    shares = shares_of([1] * len(found), in_turn=True)
    listed = ends(zip(found, shares, strict=True), count, in_turn=True)
    assert sum(end.count.value for end in listed) == count
    assert {end.count.mark for end in listed} == {""}


def test_drawn_ends_are_about_and_most_come_first() -> None:
    found = ends([([Status.FAILED], 20), ([Status.COMPLETED], 50), ([Status.COMPLETED], 30)], 1000, in_turn=False)
    assert [(end.statuses, str(end.count)) for end in found] == [
        ((Status.COMPLETED,), "≈ 800"),
        ((Status.FAILED,), "≈ 200"),
    ]
