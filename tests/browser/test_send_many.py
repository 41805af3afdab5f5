"""A bulk send by hand: shares follow what is typed, and its operation is watched to its end without a reload."""

from collections.abc import Callable

from playwright.sync_api import expect

from tests.support.bus import HandBus
from tests.support.visitor import Visitor


def test_a_mix_is_put_together_sent_and_watched(bus: HandBus, visit: Callable[..., Visitor]) -> None:
    visitor = visit("admin")
    page = visitor.open("/send/")
    page.get_by_role("link", name="Send many").click()
    page.get_by_role("link", name="10,000 mixed").click()
    expect(page.locator("#share-success")).to_have_text("70 %")
    visitor.remember_this_load()
    page.get_by_label("Weight of success").fill("20")
    expect(page.locator("#share-success")).to_have_text("40 %")
    page.get_by_label("How many").fill("50")
    expect(page.locator("#mix-ends")).to_contain_text("≈ 32")
    page.get_by_label("One of each in turn").check()
    expect(page.locator("#share-success")).to_have_text("20 %")
    expect(page.locator("#mix-ends")).not_to_contain_text("≈")
    assert not visitor.has_reloaded()
    page.get_by_role("button", name="Send them").click()

    page.wait_for_url("**/operations/*/")
    visitor.remember_this_load()
    expect(page.locator("#state")).to_have_text("Waiting")
    expect(page.locator("#no-worker")).to_contain_text("manage.py runworker")
    bus.value("SELECT commandbus.work_operation(20)")
    expect(page.locator("#state")).to_have_text("Running")
    expect(page.locator("#progress")).to_contain_text("20 of 50 sent, 40 %")
    bus.value("SELECT commandbus.work_operation(30)")
    expect(page.locator("#state")).to_have_text("Done")
    expect(page.locator("#progress")).to_contain_text("50 sent")
    assert not visitor.has_reloaded()
