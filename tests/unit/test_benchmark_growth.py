"""bench/benchmark/cases/growth.py: the points of its chart."""

import pytest

from bench.benchmark.cases.growth import Part, course


def test_each_slice_is_a_point_at_what_had_been_worked_off_and_each_fresh_drain_one_after_its_part() -> None:
    parts = [
        Part(commands=250, seconds=2.5, slices=[1.0, 0.5]),
        Part(commands=150, seconds=1.0, slices=[2.0]),
    ]
    assert course(parts, [90.0, 80.0], size=100) == {
        "slices": [(100, 100.0), (200, 200.0), (350, 50.0)],
        "fresh": [(250, 90.0), (400, 80.0)],
    }


def test_a_part_that_ended_before_a_slice_was_full_has_none() -> None:
    parts = [Part(commands=99, seconds=1.0, slices=[])]
    assert course(parts, [90.0], size=100) == {"slices": [], "fresh": [(99, 90.0)]}


def test_a_part_without_its_fresh_drain_is_a_mistake() -> None:
    with pytest.raises(ValueError, match="zip"):
        course([Part(commands=1, seconds=1.0, slices=[])], [], size=1)
