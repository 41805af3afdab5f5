"""How live pages refresh: when, how often, and what they leave alone."""

import re
import time
from collections.abc import Callable
from uuid import UUID

import pytest
from playwright.sync_api import Page, Route, expect

from tests.support.bus import HandBus, outcome
from tests.support.visitor import Visitor
from tests.support.waiting import wait_until

FRAGMENT = re.compile(r"^(?!.*/charts/).*/live/$")
COUNT_REQUESTS = """
    window.asked = window.answered = window.charted = 0;
    addEventListener('htmx:beforeRequest', (event) => { window.asked += event.target.id === 'live'; });
    addEventListener('htmx:afterRequest', (event) => {
        window.answered += event.target.id === 'live';
        window.charted += event.target.id === 'charts';
    });
"""


class Live:
    """A live page in a browser whose time stands still: `tick` moves it, and nothing else does."""

    def __init__(self, visitor: Visitor, address: str) -> None:
        self.visitor = visitor
        self.page = visitor.page
        self.held: list[Route] | None = None  # a list: requests are held back there
        # Before the page is there: none of its timers may run out while it loads.
        self.page.clock.install()
        self.page.clock.pause_at(time.time() + 1)
        self.page.route(FRAGMENT, self._take)
        self.page.add_init_script(COUNT_REQUESTS)
        self.page.goto(address)

    def _take(self, route: Route) -> None:
        if self.held is None:
            route.continue_()
        else:
            self.held.append(route)

    @property
    def asked(self) -> int:
        """Requests that htmx has begun; counted in the page, at the moment in which a timer runs out."""
        return int(self.page.evaluate("window.asked"))

    @property
    def answered(self) -> int:
        """Requests that htmx has dealt with, failed ones too."""
        return int(self.page.evaluate("window.answered"))

    @property
    def state(self) -> str:
        return self.page.locator("[data-live-state]").inner_text()

    def tick(self, seconds: float) -> None:
        self.page.clock.run_for(round(seconds * 1000))

    def tick_and_answer(self, seconds: float) -> None:
        """Move the time, and wait until the one request that this must bring about is dealt with."""
        before = self.answered
        self.tick(seconds)
        wait_until(lambda: self.answered == before + 1, message="one more answer")

    def release(self) -> None:
        held, self.held = self.held or [], None
        for route in held:
            route.continue_()


@pytest.fixture
def live(visit: Callable[..., Visitor]) -> Live:
    """The dashboard."""
    return Live(visit(), "/")


def wait_until_shown(page: Page, command_id: UUID) -> None:
    """Until the dashboard's answers have a command that was just sent: its viewers share them for a moment."""
    wait_until(lambda: str(command_id) in page.request.get("/live/").text())


def choose(page: Page, interval: str) -> None:
    page.get_by_label("Refresh every").select_option(interval)


def test_the_interval_is_chosen_and_remembered(visit: Callable[..., Visitor]) -> None:
    page = visit().open("/")
    select = page.get_by_label("Refresh every")
    expect(select).to_have_value("2")
    assert select.locator("option").all_inner_texts() == ["1 s", "2 s", "5 s", "15 s", "30 s", "60 s", "Off"]
    choose(page, "15 s")
    page.reload()
    expect(select).to_have_value("15")


def test_it_asks_once_in_each_interval(live: Live) -> None:
    live.tick_and_answer(2)  # from here on the next interval begins with an answer
    before = live.asked
    for number in (1, 2, 3):
        live.tick(1.9)
        assert live.asked == before + number - 1
        live.tick_and_answer(0.2)
        assert live.asked == before + number


def test_switched_off_it_asks_no_more(live: Live) -> None:
    choose(live.page, "Off")
    before = live.asked
    live.tick(600)
    assert live.asked == before
    assert live.state == "Not refreshing"


def test_it_waits_for_an_answer_before_it_asks_again(live: Live) -> None:
    live.held = []
    before = live.asked
    live.tick(2)
    live.tick(9)  # less than the 10 s after which an answer is given up
    assert live.asked == before + 1
    live.release()
    wait_until(lambda: live.answered == before + 1)
    live.tick_and_answer(2)
    assert live.asked == before + 2


