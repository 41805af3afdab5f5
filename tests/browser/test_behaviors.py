"""The main job, by hand: send a command of each behavior in a browser and follow it to its end."""

from collections.abc import Callable

from playwright.sync_api import expect

from tests.support.bus import HandBus
from tests.support.programs import StartedProgram
from tests.support.visitor import Visitor

# What is typed, how it ends, with how many attempts.
BEHAVIORS: dict[str, tuple[dict[str, str], str, str]] = {
    "success": ({"Execution time (ms)": "200"}, "Completed", "1 of 3"),
    "fail_permanent": ({"Error code": "BROKEN"}, "In TSQ", "1 of 3"),
    "business_rule": ({"Error code": "NO_FUNDS"}, "Failed", "1 of 3"),
    "fail_transient": ({"Error message": "Down for now"}, "In TSQ", "3 of 3"),
    "fail_transient_then_succeed": ({"Transient failures": "2"}, "Completed", "3 of 3"),
    "timeout": ({"Execution time (ms)": "1500"}, "Completed", "1 of 3"),
}
FIELDS = {"Execution time (ms)", "Transient failures", "Error code", "Error message"}
TAKEN = {
    "success": {"Execution time (ms)"},
    "fail_permanent": {"Execution time (ms)", "Error code", "Error message"},
    "business_rule": {"Execution time (ms)", "Error code", "Error message"},
    "fail_transient": {"Execution time (ms)", "Error code", "Error message"},
    "fail_transient_then_succeed": {"Execution time (ms)", "Transient failures"},
    "timeout": {"Execution time (ms)"},
}


def test_a_command_of_each_behavior_is_sent_and_followed_to_its_end(
    bus: HandBus, worker: StartedProgram, visit: Callable[..., Visitor]
) -> None:
    bus.conn.execute("UPDATE e2e_config SET base_delay_ms = 300, poll_interval = 0.2")
    visitor = visit("admin")
    visitor.open("/")
    for behavior in BEHAVIORS:
        send_and_follow(visitor, behavior)


def send_and_follow(visitor: Visitor, behavior: str) -> None:
    """From whatever page is open."""
    typed, status, attempts = BEHAVIORS[behavior]
    page = visitor.page
    page.get_by_role("navigation", name="Main").get_by_role("link", name="Send command").click()
    page.locator(f"[value={behavior}]").check()
    for label, value in typed.items():
        page.get_by_label(label, exact=True).fill(value)
    page.get_by_role("button", name="Send command").click()

    page.wait_for_url("**/commands/*/")  # it came from /send/
    visitor.remember_this_load()
    expect(page.get_by_role("heading", level=1)).to_have_text(behavior)
    expect(page.locator("#status")).to_have_text(status, timeout=15_000)
    expect(page.locator("#attempts")).to_have_text(attempts)
    # Out of the troubleshooting queue an operator may still lead it.
    expect(page.locator("[data-live-state]")).to_have_text("Live" if status == "In TSQ" else "Ended")
    assert not visitor.has_reloaded()


def test_only_the_fields_that_a_behavior_takes_are_shown(visit: Callable[..., Visitor]) -> None:
    page = visit("admin").open("/send/")
    for behavior, taken in TAKEN.items():
        page.locator(f"[value={behavior}]").check()
        assert {label for label in FIELDS if page.get_by_label(label, exact=True).is_visible()} == taken, behavior


def test_a_field_that_is_not_taken_is_not_sent(bus: HandBus, visit: Callable[..., Visitor]) -> None:
    page = visit("admin").open("/send/")
    page.locator("[value=fail_permanent]").check()
    page.get_by_label("Error code", exact=True).fill("LEFT OVER")
    page.locator("[value=success]").check()
    page.get_by_role("button", name="Send command").click()
    page.wait_for_url("**/commands/*/")
    assert bus.value("SELECT behavior FROM test_command") == {"type": "success"}


def test_what_is_said_beforehand_follows_what_is_typed(visit: Callable[..., Visitor]) -> None:
    page = visit("admin").open("/send/")
    recovers, works = page.locator("#outlook-fail_transient_then_succeed"), page.locator("#outlook-success")
    page.locator("[value=fail_transient_then_succeed]").check()
    page.get_by_label("Transient failures", exact=True).fill("4")
    expect(recovers).to_contain_text("Fails at each of its 3 attempts (it would complete at attempt 5)")
    page.get_by_label("Max attempts", exact=True).fill("5")
    expect(recovers).to_contain_text("Fails 4 times, then completes at attempt 5")
    page.get_by_label("Execution time (ms)", exact=True).fill("250")
    expect(works).to_contain_text("Completes at attempt 1, after about 250 ms.")
    page.get_by_label("Execution time (ms)", exact=True).press("End")
    page.keyboard.type("e")  # a field of numbers gives it to nobody
    expect(works).to_contain_text("Not known: execution_time_ms must be a whole number from 0 to 3,600,000.")
    expect(works).not_to_contain_text("Completed")
    expect(page.locator("[value=fail_transient_then_succeed]")).to_be_checked()
    expect(page.get_by_label("Execution time (ms)", exact=True)).to_be_focused()


def test_what_is_wrong_is_said_and_the_right_fields_stay_open(visit: Callable[..., Visitor]) -> None:
    page = visit("admin").open("/send/")
    page.locator("[value=fail_transient_then_succeed]").check()
    page.get_by_label("Payload", exact=True).fill("{")
    page.get_by_role("button", name="Send command").click()
    expect(page.get_by_role("alert")).to_contain_text("Nothing was sent")
    expect(page.get_by_label("Payload", exact=True)).to_have_value("{")
    expect(page.get_by_label("Transient failures", exact=True)).to_be_visible()


def test_the_dashboard_shows_the_command_without_a_reload(
    bus: HandBus, worker: StartedProgram, visit: Callable[..., Visitor]
) -> None:
    visitor = visit()
    page = visitor.open("/")
    expect(page.locator("#events-title")).to_be_visible()
    visitor.remember_this_load()
    bus.send({"type": "success"})
    expect(page.locator("#count-completed dd")).to_have_text("1", timeout=10_000)
    expect(page.locator(".event").first).to_contain_text("Completed")
    assert not visitor.has_reloaded()
