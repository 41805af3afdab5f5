"""Settings edited in the admin are taken by a running worker, and the page says so, within two seconds."""

import time
from collections.abc import Callable

from django.contrib.auth.models import User
from playwright.sync_api import expect

from tests.support.bus import HandBus
from tests.support.programs import StartedProgram
from tests.support.visitor import Visitor
from tests.support.waiting import wait_until


def test_a_saved_setting_is_taken_by_the_worker_and_the_page_says_so(
    bus: HandBus, worker: StartedProgram, visit: Callable[..., Visitor]
) -> None:
    visitor = visit("admin")
    page = visitor.open("/")
    page.get_by_role("link", name="Settings").click()
    expect(page.get_by_text("Every live worker runs it (1 of 1).")).to_be_visible()
    page.get_by_label("Concurrency").fill("7")
    page.get_by_label("Heartbeat").check()
    saved = time.monotonic()
    page.get_by_role("button", name="Save").click()
    wait_until(lambda: bus.value("SELECT concurrency FROM e2e_worker WHERE settings_version = 2") == 7, 5)
    assert time.monotonic() - saved < 2 + 1  # the worker's two seconds, and the page's own
    expect(page.get_by_text("Saved as version 2: concurrency 4 → 7, heartbeat off → on.")).to_be_visible()
    expect(page.get_by_text("Version 2, saved by admin")).to_be_visible()
    expect(page.get_by_text("Every live worker runs it (1 of 1).")).to_be_visible(timeout=5_000)
    visitor.open("/")
    expect(page.get_by_text("0 of 7")).to_be_visible(timeout=5_000)
    expect(page.get_by_text("version 2, the newest")).to_be_visible()


def test_a_setting_out_of_range_is_said_at_its_field(visit: Callable[..., Visitor]) -> None:
    page = visit("admin").open("/settings/")
    page.get_by_label("Concurrency").fill("501")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("Ensure this value is less than or equal to 500.")).to_be_visible()
    expect(page.get_by_label("Concurrency")).to_have_value("501")


def test_a_person_logs_in_by_the_form_and_lands_where_they_wanted_to_go(visit: Callable[..., Visitor]) -> None:
    User.objects.create_superuser("ada", password="a long secret")
    page = visit().open("/send/")
    page.get_by_label("Username").fill("ada")
    page.get_by_label("Password").fill("a long secret")
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_role("heading", name="Send command")).to_be_visible()
