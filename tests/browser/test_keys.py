"""The keys of all pages, the switch that turns them off, and times as a visitor likes them."""

import re
from collections.abc import Callable

from playwright.sync_api import expect

from tests.support.bus import HandBus, outcome
from tests.support.visitor import Visitor


def test_keys_find_open_and_go(bus: HandBus, visit: Callable[..., Visitor]) -> None:
    ids = [bus.send() for _ in range(3)]
    visitor = visit()
    page = visitor.open("/")
    keys = page.keyboard

    keys.press("?")
    expect(page.get_by_role("dialog", name="Keys")).to_be_visible()
    assert not visitor.barriers_in_both_themes()
    keys.press("g")
    keys.press("c")  # nothing below a dialog
    keys.press("Escape")
    expect(page.get_by_role("dialog")).to_be_hidden()
    expect(page).to_have_url(re.compile(r"/$"))

    keys.press("g")
    keys.press("c")
    expect(page.get_by_role("heading", level=1)).to_have_text("Commands")
    page.wait_for_load_state()  # until its scripts have run
    for key in ("j", "j", "j", "k"):
        keys.press(key)
    expect(page.locator(f"#command-{ids[1]} a").first).to_be_focused()
    keys.press("Enter")
    expect(page.locator("#command-id")).to_have_text(str(ids[1]))

    page.wait_for_load_state()
    keys.press("/")
    expect(page.locator("#find")).to_be_focused()
    keys.type("jg?a")  # in a field they are letters
    expect(page.locator("#find")).to_have_value("jg?a")
    page.locator("#find").fill(str(ids[0])[:13])
    keys.press("Enter")
    expect(page.locator("#command-id")).to_have_text(str(ids[0]))


def test_keys_are_turned_off_in_this_browser(visit: Callable[..., Visitor]) -> None:
    visitor = visit()
    page = visitor.open("/queue/")
    page.get_by_role("link", name="Keys", exact=True).click()
    page.get_by_label("These keys are on, in this browser").uncheck()
    page.keyboard.press("Escape")
    visitor.open("/audit/")
    page.keyboard.press("?")
    page.keyboard.press("g")
    page.keyboard.press("d")
    expect(page.get_by_role("dialog")).to_be_hidden()
    expect(page.get_by_role("heading", level=1)).to_have_text("Audit")
    visitor.open("/keys/")
    expect(page.get_by_label("These keys are on, in this browser")).not_to_be_checked()


def test_times_are_relative_utc_or_those_of_the_browser(bus: HandBus, site: str, visit: Callable[..., Visitor]) -> None:
    sent = bus.send({"type": "fail_permanent"})
    bus.finish(outcome(sent, bus.begin(sent), "permanent"))
    visitor = visit()
    page = visitor.open(f"/commands/{sent}/")
    age = page.locator("dt:has-text('Sent') + dd time").first
    expect(age).to_have_text(re.compile(r"now|ago"))
    written = page.evaluate("node => node.dateTime", age.element_handle())

    page.get_by_role("button", name="UTC", exact=True).click()
    clock = re.sub(r".*T(\d\d:\d\d:\d\d\.\d{3}).*", r"\1", written)
    expect(age).to_have_text(re.compile(re.escape(clock)))
    expect(page.get_by_role("button", name="UTC", exact=True)).to_have_attribute("aria-pressed", "true")

    page.get_by_role("button", name="Local", exact=True).click()
    hour = page.evaluate("text => String(new Date(text).getHours()).padStart(2, '0')", written)
    expect(age).to_have_text(re.compile(f"{hour}{re.escape(clock[2:])}$"))
    expect(age).to_have_attribute("title", re.compile(r"UTC$"))
    assert age.get_attribute("datetime") == written
    assert not visitor.barriers()


def test_without_scripts_keys_are_a_page_and_times_are_chosen(bus: HandBus, visit: Callable[..., Visitor]) -> None:
    bus.send()
    page = visit(script=False).open("/commands/")
    page.get_by_role("button", name="UTC", exact=True).click()
    expect(page).to_have_url(re.compile(r"/commands/$"))
    expect(page.locator("tbody time").first).to_have_text(re.compile(r"\d\d:\d\d:\d\d\.\d{3}$"))
    expect(page.get_by_role("button", name="Local")).to_be_hidden()
    page.get_by_role("link", name="Keys", exact=True).click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Keys")
    expect(page.get_by_text("These keys are on")).to_be_hidden()
