"""When a figure to reach is OK, BOUND or MISSED."""

import pytest

from bench.benchmark.cases import CASES
from bench.benchmark.measures import best, highest, of, ratio, ratio_of_medians, seconds_for
from bench.benchmark.results import Result, Results
from bench.benchmark.targets import TARGETS, decidable, needed
from bench.benchmark.verdicts import Side, Target, Word, judge


def results_of(**cases: dict[str, list[float]]) -> Results:
    return {
        name: Result(
            case=name,
            measured_at="2030-01-01T00:00:00+00:00",
            runs=3,
            quick=False,
            sizes={"commands": 1000},
            values=values,
            environment={"ceiling_by": "pgbench", "fdatasync_ms": [0.5, 2.0]},
        )
        for name, values in cases.items()
    }


FAST = Target(
    text="drain",
    measure=of("drain", "native"),
    side=Side.AT_LEAST,
    limit=12_000,
    unit="commands/s",
    digits=0,
    ceiling=of("drain", "ceiling"),
    resource=("drain", "ceiling:busy"),
)
TIMES = Target(
    text="over the library",
    measure=ratio(of("drain", "native"), of("drain", "library")),
    side=Side.AT_LEAST,
    limit=15,
    ceiling=ratio(of("drain", "ceiling"), of("drain", "library")),
    floor=10,
)
SHARE = Target(text="share", measure=ratio(of("a", "x"), of("a", "y")), side=Side.AT_LEAST, limit=0.8)
LATENCY = Target(
    text="p99", measure=of("a", "p99"), side=Side.AT_MOST, limit=100, unit="ms", ceiling=of("a", "ceiling-p99")
)


def test_a_median_that_reaches_the_limit_is_ok_whatever_single_rounds_did() -> None:
    verdict = judge(FAST, results_of(drain={"native": [9_000, 12_000, 13_000], "ceiling": [14_000]}))
    assert verdict.word is Word.OK
    assert verdict.figure is not None
    assert (verdict.figure.low, verdict.figure.high) == (9_000, 13_000)


def test_what_the_ceiling_reaches_and_we_do_not_is_missed() -> None:
    verdict = judge(FAST, results_of(drain={"native": [11_999], "ceiling": [12_001]}))
    assert verdict.word is Word.MISSED
    assert "pgbench 12,001 commands/s" in verdict.because


def test_what_the_ceiling_does_not_reach_either_is_bound_and_says_by_what() -> None:
    verdict = judge(FAST, results_of(drain={"native": [9_000], "ceiling": [10_000], "ceiling:busy": [90, 99, 97]}))
    assert verdict.word is Word.BOUND
    assert verdict.because == "pgbench 10,000 commands/s, processors 97 % busy, fdatasync 0.50 ms"


def test_a_latency_is_bound_where_the_ceiling_is_above_the_limit_too() -> None:
    assert judge(LATENCY, results_of(a={"p99": [150], "ceiling-p99": [120]})).word is Word.BOUND
    assert judge(LATENCY, results_of(a={"p99": [150], "ceiling-p99": [99]})).word is Word.MISSED
    assert judge(LATENCY, results_of(a={"p99": [99], "ceiling-p99": [120]})).word is Word.OK


def test_a_ratio_without_a_ceiling_is_never_bound() -> None:
    assert judge(SHARE, results_of(a={"x": [79], "y": [100]})).word is Word.MISSED


@pytest.mark.parametrize(
    ("ours", "word"), [(15.0, Word.OK), (12.0, Word.BOUND), (10.0, Word.BOUND), (9.9, Word.MISSED)]
)
def test_the_ratio_to_the_library_is_bound_down_to_its_floor(ours: float, word: Word) -> None:
    assert judge(TIMES, results_of(drain={"native": [ours], "ceiling": [14.0], "library": [1.0]})).word is word


def test_the_ratio_to_the_library_is_missed_where_the_ceiling_reaches_it() -> None:
    assert judge(TIMES, results_of(drain={"native": [12.0], "ceiling": [15.0], "library": [1.0]})).word is Word.MISSED


def test_what_was_not_measured_is_missed() -> None:
    assert judge(FAST, {}).word is Word.MISSED
    assert judge(FAST, results_of(drain={})).because == "not measured"


def test_the_best_of_several_is_that_with_the_highest_median() -> None:
    results = results_of(drain={"a": [1, 1, 100], "b": [2, 2, 2]})
    assert best(of("drain", "a"), of("drain", "b")).values(results) == [2, 2, 2]


def test_a_limit_for_every_round_looks_at_the_highest() -> None:
    assert highest(of("a", "mb")).values(results_of(a={"mb": [90, 151, 80]})) == [151]
    assert highest(of("a", "mb")).values({}) == []


def test_metrics_measured_unequally_often_are_compared_by_their_medians() -> None:
    results = results_of(growth={"slices": [8, 9, 10, 11], "fresh": [10]})
    assert ratio_of_medians(of("growth", "slices"), of("growth", "fresh")).values(results) == [0.95]


def test_a_rate_says_how_long_the_commands_of_a_case_would_take() -> None:
    results = results_of(million={}, send={"two": [500]})
    assert seconds_for("million", of("send", "two")).values(results) == [2.0]


def test_every_target_looks_at_metrics_that_a_case_records() -> None:
    everything = results_of(**{name: {metric: [1.0] for metric in one.metrics} for name, one in CASES.items()})
    for target in TARGETS:
        assert target.measure.values(everything), target.text
        assert target.ceiling is None or target.ceiling.values(everything), target.text


def test_every_target_is_watched_where_it_says() -> None:
    for target in TARGETS:
        if target.resource is not None:
            case, metric = target.resource
            assert case in target.needs
            assert metric.endswith(":busy")


def test_targets_are_decided_only_where_all_their_cases_ran() -> None:
    assert decidable(needed()) == list(TARGETS)
    assert decidable(CASES) == list(TARGETS)
    assert [target.text for target in decidable(["million"])] == ["Send 1,000,000: memory of the sender"]
    assert decidable([]) == []
