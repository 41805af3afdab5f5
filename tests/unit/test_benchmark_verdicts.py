"""When a figure to reach is OK, BOUND or MISSED."""

from dataclasses import replace

import pytest

from bench.benchmark.measures import of, ratio, scaled
from bench.benchmark.results import Results
from bench.benchmark.verdicts import Side, Target, Word, judge, judge_all
from tests.support.measured import measured


def results_of(**cases: dict[str, list[float]]) -> Results:
    return {name: measured(name, values) for name, values in cases.items()}


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


PAGE = Target(
    text="page", measure=of("a", "page"), side=Side.AT_MOST, limit=60, unit="ms", pace=scaled(of("a", "bare"), 60 / 20)
)


@pytest.mark.parametrize(
    ("page", "bare", "word"),
    [
        (60, 40, Word.OK),
        (119, 40, Word.BOUND),  # twice as slow, so 120 are as good as 60
        (121, 40, Word.MISSED),
        (61, 20, Word.MISSED),
        (61, 10, Word.MISSED),
        (59, 10, Word.OK),  # a faster machine makes the limit no stricter
    ],
)
def test_a_slower_machine_is_judged_at_its_own_pace(page: float, bare: float, word: Word) -> None:
    assert judge(PAGE, results_of(a={"page": [page], "bare": [bare]})).word is word


def test_the_pace_is_said_where_it_decides() -> None:
    assert judge(PAGE, results_of(a={"page": [100], "bare": [40]})).because == "at this machine's pace ≤ 120.000 ms"
    assert judge(PAGE, results_of(a={"page": [100], "bare": [10]})).because == ""
    assert judge(PAGE, results_of(a={"page": [100]})).word is Word.MISSED


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


def test_what_is_said_of_a_bound_target_is_what_was_measured_of_its_surroundings() -> None:
    results = results_of(drain={"native": [9_000], "ceiling": [10_000]})
    results["drain"].environment["fdatasync_ms"] = None  # the server is on another machine
    assert judge(FAST, results).because == "pgbench 10,000 commands/s"


def test_a_target_that_has_a_ceiling_is_missed_where_that_was_not_measured() -> None:
    verdict = judge(FAST, results_of(drain={"native": [9_000]}))
    assert (verdict.word, verdict.because) == (Word.MISSED, "")


def test_a_figure_at_its_limit_reaches_it() -> None:
    assert judge(FAST, results_of(drain={"native": [12_000]})).word is Word.OK
    assert judge(LATENCY, results_of(a={"p99": [100]})).word is Word.OK


def test_a_target_needs_the_cases_of_its_measure_and_of_its_ceiling() -> None:
    assert FAST.needs == {"drain"}
    assert replace(SHARE, ceiling=of("b", "x")).needs == {"a", "b"}


def test_verdicts_come_in_the_order_of_the_targets() -> None:
    verdicts = judge_all([SHARE, FAST, LATENCY], {})
    assert [verdict.target for verdict in verdicts] == [SHARE, FAST, LATENCY]


def test_a_figure_is_shown_with_the_digits_and_the_unit_of_its_target() -> None:
    assert FAST.shown(12_345.6) == "12,346 commands/s"
    assert SHARE.shown(0.5) == "0.500"
