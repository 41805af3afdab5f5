"""The troubleshooting queue with mouse and keyboard: several commands are selected at once, and retried as success."""

from collections.abc import Callable

from playwright.sync_api import expect

from tests.support.bus import HandBus, outcome
from tests.support.visitor import Visitor


def test_a_range_is_selected_by_shift_and_retried_as_success(bus: HandBus, visit: Callable[..., Visitor]) -> None:
    ids = [bus.send({"type": "fail_permanent"}) for _ in range(8)]
    begun = bus.receive()["commands"]
    bus.finish(*[outcome(i, begun[i], "permanent", error_msg="x" * 400) for i in ids])
    visitor = visit("admin")
    page = visitor.open("/tsq/")
    boxes = page.get_by_role("checkbox", name="Select command")
    said = page.locator("[data-selected]")

    boxes.nth(1).click()
    boxes.nth(3).click(modifiers=["Shift"])
    expect(said).to_have_text("3")
    # The same by keys: down twice, and from the last one to there.
    for key in ("ArrowDown", "ArrowDown", "Shift+Space"):
        page.keyboard.press(key)
    expect(said).to_have_text("5")
    page.keyboard.press("Space")
    expect(said).to_have_text("4")
    assert [box.is_checked() for box in boxes.all()] == [False, True, True, True, True, False, False, False]
    page.get_by_label("all 8 in the queue").check()
    boxes.nth(0).click()
    expect(page.get_by_label("5 selected")).to_be_checked()
    assert not visitor.barriers()

    page.get_by_role("button", name="Retry", exact=True).click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Retry 5 commands?")
    expect(page.get_by_label("Execution time (ms)")).to_be_hidden()
    page.get_by_label("Retry", exact=True).select_option("success")
    expect(page.get_by_label("Execution time (ms)")).to_be_visible()
    expect(page.get_by_label("Transient failures")).to_be_hidden()
    page.locator("#gradual > summary").click()
    visitor.narrow()
    assert not visitor.barriers()
    assert not visitor.is_too_wide()
    page.get_by_role("button", name="Retry 5 commands").click()
    expect(page.get_by_role("status").first).to_contain_text("5 commands were sent again.")
    expect(boxes).to_have_count(3)
    again = bus.receive()["commands"]
    assert {attempt["behavior"]["type"] for attempt in again.values()} == {"success"}
    assert len(again) == 5