def test_in_a_hidden_tab_it_rests_and_catches_up_at_once(live: Live) -> None:
    hide = "hidden => { Object.defineProperty(document, 'hidden', {value: hidden, configurable: true});"
    hide += " document.dispatchEvent(new Event('visibilitychange')); }"
    live.page.evaluate(hide, True)
    before = live.asked
    live.tick(600)
    assert live.asked == before
    live.page.evaluate(hide, False)
    wait_until(lambda: live.answered == before + 1)


def test_selected_text_is_left_alone(live: Live) -> None:
    live.page.locator("#events-title").select_text()
    expect(live.page.locator("[data-live-state]")).to_have_text("Paused: text selected")
    before = live.asked
    live.tick(60)
    assert live.asked == before
    live.page.evaluate("document.getSelection().removeAllRanges()")
    live.tick_and_answer(2)


def test_charts_are_asked_for_at_their_own_pace_and_left_alone_meanwhile(bus: HandBus, live: Live) -> None:
    charts = live.page.locator("#charts")
    expect(charts).to_contain_text("Nothing has been sampled yet.")
    bus.conn.execute("UPDATE public.e2e_sampler SET sampled_at = clock_timestamp()")
    live.tick_and_answer(2)
    expect(charts).to_contain_text("Nothing has been sampled yet.")
    wait_until(lambda: "chart-slots" in live.page.request.get("/charts/live/").text())  # viewers share it for a while
    live.tick(10)
    newest = charts.locator("[aria-labelledby^='chart-throughput-title'] .chart-slots > a").last
    expect(newest).to_be_visible()
    assert live.page.evaluate("window.charted") == 1
    newest.focus()
    live.page.keyboard.press("ArrowLeft")
    expect(charts.locator("[data-readout]").first).to_contain_text(": no one sampled")
    live.page.keyboard.press("End")
    expect(newest).to_be_focused()


def test_a_refresh_keeps_the_focus_and_the_place(bus: HandBus, visit: Callable[..., Visitor]) -> None:
    first, *_ = [bus.send() for _ in range(15)]
    visitor = visit(width=390)
    page = visitor.open("/")
    page.locator(f"a[href='/commands/{first}/']").focus()
    page.evaluate("window.scrollTo(0, 120)")
    bus.receive(2)
    expect(page.locator("#count-in_progress dd")).to_have_text("2", timeout=10_000)
    assert visitor.focused().get_attribute("href") == f"/commands/{first}/"
    assert page.evaluate("window.scrollY") == 120


def test_while_the_server_is_away_it_says_so_and_keeps_what_it_knows(bus: HandBus, live: Live) -> None:
    page = live.page
    page.unroute(FRAGMENT)
    page.route(FRAGMENT, lambda route: route.abort("connectionrefused"))
    fresh = page.evaluate("new Date().toLocaleTimeString()")
    live.tick_and_answer(2)
    assert live.state == f"Reconnecting… as of {fresh}"
    expect(page.locator("#events-title")).to_be_visible()

    page.unroute(FRAGMENT)
    page.route(FRAGMENT, lambda route: route.fulfill(status=503, body="The database does not answer"))
    live.tick_and_answer(2)
    assert live.state == f"Reconnecting… as of {fresh}"
    assert "The database does not answer" not in live.visitor.text("body")

    page.unroute(FRAGMENT)
    wait_until_shown(page, bus.send())
    live.tick_and_answer(4)  # it asks less often while nobody answers
    assert live.state == "Live"
    expect(page.locator("#count-pending dd")).to_have_text("1")


