"""bench/benchmark/measures.py and targets.py: what the figures to reach look at."""

import pytest

from bench.benchmark.cases import CASES
from bench.benchmark.measures import Measure, best, highest, of, ratio, ratio_of_medians, seconds_for
from bench.benchmark.results import Results
from bench.benchmark.targets import TARGETS, decidable, needed
from bench.benchmark.verdicts import Side
from tests.support.measured import measured

A, B = of("a", "x"), of("a", "y")


def results_of(x: list[float] | None = None, y: list[float] | None = None, *, name: str = "a") -> Results:
    return {name: measured(name, {key: found for key, found in (("x", x), ("y", y)) if found is not None})}


# -- measures --------------------------------------------------------------------------------------------------------


def test_a_metric_has_the_values_of_its_case() -> None:
    assert A.values(results_of([1.0, 2.0])) == [1.0, 2.0]
    assert A.needs == {"a"}


@pytest.mark.parametrize(
    "measure",
    [A, ratio(A, B), ratio_of_medians(A, B), best(A, B), highest(A), seconds_for("a", of("b", "x"))],
    ids=["of", "ratio", "ratio of medians", "best", "highest", "seconds for"],
)
@pytest.mark.parametrize(
    "results", [{}, results_of(), results_of(name="b")], ids=["no case", "no metric", "another case"]
)
def test_what_was_not_measured_has_no_values_and_is_no_error(measure: Measure, results: Results) -> None:
    assert measure.values(results) == []


def test_a_ratio_is_made_in_each_round_and_needs_both_cases() -> None:
    across = ratio(A, of("b", "x"))
    assert across.needs == {"a", "b"}
    assert across.values({**results_of([6.0, 9.0]), **results_of([2.0, 3.0], name="b")}) == [3.0, 3.0]


def test_a_ratio_has_as_many_rounds_as_the_shorter_of_the_two() -> None:
    assert ratio(A, B).values(results_of([6.0, 9.0, 12.0], [2.0])) == [3.0]


def test_the_best_of_several_leaves_out_what_was_not_results_of() -> None:
    assert best(A, B).values(results_of(None, [1.0])) == [1.0]
    assert best(A, of("b", "x")).needs == {"a", "b"}


def test_one_bad_round_does_not_make_another_the_best() -> None:
    assert best(A, B).values(results_of([9.0, 9.0, 1.0], [5.0, 5.0, 50.0])) == [9.0, 9.0, 1.0]


def test_a_ratio_of_medians_is_one_number_however_often_each_was_results_of() -> None:
    assert ratio_of_medians(A, B).values(results_of([1.0, 8.0, 9.0], [2.0, 6.0])) == [2.0]


def test_the_time_for_a_case_follows_from_its_size_and_every_rate() -> None:
    assert seconds_for("a", of("a", "x")).values(results_of([50.0, 200.0])) == [2.0, 0.5]


def test_a_limit_for_every_round_looks_at_the_highest() -> None:
    assert highest(A).values(results_of([90.0, 151.0, 80.0])) == [151.0]


# -- targets ---------------------------------------------------------------------------------------------------------


def test_every_target_looks_at_metrics_that_a_case_records() -> None:
    everything: Results = {}
    for name, one in CASES.items():
        everything[name] = measured(name, {metric: [1.0] for metric in one.metrics})
    for target in TARGETS:
        assert target.measure.values(everything), target.text
        assert target.ceiling is None or target.ceiling.values(everything), target.text


def test_every_target_is_watched_where_it_says() -> None:
    for target in TARGETS:
        if target.resource is not None:
            case, metric = target.resource
            assert case in target.needs
            assert metric.endswith(":busy")


def test_no_two_targets_have_one_text() -> None:
    assert len({target.text for target in TARGETS}) == len(TARGETS)


def test_a_ratio_has_no_ceiling_but_for_the_one_that_has_a_floor() -> None:
    for target in TARGETS:
        if target.unit == "x":
            assert (target.ceiling is None) == (target.floor is None), target.text


def test_a_target_with_a_ceiling_tells_what_the_processors_did_meanwhile() -> None:
    assert all(target.resource for target in TARGETS if target.ceiling)


def test_a_floor_is_on_the_far_side_of_its_limit() -> None:
    for target in TARGETS:
        if target.floor is not None:
            assert target.side is Side.AT_LEAST
            assert target.floor < target.limit


def test_what_decides_runs_by_name() -> None:
    assert needed() < set(CASES)
    assert "processes" not in needed(), "other shapes of work are measured and not judged"


def test_targets_are_decided_only_where_all_their_cases_ran() -> None:
    assert decidable(needed()) == list(TARGETS)
    assert decidable(CASES) == list(TARGETS)
    assert [target.text for target in decidable(["million"])] == ["Send 1,000,000: memory of the sender"]
    assert decidable([]) == []


def test_a_target_that_has_a_ceiling_is_decided_with_it() -> None:
    assert "Send 1,000,000" in {target.text for target in decidable(["million", "send"])}
