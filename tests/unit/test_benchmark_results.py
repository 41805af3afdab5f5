"""What was measured, kept in a file and put into the docs."""

import re
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from bench.benchmark.case import Case
from bench.benchmark.cases import CASES
from bench.benchmark.drawings import CHARTS
from bench.benchmark.report import LATEST, chart_file, write_docs
from bench.benchmark.results import Result, Results, ResultsError, load, save
from bench.benchmark.targets import TARGETS
from tests.support.clusters import CHECKOUT
from tests.support.measured import measured

DOCS = CHECKOUT / "docs"


def result_of(one: Case, *, quick: bool = False) -> Result:
    """A result with three values for every metric, and what charts draw."""
    series = {
        "slices": [(10.0, 9.0), (20.0, 8.0)],
        "fresh": [(20.0, 10.0)],
        "rate": [(-1.0, 10.0), (0.0, 5.0), (40.0, 9.0)],
    }
    values = {name: [1000.0, 3000.0, 2000.0] for name in one.metrics}
    return measured(one.name, values, quick=quick, sizes=dict(one.sizes), series=series)


@pytest.fixture
def everything() -> Results:
    return {name: result_of(one) for name, one in CASES.items()}


@pytest.fixture
def docs(tmp_path: Path) -> Path:
    """A directory with the page as it is in the checkout."""
    (tmp_path / "performance.md").write_text((DOCS / "performance.md").read_text("utf-8"), "utf-8")
    return tmp_path


def test_results_come_out_of_a_file_as_they_went_in(tmp_path: Path, everything: Results) -> None:
    file = tmp_path / "new" / "results.json"
    save(file, everything)
    assert load(file) == everything


def test_a_case_that_is_measured_again_replaces_itself_alone(tmp_path: Path, everything: Results) -> None:
    file = tmp_path / "results.json"
    save(file, {name: everything[name] for name in ("drain", "send")})
    again = result_of(CASES["drain"], quick=True)
    save(file, {"drain": again})
    assert {name: one.quick for name, one in load(file).items()} == {"drain": True, "send": False}


@pytest.mark.parametrize("text", ["", "[]", '{"format": 2}', '{"format": 2, "cases": {"drain": {}}}'])
def test_a_file_that_holds_no_results_is_a_clear_error(tmp_path: Path, text: str) -> None:
    file = tmp_path / "results.json"
    file.write_text(text)
    with pytest.raises(ResultsError, match=r"results\.json cannot be read"):
        load(file)


@pytest.mark.parametrize("text", ['{"format": 1, "scenarios": {}}', '{"format": 99, "cases": {}}'])
def test_a_file_of_another_format_asks_to_measure_again(tmp_path: Path, text: str) -> None:
    file = tmp_path / "results.json"
    file.write_text(text)
    with pytest.raises(ResultsError, match=r"has format \d+, not 2: measure again\."):
        load(file)
    with pytest.raises(ResultsError, match="measure again"):
        save(file, {})
    assert file.read_text() == text, "what cannot be added to stays"


def test_a_file_that_is_not_there_is_a_clear_error(tmp_path: Path) -> None:
    with pytest.raises(ResultsError, match="No such file"):
        load(tmp_path / "none.json")


def test_one_value_a_round_is_kept_in_their_order_and_rounded() -> None:
    result = result_of(CASES["drain"])
    result.values = {}
    for value in (2.0, 1.00000049):
        result.add("native", value)
    assert result.values == {"native": [2.0, 1.0]}


def test_the_page_has_a_place_for_every_case_and_for_no_other() -> None:
    places = re.findall(r"<!-- benchmark: (\w+) -->", (DOCS / "performance.md").read_text("utf-8"))
    assert sorted(places) == sorted(["machine", "check", *CASES])


def test_the_page_gets_every_table_and_keeps_what_was_written_by_hand(docs: Path, everything: Results) -> None:
    before = (docs / "performance.md").read_text("utf-8")
    write_docs(everything, docs)
    after = (docs / "performance.md").read_text("utf-8")
    assert "Not measured yet." not in after
    rows = {line.split("|")[1].strip() for line in after.splitlines() if line.startswith("| ")}
    for one in CASES.values():
        assert {metric.label for metric in one.metrics.values()} <= rows
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


def test_the_page_and_its_charts_are_those_of_the_committed_results(docs: Path) -> None:
    written = write_docs(load(CHECKOUT / LATEST), docs)
    assert len(written) > len(CHARTS)
    for file in written:
        assert file.read_text("utf-8") == (DOCS / file.relative_to(docs)).read_text("utf-8"), file.name


def test_the_page_says_where_and_how_it_was_measured(docs: Path, everything: Results) -> None:
    everything["rate"].measured_at = "2031-01-01T00:00:00+00:00"
    everything["rate"].environment["processors"] = 64
    everything["rate"].notes["rate"] = "A note"
    write_docs(everything, docs)
    page = (docs / "performance.md").read_text("utf-8")
    assert "PostgreSQL 18.4 (`fsync=on`) and Python 3.11.7 (a UUID from its text takes 0.71 µs) on the same" in page
    assert "machine: Linux, 64 processors, 8 GB." in page
    assert "fdatasync of one block 0.50 ms (p99 1.50); `select 1` 0.10 ms (p99 0.20)." in page
    assert "Measured 2031-01-01; sizes: rate 3,000, seconds 25. A note. Again: `manage.py benchmark rate" in page


def test_a_disk_that_could_not_be_measured_is_left_out(docs: Path, everything: Results) -> None:
    for result in everything.values():
        result.environment["fdatasync_ms"] = None
    write_docs(everything, docs)
    page = (docs / "performance.md").read_text("utf-8")
    assert "fdatasync of one block" not in page.split("<!-- benchmark: machine -->")[1].split("<!-- /benchmark -->")[0]


def test_without_any_results_nothing_was_measured_anywhere(docs: Path) -> None:
    write_docs({}, docs)
    page = (docs / "performance.md").read_text("utf-8")
    assert page.count("Not measured yet.") == len(CASES) + 1
    assert page.count("MISSED: not measured") == len(TARGETS)


def test_what_was_not_measured_is_said_so(docs: Path, everything: Results) -> None:
    write_docs({"drain": everything["drain"]}, docs)
    page = (docs / "performance.md").read_text("utf-8")
    assert page.count("Not measured yet.") == len(CASES) - 1


def test_quick_figures_are_marked_in_the_page(docs: Path) -> None:
    write_docs({"drain": result_of(CASES["drain"], quick=True)}, docs)
    assert "**A quick run: figures to look at, not to decide by.**" in (docs / "performance.md").read_text("utf-8")


def test_a_place_of_an_unknown_case_is_a_clear_error(docs: Path, everything: Results) -> None:
    (docs / "performance.md").write_text("<!-- benchmark: sleep -->\n<!-- /benchmark -->")
    with pytest.raises(ResultsError, match="sleep, which is no case"):
        write_docs(everything, docs)
