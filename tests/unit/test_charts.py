"""Charts as geometry, and what the templates make of it."""

import re
from xml.etree import ElementTree

import pytest
from django.template.loader import render_to_string

from e2e_site.charts.geometry import Rule, Series, bar_chart, line_chart
from e2e_site.charts.scales import even_ticks, log_ticks, short
from e2e_site.charts.shapes import LEFT, TOP, Chart


def _drawn(chart: Chart) -> tuple[str, ElementTree.Element]:
    svg = render_to_string("charts/chart.svg", {"chart": chart})
    return svg, ElementTree.fromstring(svg)  # noqa: S314  # our own text


def test_ticks_are_round_numbers_round_the_values() -> None:
    assert even_ticks(0, 97) == [0, 20, 40, 60, 80, 100]
    assert even_ticks(0, 0.0031) == [0, 0.001, 0.002, 0.003, 0.004]
    assert even_ticks(0, 5000) == [0, 1000, 2000, 3000, 4000, 5000]
    assert even_ticks(3, 3)[0] <= 3 < even_ticks(3, 3)[-1]


def test_log_ticks_are_powers_of_ten_and_more_where_these_are_few() -> None:
    assert log_ticks(3, 40_000) == [1, 10, 100, 1000, 10_000, 100_000]
    assert log_ticks(3, 40) == [1, 2, 5, 10, 20, 50, 100]
    assert log_ticks(10, 10) == [10, 20, 50, 100]


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0"), (0.5, "0.5"), (950, "950"), (999.9, "999.9"), (1500, "1.5k"), (3e6, "3M"), (2e9, "2G")],
)
def test_numbers_on_an_axis_are_short(value: float, text: str) -> None:
    assert short(value) == text


def test_a_line_goes_from_the_lower_left_to_the_upper_right() -> None:
    chart = line_chart(title="t", description="d", x=[0, 1, 2], series=[Series(name="a", values=[0, 50, 100])])
    (line,) = chart.lines
    assert line.path == f"M{LEFT:g} {chart.bottom:g}L296 118L{chart.right:g} {TOP:g}"
    assert [tick.label for tick in chart.y_ticks] == ["0", "20", "40", "60", "80", "100"]
    assert chart.x_ticks[0].at == LEFT
    assert chart.x_ticks[-1].at == chart.right


def test_a_line_breaks_at_a_gap_and_a_lonely_point_is_a_dot() -> None:
    values = [1, 2, None, 3, None, 4, 5]
    chart = line_chart(title="t", description="d", x=range(7), series=[Series(name="a", values=values)])
    assert len(re.findall("M", chart.lines[0].path)) == 2
    assert len(chart.lines[0].dots) == 1


def test_a_log_axis_leaves_out_what_it_cannot_show() -> None:
    series = [Series(name="a", values=[1, 0, 100, -5])]
    chart = line_chart(title="t", description="d", x=range(4), series=series, log_y=True)
    assert chart.lines[0].path == ""
    assert [y for _, y in chart.lines[0].dots] == [chart.bottom, TOP]


@pytest.mark.parametrize("values", [[], [None], [7.0]])
def test_a_chart_without_or_with_one_point_can_be_drawn(values: list[float | None]) -> None:
    chart = line_chart(title="t", description="d", x=range(len(values)), series=[Series(name="a", values=values)])
    _drawn(chart)


def test_bars_stand_beside_each_other_on_the_axis_with_their_spread() -> None:
    chart = bar_chart(
        title="t",
        description="d",
        groups=["one", "two"],
        series=[
            Series(name="a", values=[10, 20], spread=[(8, 12), None]),
            Series(name="b", values=[None, 5]),
        ],
        rules=[Rule(value=15, label="target")],
    )
    assert [bar.title for bar in chart.bars] == ["one, a: 10 (8 to 12)", "two, a: 20", "two, b: 5"]
    assert {bar.y + bar.height for bar in chart.bars} == {chart.bottom}
    first, second, third = chart.bars
    assert first.whisker is not None
    assert first.whisker[0] < first.y < first.whisker[1]
    assert second.x + second.width <= third.x
    assert chart.rules[0].at < first.y


def test_the_lowest_bar_of_a_log_chart_can_be_seen() -> None:
    chart = bar_chart(
        title="t", description="d", groups=["a", "b"], series=[Series(name="n", values=[10, 1000])], log_y=True
    )
    assert chart.bars[0].height > 10


def test_a_file_of_its_own_holds_title_description_colours_and_legend() -> None:
    chart = line_chart(
        title="Rate <1>",
        description="a & b",
        x=[0, 1],
        series=[Series(name=f"line {n}", values=[n, 2]) for n in range(9)],
    )
    svg, tree = _drawn(chart)
    namespace = "{http://www.w3.org/2000/svg}"
    assert tree.findtext(f"{namespace}title") == "Rate <1>"
    assert tree.findtext(f"{namespace}desc") == "a & b"
    assert "prefers-color-scheme: dark" in svg
    names = [text.text for text in tree.iter(f"{namespace}text")]
    assert names[-9:] == [f"line {n}" for n in range(9)]
    assert chart.legend[-1].y > chart.legend[0].y  # the legend wraps
    assert chart.full_height > chart.legend[-1].y


def test_a_chart_in_a_page_needs_no_inline_style() -> None:
    chart = line_chart(title="t", description="d", x=[0, 1], series=[Series(name="a", values=[1, 2])])
    html = render_to_string("charts/_chart.html", {"chart": chart, "id": "rates"})
    assert "style" not in html
    assert 'aria-labelledby="rates-title rates-description"' in html
