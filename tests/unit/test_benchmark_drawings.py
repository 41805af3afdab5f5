"""bench/benchmark/drawings.py: which bars and lines a chart of the docs has."""

from typing import Any

import pytest

from bench.benchmark.cases import CASES
from bench.benchmark.drawings import CHARTS
from bench.benchmark.results import Point
from e2e_site.charts.shapes import Chart
from tests.support.measured import measured


def drawn(
    name: str, values: dict[str, list[float]], series: dict[str, list[Point]] | None = None, **sizes: int
) -> Chart:
    return CHARTS[name](measured(name, values, sizes={**CASES[name].sizes, **sizes}, series=series or {}))


def labels(chart: Chart) -> list[str]:
    return [tick.label for tick in chart.x_ticks]


def test_every_chart_draws_a_case() -> None:
    assert CHARTS.keys() <= CASES.keys()


def test_a_drain_shows_the_library_at_its_best() -> None:
    chart = drawn(
        "drain",
        {
            "native": [1000.0, 1200.0],
            "native-deep": [1300.0],
            "ceiling": [1500.0],
            "library-4": [50.0],
            "library-20": [90.0, 91.0],
            "library-50": [70.0, 300.0, 71.0],
            "bare-4": [80.0],
        },
    )
    assert labels(chart) == ["native, 200", "native, 400", "ceiling", "library", "bare handler"]
    assert next(bar.title for bar in chart.bars if "library," in bar.title).endswith("90.5 (90 to 91)")


def test_what_was_not_measured_has_no_bar() -> None:
    chart = drawn("send", {"one": [10.0], "library": [5.0]})
    assert labels(chart) == ["1 connection", "send_batch"]
    assert len(chart.bars) == 2


def test_processes_are_counted_in_words() -> None:
    chart = drawn("processes", {name: [1.0] for name in ("1", "2", "4")})
    assert labels(chart) == ["1 process", "2 processes", "4 processes"]


def test_a_latency_has_a_bar_for_p50_and_one_for_p99_of_each_stage() -> None:
    stages = ("pickup", "done", "seen", "ceiling")
    chart = drawn("latency", {f"{stage}-{share}": [1.0, 2.0] for stage in stages for share in ("p50", "p99")})
    assert labels(chart) == ["to RECEIVED", "to COMPLETED", "to the answer", "ceiling"]
    assert len(chart.bars) == 8


def test_growth_has_a_line_of_slices_and_one_of_fresh_drains() -> None:
    chart = drawn(
        "growth", {}, {"slices": [(10.0, 5.0), (20.0, 6.0), (30.0, 7.0)], "fresh": [(20.0, 8.0), (30.0, 9.0)]}
    )
    slices, fresh = chart.lines
    assert slices.path.count("L") == 2
    assert fresh.path.count("L") == 1


def snapshot(before: list[float]) -> Chart:
    points = [(float(second), 100.0) for second in range(-3, 9)]
    return drawn("snapshot", {"before": before}, {"rate": points}, held_s=5)


def test_a_snapshot_has_two_lines_that_meet_and_a_rule_at_half_of_before() -> None:
    chart = snapshot([100.0])
    around, held = chart.lines
    assert held.path.count("M") == 1
    assert held.path.count("L") == 4, "seconds 0 to 4"
    assert around.path.count("M") == 2, "before it and after it"
    assert [rule.label for rule in chart.rules] == ["half of before"]


def test_without_a_rate_before_there_is_no_rule() -> None:
    assert list(snapshot([]).rules) == []


@pytest.mark.parametrize("name", CHARTS)
def test_a_chart_says_in_words_what_it_shows(name: str) -> None:
    everything: dict[str, Any] = {metric: [1.0, 2.0, 3.0] for metric in CASES[name].metrics}
    series = {"slices": [(10.0, 5.0)], "fresh": [(10.0, 5.0)], "rate": [(0.0, 1.0), (1.0, 2.0)]}
    chart = drawn(name, everything, series)
    assert chart.title
    assert chart.description
