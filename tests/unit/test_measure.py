"""bench/runs: percentiles that may be told, points of a run, and what `Expect` asks of the figures."""

from itertools import pairwise
from typing import Any

import pytest

from bench.oracle.judge import Judged
from bench.report.document import Accounting, Criterion, Point
from bench.runs.latencies import SPECTRUM, Late, enough
from bench.runs.measure import Happened, Measured
from bench.runs.timeline import Looked, looked, offered, width_s
from bench.scenarios.model import Scenario
from bench.scenarios.plan import Plan

COUNTS = (
    *("attempted", "acknowledged", "errors", "unknown", "recovered", "completed", "failed", "parked", "canceled"),
    *("stuck", "lost", "unexpected", "duplicate_deliveries", "duplicate_effects", "duplicate_replies"),
)


def scenario(expect: dict[str, Any], **more: Any) -> Scenario:
    whole = {
        "scenario": "made_up", "about": "Made up.", "mix": {"success": 1},
        "load": [{"phase": "steady", "for": "4s", "rate": 100}, {"phase": "after", "for": "2s", "rate": 0.5}],
    }  # fmt: skip
    return Scenario.model_validate({**whole, "expect": expect, **more})


def judged(**counts: int) -> Judged:
    numbers: dict[str, Any] = {**dict.fromkeys(COUNTS, 0), **counts}
    return Judged(accounting=Accounting(**numbers), verdicts={})


def criterion(expect: dict[str, Any], happened: Happened, **counts: int) -> Criterion:
    """The one that is asked besides what was lost."""
    *_, last = Measured(happened=happened).expectations(scenario(expect), judged(**counts))
    return last


@pytest.mark.parametrize(
    ("n", "share", "told"),
    [(20, 0.5, True), (19, 0.5, False), (1000, 0.99, True), (999, 0.99, False), (10_000, 0.999, True), (0, 0.5, False)],
)
def test_a_percentile_is_told_where_ten_values_lie_beyond_it(n: int, share: float, told: bool) -> None:
    assert enough(n, share) is told


def test_the_spectrum_is_even_on_an_axis_of_beyond() -> None:
    assert (len(SPECTRUM), SPECTRUM[0], SPECTRUM[-1]) == (40, 0, 0.99999)
    steps = {round((1 - left) / (1 - right), 3) for left, right in pairwise(SPECTRUM)}
    assert max(steps) - min(steps) < 0.01


@pytest.mark.parametrize(
    ("n", "over", "held"),
    [
        (1000, 10, True),
        (1000, 11, False),
        (500, 0, True),  # none of them: whatever p99 is, it is below
        (500, 9, None),  # too few beyond to tell
        (500, 10, False),
        (0, 0, None),
    ],
)
def test_p99_holds_by_the_number_that_took_longer(n: int, over: int, held: bool | None) -> None:
    found = criterion({"p99": "100ms"}, Happened(late=Late(n=n, over=over, p99=None)))
    assert found.held is held


def test_p99_says_the_phase_and_the_figures() -> None:
    found = criterion({"p99": "100ms", "during": "steady"}, Happened(late=Late(n=2000, over=3, p99=41.234)))
    assert found.text == "p99 from due to end in steady at most 100ms"
    assert found.seen == "p99 41.2 ms; 3 of 2,000 commands took longer"


def test_what_may_be_lost_and_done_twice_is_bounded() -> None:
    found = Measured().expectations(scenario({"lost": 1, "duplicate_effects": 2}), judged(lost=1, duplicate_effects=3))
    assert [(one.text, one.held) for one in found] == [
        ("at most 1 commands lost", True),
        ("at most 2 commands with two effects", False),
    ]


@pytest.mark.parametrize(
    ("happened", "held"),
    [
        (Happened(fired=1, resumed_s=0.8), True),
        (Happened(fired=1, resumed_s=1.2), False),
        (Happened(fired=1, resumed_s=None), None),
        (Happened(fired=0), None),
    ],
)
def test_work_goes_on_in_time_after_the_last_fault(happened: Happened, held: bool | None) -> None:
    assert criterion({"resumes_within": "1s"}, happened).held is held


@pytest.mark.parametrize(
    ("word", "happened", "held"),
    [
        ("redelivered", Happened(retried=1), True),
        ("redelivered", Happened(retried=0), False),
        ("every_behavior", Happened(behaviors=frozenset({"success"})), True),
        ("every_behavior", Happened(), False),
        ("two_workers", Happened(workers=2), True),
        ("two_workers", Happened(workers=1), False),
        ("fault_fired", Happened(fired=1, faults=2), True),
        ("fault_fired", Happened(faults=2), False),
    ],
)
def test_what_has_to_happen_at_least_once(word: str, happened: Happened, held: bool) -> None:
    (found,) = Measured(happened=happened).sometimes(scenario({"sometimes": [word]}), judged())
    assert found.held is held


@pytest.mark.parametrize(("redelivered", "held"), [(1, True), (0, False)])
def test_a_retry_is_no_redelivery_where_faults_lose_attempts(redelivered: int, held: bool) -> None:
    faulty = scenario({"sometimes": ["redelivered"]}, faults=[{"do": "kill_worker", "at": "1s"}])
    happened = Happened(retried=5, redelivered=redelivered)
    (found,) = Measured(happened=happened).sometimes(faulty, judged())
    assert found.held is held


@pytest.mark.parametrize(("at_s", "due"), [(0, 1), (0.005, 1), (1, 101), (3.999, 400), (4, 401), (6, 401), (100, 401)])
def test_what_was_due_by_then_is_offered(at_s: float, due: int) -> None:
    plan = Plan(scenario({}), 1)
    assert plan.count == 401
    assert offered(plan, at_s) == due
    assert sum(plan.due_s(number) <= at_s for number in range(plan.count)) == due


def test_all_at_once_is_offered_from_the_beginning() -> None:
    assert offered(Plan(scenario({}, load=[], commands=7), 1), 0) == 7


@pytest.mark.parametrize(("lasts_s", "width"), [(0.2, 1), (600, 1), (601, 2), (3600, 6)])
def test_a_long_run_has_coarser_points(lasts_s: float, width: int) -> None:
    assert width_s(lasts_s) == width


def test_the_deepest_look_of_each_second_counts_and_a_gap_keeps_the_one_before() -> None:
    depth = [
        Point(at_s=0.5, visible=1, leased=1, oldest_s=0.1, processor=10),
        Point(at_s=0.9, visible=8, leased=2, oldest_s=0.4, processor=30),
        Point(at_s=2.5, visible=3, leased=0, oldest_s=0.2, processor=None),
    ]
    deepest = Looked(visible=8, hidden=2, oldest_s=0.4, processor=20)
    assert looked(depth, 1, 3) == [deepest, deepest, Looked(visible=3, hidden=0, oldest_s=0.2, processor=None)]
    assert looked([], 1, 1) == [Looked()]
