"""bench/figures.py: medians, percentiles, slopes and ratios."""

import pytest

from bench.figures import Figure, percentile, ratios, slope


def test_a_figure_is_the_median_with_the_lowest_and_the_highest() -> None:
    assert Figure.of([30.0, 10.0, 20.0]) == Figure(median=20.0, low=10.0, high=30.0, count=3)


def test_the_median_of_an_even_number_lies_between_the_middle_two() -> None:
    assert Figure.of([1.0, 2.0, 4.0, 8.0]).median == 3.0


def test_no_values_make_no_figure_and_no_percentile() -> None:
    with pytest.raises(ValueError, match="at least one"):
        Figure.of([])
    with pytest.raises(ValueError, match="at least one"):
        percentile([], 50)


@pytest.mark.parametrize(("percent", "expected"), [(1, 1.99), (50, 50.5), (95, 95.05), (99, 99.01)])
def test_a_percentile_lies_between_two_values_in_proportion(percent: int, expected: float) -> None:
    assert percentile([float(n) for n in range(100, 0, -1)], percent) == pytest.approx(expected)


def test_a_percentile_that_falls_on_a_value_is_that_value() -> None:
    assert [percentile([4.0, 1.0, 3.0, 2.0, 5.0], percent) for percent in (25, 50, 75)] == [2.0, 3.0, 4.0]


def test_one_value_is_every_percentile_of_itself() -> None:
    assert {percentile([7.0], percent) for percent in (1, 50, 99)} == {7.0}


def test_percentiles_grow_with_their_share_and_stay_among_the_values() -> None:
    values = [float(number * 37 % 101) ** 2 for number in range(57)]
    found = [percentile(values, percent) for percent in range(1, 100)]
    assert found == sorted(found)
    assert min(values) <= found[0] <= found[-1] <= max(values)


def test_the_order_of_the_values_does_not_matter_and_stays() -> None:
    values = [3.0, 1.0, 2.0]
    assert percentile(values, 50) == 2.0
    assert values == [3.0, 1.0, 2.0]


def test_a_slope_is_how_fast_y_grows() -> None:
    assert slope([(0.0, 5.0), (1.0, 7.0), (2.0, 9.0)]) == pytest.approx(2.0)
    assert slope([(10.0, 3.0), (12.0, 2.0)]) == pytest.approx(-0.5)


def test_what_swings_round_one_value_has_no_slope() -> None:
    assert slope([(float(x), 10.0 + (-1) ** x) for x in range(200)]) == pytest.approx(0.0, abs=0.01)


@pytest.mark.parametrize("points", [[], [(1.0, 5.0)], [(1.0, 5.0), (1.0, 9.0)]], ids=["none", "one", "one x"])
def test_where_x_does_not_vary_there_is_no_slope(points: list[tuple[float, float]]) -> None:
    assert slope(points) == 0.0


def test_ratios_go_round_by_round_and_leave_out_what_has_no_partner() -> None:
    assert ratios([10.0, 30.0, 50.0], [5.0, 10.0]) == [2.0, 3.0]


def test_a_ratio_to_nothing_is_left_out() -> None:
    assert ratios([10.0, 30.0], [0.0, 10.0]) == [3.0]
