"""Medians, percentiles, slopes and ratios of the benchmark."""

import pytest

from bench.benchmark.figures import Figure, percentile, ratios, slope


def test_a_figure_is_the_median_with_the_lowest_and_the_highest() -> None:
    assert Figure.of([30.0, 10.0, 20.0]) == Figure(median=20.0, low=10.0, high=30.0, count=3)


def test_the_median_of_an_even_number_lies_between_the_middle_two() -> None:
    assert Figure.of([1.0, 2.0, 4.0, 8.0]).median == 3.0


def test_no_values_make_no_figure() -> None:
    with pytest.raises(ValueError, match="at least one"):
        Figure.of([])


@pytest.mark.parametrize(("share", "expected"), [(0.5, 50), (0.99, 99), (1.0, 100), (0.0, 1)])
def test_a_percentile_is_the_smallest_value_that_so_many_do_not_exceed(share: float, expected: int) -> None:
    assert percentile([float(n) for n in range(100, 0, -1)], share) == expected


def test_a_percentile_of_few_values_is_the_worst_of_them() -> None:
    assert percentile([1.0, 2.0, 300.0], 0.99) == 300.0


def test_a_slope_is_how_fast_y_grows() -> None:
    assert slope([(0.0, 5.0), (1.0, 7.0), (2.0, 9.0)]) == pytest.approx(2.0)


def test_what_swings_round_one_value_has_no_slope() -> None:
    assert slope([(float(x), 10.0 + (-1) ** x) for x in range(200)]) == pytest.approx(0.0, abs=0.01)


def test_one_point_has_no_slope() -> None:
    assert slope([(1.0, 5.0)]) == 0.0


def test_ratios_go_round_by_round_and_leave_out_what_has_no_partner() -> None:
    assert ratios([10.0, 30.0, 50.0], [5.0, 10.0]) == [2.0, 3.0]
