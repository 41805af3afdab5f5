"""What was measured, kept in a file and put into the docs."""

import re
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from bench.benchmark.case import Scenario
from bench.benchmark.cases import SCENARIOS
from bench.benchmark.drawings import CHARTS
from bench.benchmark.report import chart_file, write_docs
from bench.benchmark.results import Result, Results, ResultsError, load, save
from bench.benchmark.tables import as_text, metric_table
from tests.support.clusters import CHECKOUT

DOCS = CHECKOUT / "docs"


def result_of(scenario: Scenario, *, quick: bool = False) -> Result:
    """A result with three values for every metric, and what charts draw."""
    return Result(
        scenario=scenario.name,
        measured_at="2030-01-02T03:04:05+00:00",
        runs=3,
        quick=quick,
        sizes=dict(scenario.sizes),
        values={name: [1000.0, 3000.0, 2000.0] for name in scenario.metrics},
        series={
            "slices": [(10.0, 9.0), (20.0, 8.0)],
            "fresh": [(20.0, 10.0)],
            "rate": [(-1.0, 10.0), (0.0, 5.0), (40.0, 9.0)],
        },
        environment={
            "server": "18.4",
            "durability": {"fsync": "on"},
            "python": "3.11.7",
            "system": "Linux",
            "processors": 2,
            "memory_gb": 8,
            "fdatasync_ms": [0.5, 1.5],
            "select_1_ms": [0.1, 0.2],
            "load_before": 0.1,
            "ceiling_by": "pgbench",
        },
    )


@pytest.fixture
def everything() -> Results:
    return {name: result_of(one) for name, one in SCENARIOS.items()}


@pytest.fixture
def docs(tmp_path: Path) -> Path:
    """A directory with the page as it is in the checkout."""
    (tmp_path / "performance.md").write_text((DOCS / "performance.md").read_text("utf-8"), "utf-8")
    return tmp_path


def test_results_come_out_of_a_file_as_they_went_in(tmp_path: Path, everything: Results) -> None:
    file = tmp_path / "new" / "results.json"
    save(file, everything)
    assert load(file) == everything


def test_a_scenario_that_is_measured_again_replaces_itself_alone(tmp_path: Path, everything: Results) -> None:
    file = tmp_path / "results.json"
    save(file, {name: everything[name] for name in ("drain", "send")})
    again = result_of(SCENARIOS["drain"], quick=True)
    save(file, {"drain": again})
    assert {name: one.quick for name, one in load(file).items()} == {"drain": True, "send": False}


@pytest.mark.parametrize("text", ["", "[]", '{"format": 1}', '{"format": 1, "scenarios": {"drain": {}}}'])
def test_a_file_that_holds_no_results_is_a_clear_error(tmp_path: Path, text: str) -> None:
    file = tmp_path / "results.json"
    file.write_text(text)
    with pytest.raises(ResultsError, match=r"results\.json cannot be read"):
        load(file)


def test_a_file_of_another_format_asks_to_measure_again(tmp_path: Path) -> None:
    file = tmp_path / "results.json"
    file.write_text('{"format": 99, "scenarios": {}}')
    with pytest.raises(ResultsError, match="measure again"):
        load(file)


def test_the_page_has_a_place_for_every_scenario_and_for_no_other() -> None:
    places = re.findall(r"<!-- benchmark: (\w+) -->", (DOCS / "performance.md").read_text("utf-8"))
    assert sorted(places) == sorted(["machine", "check", *SCENARIOS])


def test_the_page_gets_every_table_and_keeps_what_was_written_by_hand(docs: Path, everything: Results) -> None:
    before = (docs / "performance.md").read_text("utf-8")
    write_docs(everything, docs)
    after = (docs / "performance.md").read_text("utf-8")
    assert "Not measured yet." not in after
    for one in SCENARIOS.values():
        for metric in one.metrics.values():
            assert f"| {metric.label} | " in after
        assert f"benchmark {one.name} --json" in after
    between = re.compile(r"(<!-- benchmark: \w+ -->\n).*?(<!-- /benchmark -->)", re.DOTALL)
    assert between.sub(r"\1\2", after) == between.sub(r"\1\2", before)


def test_writing_the_page_again_changes_nothing(docs: Path, everything: Results) -> None:
    write_docs(everything, docs)
    first = (docs / "performance.md").read_text("utf-8")
    write_docs(everything, docs)
    assert (docs / "performance.md").read_text("utf-8") == first


def test_every_chart_is_drawn_as_a_file_that_the_page_shows(docs: Path, everything: Results) -> None:
    written = write_docs(everything, docs)
    page = (docs / "performance.md").read_text("utf-8")
    for name in CHARTS:
        file = chart_file(docs, name)
        assert file in written
        assert ET.fromstring(file.read_text("utf-8")).tag.endswith("svg")  # noqa: S314 — our own file
        assert f"]({file.relative_to(docs)})" in page


def test_what_was_not_measured_is_said_so(docs: Path, everything: Results) -> None:
    write_docs({"drain": everything["drain"]}, docs)
    page = (docs / "performance.md").read_text("utf-8")
    assert page.count("Not measured yet.") == len(SCENARIOS) - 1


def test_quick_figures_are_marked_in_the_page(docs: Path) -> None:
    write_docs({"drain": result_of(SCENARIOS["drain"], quick=True)}, docs)
    assert "**A quick run: figures to look at, not to decide by.**" in (docs / "performance.md").read_text("utf-8")


def test_a_place_of_an_unknown_scenario_is_a_clear_error(docs: Path, everything: Results) -> None:
    (docs / "performance.md").write_text("<!-- benchmark: sleep -->\n<!-- /benchmark -->")
    with pytest.raises(ResultsError, match="sleep, which is no scenario"):
        write_docs(everything, docs)


def test_a_table_leaves_out_what_was_not_measured_and_counts_the_rest() -> None:
    result = result_of(SCENARIOS["defaults"])
    result.values = {"native": [3000.0, 1000.0, 2000.0], "native:busy": [90.0]}
    table = as_text(metric_table(result, SCENARIOS["defaults"].metrics))
    assert "2,000 commands/s" in table
    assert "1,000 to 3,000" in table
    assert "90 %" in table
    assert "library" not in table
