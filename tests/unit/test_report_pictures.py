"""The charts and the swimlane of a run."""

import re

import pytest

from bench.report.document import Document, Execution, Latency, Point
from bench.report.lanes import MOST_ROWS, swimlane
from bench.report.pictures import MOST_POINTS, share_text, spectrum, stretches, thinned, timelines
from tests.support import documents


def execution(began_s: float, ended_s: float | None, worker: str = "w1.1", *, overlaps: bool = False) -> Execution:
    return Execution(
        command_id=documents.command(1), attempt=1, worker=worker, began_s=began_s, ended_s=ended_s, overlaps=overlaps
    )


def run_of(*lanes: Execution, lease_s: float = 3.0) -> Document:
    document = documents.empty()
    document.scenario = {"bus": {"visibility_timeout": lease_s}}
    document.lanes = list(lanes)
    return document


# -- over time -------------------------------------------------------------------------------------------------------


def test_all_timelines_have_one_axis_whatever_was_seen_when() -> None:
    document = documents.full()
    charts = [picture.chart for picture in timelines(document)]
    axes = {tuple(chart.x_ticks) for chart in charts if chart}
    assert (len(charts), len(axes)) == (4, 1)
    (ticks,) = axes
    assert [tick.label for tick in ticks] == ["0", "10", "20", "30"]


def test_rates_are_what_came_since_the_point_before() -> None:
    document = documents.empty()
    document.points = [Point(at_s=1, sent=10), Point(at_s=3, sent=50), Point(at_s=3, sent=60)]
    (rates, *_) = timelines(document)
    assert rates.chart is not None
    told = [re.search(r"sent (\S+?),", hover.title) for hover in rates.chart.hovers]
    assert [found and found[1] for found in told] == ["10", "20", "none"]


def test_many_points_are_thinned_and_the_worst_of_each_few_stay() -> None:
    points = [
        Point(at_s=n, sent=n, visible=999 if n == 500 else 1, p99_ms=7.0 if n == 501 else None) for n in range(1000)
    ]
    found = thinned(points, MOST_POINTS)
    assert len(found) <= MOST_POINTS
    assert max(point.visible for point in found) == 999
    assert [point.p99_ms for point in found if point.p99_ms] == [7.0]
    assert found[-1].sent == 999


def test_a_fault_without_an_end_is_a_moment_and_one_that_never_began_is_nothing() -> None:
    found = stretches(documents.full().faults)
    assert [(stretch.label, stretch.low, stretch.high) for stretch in found] == [
        ("F1", 7.02, 8.1), ("F9", 14.0, 16.5), ("odd_text", 21.0, 21.0),
    ]  # fmt: skip


@pytest.mark.parametrize(("nines", "text"), [(1, "0 %"), (10, "90 %"), (1000, "99.9 %"), (100_000, "99.999 %")])
def test_shares_are_written_as_percents(nines: float, text: str) -> None:
    assert share_text(nines) == text


def test_latencies_with_shares_of_their_own_are_drawn_over_those_of_all() -> None:
    def latency(name: str, *shares: tuple[float, float]) -> Latency:
        return Latency.model_validate(
            {"name": name, "n": 9, "p50": None, "p90": None, "p99": None, "p999": None, "most": 1, "spectrum": shares}
        )

    picture = spectrum([latency("pickup", (0, 10), (0.5, 20)), latency("service", (0, 5), (0.75, 45), (1, 50))])
    assert picture.chart is not None
    assert [hover.title for hover in picture.chart.hovers] == [
        "0 %: due to first attempt 10 ms, first attempt to end 5 ms",
        "50 %: due to first attempt 20 ms, first attempt to end 18.3 ms",
        "75 %: due to first attempt none, first attempt to end 45 ms",
    ]


# -- executions ------------------------------------------------------------------------------------------------------


def test_two_executions_at_one_time_are_never_in_one_lane() -> None:
    lanes = swimlane(run_of(execution(0, 2), execution(1, 3), execution(2, 4), execution(0, 1, "w2.1")))
    assert lanes is not None
    assert (lanes.lanes, [name.text for name in lanes.names]) == (3, ["w1.1", "w2.1"])


def test_bars_are_red_where_they_overlap_and_hollow_without_an_end() -> None:
    lanes = swimlane(run_of(execution(0, 2), execution(3, 4, overlaps=True), execution(5, None)))
    assert lanes is not None
    assert {bars.kind: bars.path.count("M") for bars in lanes.bars} == {"ok": 1, "overlaps": 1, "unended": 1}
    assert [told.why for told in lanes.told] == ["overlaps another execution of its command", "came to no end"]


def test_an_edge_stands_where_a_lease_ran_out_before_the_end() -> None:
    lanes = swimlane(run_of(execution(0, 2.9), execution(4, 8), execution(10, None), execution(20, 21)))
    assert lanes is not None
    assert lanes.edges.count("M") == 2


def test_more_lanes_than_can_be_drawn_are_counted() -> None:
    lanes = swimlane(run_of(*(execution(0, 10) for _ in range(MOST_ROWS + 40))))
    assert lanes is not None
    assert (lanes.drawn, lanes.left_out) == (MOST_ROWS, 40)


def test_without_executions_there_is_nothing_to_draw() -> None:
    assert swimlane(documents.empty()) is None
