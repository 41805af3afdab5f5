"""Charts over columns of time, as geometry and as the template draws them."""

import re
from datetime import UTC, datetime, timedelta
from xml.etree import ElementTree

import pytest
from django.template.loader import render_to_string

from e2e_site.charts.columns import Moment, Place, column_chart
from e2e_site.charts.geometry import Series
from e2e_site.charts.scales import even_ticks
from e2e_site.charts.shapes import LEFT, RIGHT, TOP, UP, Chart
from e2e_site.charts.times import time_ticks

NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)
SPAN = (NOON, NOON + timedelta(minutes=4))
PLACES = [Place(title=f"column {n}", href=f"/list/?n={n}&m=1", open=n == 3) for n in range(4)]


def chart(**more: object) -> Chart:
    asked = {"title": "T", "description": "D", "span": SPAN, "places": PLACES, **more}
    return column_chart(**asked)  # type: ignore[arg-type]


def rectangles(path: str) -> list[tuple[float, ...]]:
    """The x, bottom, width and height of each block of a path."""
    return [tuple(map(float, found)) for found in re.findall(r"M(\S+) (\S+)h(\S+)v-(\S+)h-\S+z", path)]


def test_counts_stand_on_each_other_and_what_is_not_there_takes_no_room() -> None:
    drawn = chart(stacks=[Series(name="a", values=[2, 0, None, 1]), Series(name="b", values=[2, 4, None, 1])])
    low, high = drawn.blocks
    (first,), (second, third) = rectangles(low.path), rectangles(high.path)
    assert first[1] == drawn.bottom
    assert second[0] == first[0]
    assert second[1] == pytest.approx(first[1] - first[3], abs=0.11)
    assert third[1] == drawn.bottom
    assert third[3] == pytest.approx(2 * second[3], abs=0.2)
    assert (len(rectangles(low.open_path)), len(rectangles(high.open_path))) == (1, 1)


def test_what_happened_once_among_thousands_is_seen() -> None:
    drawn = chart(stacks=[Series(name="a", values=[9000, 0, 0, 0]), Series(name="b", values=[1, 0, 0, 0])])
    ((*_, height),) = rectangles(drawn.blocks[1].path)
    assert height >= 1


def test_a_line_ends_before_an_open_column_whose_value_is_a_dot() -> None:
    (line,) = chart(lines=[Series(name="a", values=[1, 2, 3, 1])]).lines
    assert line.path.count("L") == 2
    assert len(line.dots) == 1


def test_columns_fill_the_plot_and_lead_on() -> None:
    drawn = chart(stacks=[Series(name="a", values=[1, 1, 1, 1])])
    edges = [tuple(map(float, re.findall(r"M(\S+) \S+h(\S+?)v", slot.path)[0])) for slot in drawn.slots]
    step = (drawn.width - LEFT - RIGHT) / 4
    assert [x for x, _ in edges] == [pytest.approx(LEFT + step * n, abs=0.1) for n in range(4)]
    assert {width for _, width in edges} == {round(step, 1)}
    assert [slot.open for slot in drawn.slots] == [False, False, False, True]


def test_marks_stand_at_their_moment_and_only_inside() -> None:
    at = [NOON - timedelta(seconds=1), NOON + timedelta(minutes=2), SPAN[1] + timedelta(seconds=1)]
    drawn = chart(moments=[Moment(at=moment, symbol=UP, title="x") for moment in at])
    (flag,) = drawn.flags
    assert flag.x == pytest.approx((LEFT + drawn.width - RIGHT) / 2)


def test_an_axis_of_counts_has_no_halves() -> None:
    assert even_ticks(0, 1, whole=True) == [0, 1]
    assert even_ticks(0, 3, whole=True) == [0, 1, 2, 3]
    assert even_ticks(0, 12, whole=True) == [0, 5, 10, 15]
    assert even_ticks(0, 110, whole=True) == [0, 25, 50, 75, 100, 125]
    nothing = chart(stacks=[Series(name="a", values=[None, 0, None, None])])
    assert [tick.label for tick in nothing.y_ticks] == ["0", "1"]


@pytest.mark.parametrize(
    ("length", "labels"),
    [
        (timedelta(seconds=60), ["12:00:00", "12:00:10", "12:00:20", "12:00:30", "12:00:40", "12:00:50", "12:01:00"]),
        (timedelta(minutes=15), ["12:00", "12:05", "12:10", "12:15"]),
        (timedelta(hours=24), ["12:00", "16:00", "20:00", "May 2", "04:00", "08:00", "12:00"]),
        (timedelta(days=7), ["May 2", "May 3", "May 4", "May 5", "May 6", "May 7", "May 8"]),
    ],
)
def test_an_axis_of_time_has_round_times(length: timedelta, labels: list[str]) -> None:
    ticks = time_ticks(NOON, NOON + length)
    assert [label for _, label in ticks] == labels
    assert all(NOON <= moment <= NOON + length for moment, _ in ticks)


def test_the_page_draws_links_that_are_told_and_one_stop_of_the_tab_key() -> None:
    title = 'a < b & "c"'
    places = [*PLACES[:3], Place(title=title, href="/list/?n=3&m=1", open=True)]
    drawn = chart(places=places, stacks=[Series(name="a", values=[1, 1, 1, 1])], y_label="per min")
    html = render_to_string("charts/_chart.html", {"chart": drawn, "id": "x"})
    figure = ElementTree.fromstring(html.replace(" data-readout", ""))  # noqa: S314  # our own text
    links = figure.findall(".//a")
    assert [link.get("href") for link in links] == [place.href for place in places]
    assert [link.get("tabindex") for link in links] == ["-1", "-1", "-1", "0"]
    assert links[-1].findtext("title") == title
    svg = figure.find("svg")
    assert svg is not None
    assert svg.get("role") == "group"
    assert not re.search(r"\s(style|on\w+)=", html)
    assert drawn.top == TOP
