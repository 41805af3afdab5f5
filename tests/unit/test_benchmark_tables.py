"""bench/benchmark/tables.py: what was measured and what it comes to, in columns."""

import pytest

from bench.benchmark.case import Metric
from bench.benchmark.measures import of
from bench.benchmark.results import Result
from bench.benchmark.tables import PAGE_COSTS, as_markdown, as_text, metric_table, page_table, page_value, verdict_table
from bench.benchmark.verdicts import Side, Target, judge
from tests.support.measured import measured

METRICS = {
    "rate": Metric(label="engine", unit="commands/s"),
    "time": Metric(label="latency", unit="ms", digits=2),
    "share": Metric(label="share", unit="", digits=3),
}


def result(**values: list[float]) -> Result:
    return measured("drain", {name.replace("_busy", ":busy"): numbers for name, numbers in values.items()})


def test_pages_that_were_visited_are_a_table_of_their_own_in_the_order_of_the_visits() -> None:
    costs = {
        page_value(page, cost): [number * 1.25]
        for page, number in (("queue", 2), ("audit", 1))
        for cost in PAGE_COSTS
    }  # fmt: skip
    found = measured("console", {"median": [2.5], **costs})
    head, *rows = page_table(found)
    assert head == ["Page", "Median, ms", "p95, ms", "Queries", "Slowest statement, ms"]
    assert rows == [["queue", "2.5", "2.5", "2", "2.5"], ["audit", "1.2", "1.2", "1", "1.2"]]
    assert page_table(result(rate=[1.0])) == []


def test_a_row_has_median_spread_and_number_of_values_with_the_digits_of_its_metric() -> None:
    head, *rows = metric_table(result(rate=[12_000.4, 9_000, 30_000], time=[1.5, 2.25], share=[0.5]), METRICS)
    assert head == ["", "Median", "Lowest to highest", "Values"]
    assert rows == [
        ["engine", "12,000 commands/s", "9,000 to 30,000", "3"],
        ["latency", "1.88 ms", "1.50 to 2.25", "2"],
        ["share", "0.500", "", "1"],
    ]


def test_what_was_not_measured_has_no_row() -> None:
    rows = metric_table(result(time=[1.0], other=[5.0], rate=[]), METRICS)
    assert [row[0] for row in rows] == ["", "latency"]


def test_processors_have_a_column_where_they_were_watched() -> None:
    head, *rows = metric_table(result(rate=[1.0], rate_busy=[80.0, 99.0, 90.0], time=[1.0]), METRICS)
    assert head[-1] == "Processors busy"
    assert [row[-1] for row in rows] == ["90 %", ""]


def target(limit: float, *, remark: str = "") -> Target:
    return Target(
        text="Drain", measure=of("drain", "rate"), side=Side.AT_LEAST, limit=limit, unit="x", digits=1, remark=remark
    )


def test_a_verdict_has_figure_spread_and_limit_in_its_unit() -> None:
    results = {"drain": result(rate=[1.0, 2.0, 6.0])}
    head, row = verdict_table([judge(target(1.5), results)])
    assert head == ["Target", "Measured", "Spread", "Limit", "Verdict"]
    assert row == ["Drain", "2.0 x", "1.0 x to 6.0 x", "≥ 1.5 x", "OK"]


def test_a_verdict_on_one_value_has_no_spread_and_one_on_nothing_says_so() -> None:
    assert verdict_table([judge(target(1.5), {"drain": result(rate=[2.0])})])[1][2] == ""
    assert verdict_table([judge(target(1.5), {})])[1] == ["Drain", "", "", "≥ 1.5 x", "MISSED: not measured"]


def test_a_remark_stands_beside_the_limit() -> None:
    (_, row) = verdict_table([judge(target(1000, remark="a wish"), {"drain": result(rate=[2.0])})])
    assert row[3:] == ["≥ 1,000 x (a wish)", "MISSED"]


ROWS = [["", "Median", "Values"], ["engine", "12,000 commands/s", "3"], ["a longer one", "1.50", ""]]


def test_as_text_columns_begin_at_one_place() -> None:
    assert [line.rstrip() for line in as_text(ROWS).splitlines()] == [
        "              Median             Values",
        "engine        12,000 commands/s  3",
        "a longer one  1.50",
    ]


def test_as_markdown_the_first_column_stands_left_and_the_others_right() -> None:
    head, line, *rows = as_markdown(ROWS).splitlines()
    assert [cell.strip() for cell in head.strip("|").split("|")] == ROWS[0]
    assert [(cell[0], cell[-1]) for cell in line.strip("|").split("|")] == [(":", "-"), ("-", ":"), ("-", ":")]
    assert [[cell.strip() for cell in row.strip("|").split("|")] for row in rows] == ROWS[1:]
    assert len({len(row) for row in [head, line, *rows]}) == 1


@pytest.mark.parametrize("text", ["1e5", "007", "1,000", "nan", "≤ 3"])
def test_a_cell_stays_as_it_was_written(text: str) -> None:
    for made in (as_text([["a", "b"], ["x", text]]), as_markdown([["a", "b"], ["x", text]])):
        assert f" {text}" in made