def test_a_command_is_watched_to_its_end_and_no_longer(bus: HandBus, visit: Callable[..., Visitor]) -> None:
    sent = bus.send()
    live = Live(visit(), f"/commands/{sent}/")
    attempt = bus.begin(sent)
    live.tick_and_answer(2)
    expect(live.page.locator("#status")).to_have_text("In progress")
    bus.finish(outcome(sent, attempt))
    live.tick_and_answer(2)
    expect(live.page.locator("#status")).to_have_text("Completed")
    before = live.asked
    live.tick(600)
    assert live.asked == before
    assert live.state == "Ended"


def test_a_parked_command_is_watched_slowly_and_shows_what_an_operator_does(
    bus: HandBus, visit: Callable[..., Visitor]
) -> None:
    sent = bus.send({"type": "fail_permanent"})
    bus.finish(outcome(sent, bus.begin(sent), "permanent"))
    live = Live(visit(), f"/commands/{sent}/")
    live.tick(14)
    assert live.asked == 0
    bus.conn.execute("SELECT commandbus.operator_retry('test', %s, 'ada')", [sent])
    live.tick_and_answer(1)
    expect(live.page.locator("#status")).to_have_text("Pending")
    live.tick_and_answer(2)


@pytest.mark.parametrize("way", ["cache", "memory"])
def test_back_shows_the_page_as_things_are_now(way: str, bus: HandBus, visit: Callable[..., Visitor]) -> None:
    page = visit().open("/")
    choose(page, "Off")
    if way == "cache":
        page.goto("/loadtests/")
    wait_until_shown(page, bus.send())
    if way == "cache":
        page.go_back()
    else:  # as a browser does that kept the page in its memory
        page.evaluate("dispatchEvent(new PageTransitionEvent('pageshow', {persisted: true}))")
    expect(page.locator("#count-pending dd")).to_have_text("1")
    expect(page.locator(".event time")).to_have_text(re.compile(r"^(now|\d s ago)$"))


def test_a_browsers_clock_that_is_wrong_or_set_anew_changes_no_time(
    bus: HandBus, visit: Callable[..., Visitor]
) -> None:
    visitor = visit()
    wait_until_shown(visitor.page, bus.send())
    live = Live(visitor, "/")
    moment = live.page.locator(".event time")
    for wrong in (-3600, 7200):
        live.page.clock.set_system_time(time.time() + wrong)
        live.tick(1)
        expect(moment).to_have_text(re.compile(r"^(now|\d+ s ago)$"))


def test_times_go_on_between_two_answers(bus: HandBus, live: Live) -> None:
    wait_until_shown(live.page, bus.send())
    live.tick_and_answer(2)
    choose(live.page, "Off")
    live.tick(65)
    moment = live.page.locator(".event time")
    expect(moment).to_have_text("1 min ago")
    assert "(local)" in (moment.get_attribute("title") or "")


def test_an_answer_that_shows_nothing_new_leaves_the_page_alone_and_its_times_go_on(
    bus: HandBus, visit: Callable[..., Visitor]
) -> None:
    visitor = visit("admin")  # whose browser keeps no page
    wait_until_shown(visitor.page, bus.send())
    live = Live(visitor, "/")
    page = live.page
    statuses: list[int] = []
    page.on("response", lambda response: statuses.append(response.status) if FRAGMENT.match(response.url) else None)
    live.tick_and_answer(2)
    page.evaluate("document.querySelector('#events-title').dataset.kept = 'yes'")
    now = page.locator("[data-now]").get_attribute("data-now")

    def has_gone_on() -> bool:
        live.tick_and_answer(2)
        return page.locator("[data-now]").get_attribute("data-now") != now

    wait_until(has_gone_on, message="a later answer: all viewers share one for a second")
    assert statuses == [200, *[304] * (len(statuses) - 1)]
    assert live.state == "Live"
    expect(page.locator("#events-title[data-kept=yes]")).to_be_visible()
    expect(page.locator(".event time")).to_have_text(re.compile(r"^(now|\d+ s ago)$"))
    sent = bus.send()
    wait_until_shown(page, sent)
    live.tick_and_answer(2)
    assert statuses[-1] == 200
    expect(page.locator(f"a[href='/commands/{sent}/']")).to_be_visible()
