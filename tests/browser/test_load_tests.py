"""The pages of load tests in a browser: live, narrow, without scripts, and for everybody."""

from collections.abc import Callable

import pytest
from playwright.sync_api import expect

from tests.browser.test_live import Live
from tests.support.bus import HandBus
from tests.support.load_runs import add_run
from tests.support.visitor import Visitor

PAGES = ("/loadtests/", "/loadtests/{ended}/", "/loadtests/{running}/", "/loadtests/{lost}/")


@pytest.fixture
def runs(bus: HandBus) -> dict[str, int]:
    """A run in each state that looks different. No beat comes, so the running one is given one that is long ahead."""
    return {
        "ended": add_run(bus.conn, samples=60),
        "lost": add_run(bus.conn, samples=1, state="running", phase="working", beat_at="2020-01-01"),
        "running": add_run(bus.conn, samples=10, state="running", phase="sending", completed=100, beat_at="2100-01-01"),
    }


def test_the_menu_leads_to_the_newest_run(runs: dict[str, int], visit: Callable[..., Visitor]) -> None:
    page = visit().open("/")
    page.get_by_role("navigation", name="Main").get_by_role("link", name="Load tests").click()
    page.get_by_role("link", name="Load test").nth(1).click()
    expect(page.get_by_role("heading", level=1)).to_have_text(f"Load test {runs['running']}")
    expect(page.get_by_role("navigation", name="Main").locator("[aria-current=page]")).to_have_text("Load tests")


def test_a_run_is_watched_to_its_end_and_no_longer(
    bus: HandBus, runs: dict[str, int], visit: Callable[..., Visitor]
) -> None:
    live = Live(visit(), f"/loadtests/{runs['running']}/")
    points = live.page.locator("#points")
    points.locator("summary").click()
    rates = live.page.get_by_role("img", name="Commands per second").locator(".chart-line").first
    drawn = rates.get_attribute("d")
    bus.conn.execute("UPDATE load_run SET completed = 600 WHERE run_id = %s", [runs["running"]])
    bus.conn.execute("UPDATE load_sample SET sent = sent * number WHERE run_id = %s", [runs["running"]])
    live.tick_and_answer(2)
    expect(live.page.locator("#progress")).to_have_text("700 of 1,000 have ended")
    assert rates.get_attribute("d") != drawn
    expect(points.get_by_role("table")).to_be_visible()  # what was unfolded stays so

    bus.conn.execute(
        "UPDATE load_run SET state = 'finished', as_expected = true, ended_at = clock_timestamp(), verdict = 'Well.'"
        " WHERE run_id = %s",
        [runs["running"]],
    )
    live.tick_and_answer(2)
    expect(live.page.locator("#state")).to_have_text("As expected")
    expect(live.page.locator("#verdict")).to_have_text("Well.")
    before = live.asked
    live.tick(600)
    assert live.asked == before
    assert live.state == "Ended"


def test_lines_and_legend_are_there_without_scripts_and_wear_their_tones(
    runs: dict[str, int], visit: Callable[..., Visitor]
) -> None:
    visitor = visit(script=False)
    page = visitor.open(f"/loadtests/{runs['ended']}/")
    assert page.locator("figure.chart").count() == 3
    lines = page.get_by_role("img", name="Latency").locator(".chart-line")
    colours = {line.evaluate("node => getComputedStyle(node).stroke") for line in lines.all()}
    assert len(colours) == 3
    assert "none" not in colours
    for name in ("p50", "p95", "p99"):
        expect(page.locator(".chart-legend").get_by_text(name, exact=True)).to_be_visible()
    page.get_by_text("The numbers of the charts").click()
    expect(page.locator("#points").get_by_role("table")).to_be_visible()


def test_the_charts_are_readable_in_a_narrow_window(runs: dict[str, int], visit: Callable[..., Visitor]) -> None:
    visitor = visit(width=390)
    page = visitor.open(f"/loadtests/{runs['ended']}/")
    label = page.get_by_role("img", name="Latency").locator("text").first
    assert label.evaluate("node => node.getBoundingClientRect().height") > 9
    assert not visitor.is_too_wide()


def test_axe_finds_nothing_serious_in_either_theme_and_390_pixels_are_enough(
    runs: dict[str, int], visit: Callable[..., Visitor]
) -> None:
    visitor = visit()
    for page in PAGES:
        visitor.open(page.format(**runs))
        for details in visitor.page.locator("details > summary").all():
            details.click()
        assert not visitor.barriers_in_both_themes(), page
        visitor.narrow()
        assert not visitor.is_too_wide(), page
        visitor.widen()


def test_axe_finds_nothing_serious_before_the_first_run(visit: Callable[..., Visitor]) -> None:
    visitor = visit()
    visitor.open("/loadtests/")
    assert not visitor.barriers_in_both_themes()
