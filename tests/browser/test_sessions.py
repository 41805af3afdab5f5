"""A session that ends while a page is open: the login, the way back, and what was typed before."""

from collections.abc import Callable

import pytest
from django.contrib.auth.hashers import PBKDF2PasswordHasher
from django.contrib.auth.models import Permission, User
from django.contrib.sessions.models import Session
from playwright.sync_api import Page, expect

from commands.models import TestCommand
from settings_app.models import Configuration
from tests.browser.test_live import Live
from tests.support.visitor import Visitor

SETTINGS = "/admin/settings_app/configuration/1/change/"
PASSWORD = "a long secret"
QUICK_HASH = PBKDF2PasswordHasher().encode(PASSWORD, "salt", iterations=1)
FILLED_IN = "What you typed before is filled in again."


@pytest.fixture(autouse=True)
def _people(accounts: None) -> None:
    for name in ("admin", "grace"):
        User.objects.create(username=name, password=QUICK_HASH, is_staff=True, is_superuser=True)


def log_in(page: Page, name: str = "admin") -> None:
    page.get_by_label("Username").fill(name)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Log in").click()


def type_a_command(page: Page) -> None:
    # What must happen, which the page asks for as one types, would notice the end of the session before the form does.
    page.route("**/outlook*/**", lambda route: route.abort())
    page.locator("input[name=type][value=fail_transient_then_succeed]").check()
    page.locator("[name=transient_failures]").fill("7")
    page.locator("[name=payload]").fill('{"order": 42}')
    page.locator("[name=reply]").check()


def assert_typed(page: Page) -> None:
    expect(page.get_by_text(FILLED_IN)).to_be_visible()
    expect(page.locator("input[name=type][value=fail_transient_then_succeed]")).to_be_checked()
    expect(page.locator("[name=transient_failures]")).to_have_value("7")
    expect(page.locator("[name=transient_failures]")).to_be_visible()
    expect(page.locator("[name=payload]")).to_have_value('{"order": 42}')
    expect(page.locator("[name=reply]")).to_be_checked()


def send(page: Page) -> None:
    page.get_by_role("button", name="Send command").click()


def test_a_live_page_goes_to_the_login_and_comes_back_with_what_was_typed(visit: Callable[..., Visitor]) -> None:
    page = visit("admin").open(SETTINGS)
    page.get_by_label("Concurrency").fill("7")
    page.get_by_label("Heartbeat").check()
    Session.objects.all().delete()
    expect(page.get_by_role("heading", name="Log in")).to_be_visible(timeout=10_000)
    expect(page.get_by_text("What you typed before comes back after the login.")).to_be_visible()
    log_in(page)
    expect(page.get_by_text(FILLED_IN)).to_be_visible()
    expect(page.get_by_label("Concurrency")).to_have_value("7")
    expect(page.get_by_label("Heartbeat")).to_be_checked()
    expect(page.get_by_label("Batch size")).to_have_value("10")
    assert Configuration.load().version == 1
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("Saved as version 2: concurrency 4 → 7, heartbeat off → on.")).to_be_visible()
    expect(page.get_by_text(FILLED_IN)).to_be_hidden()


def test_a_form_that_is_sent_after_the_session_ended_comes_back_as_it_was_typed(visit: Callable[..., Visitor]) -> None:
    page = visit("admin").open("/send/?type=timeout")
    type_a_command(page)
    Session.objects.all().delete()
    send(page)
    log_in(page)
    assert_typed(page)
    assert not TestCommand.objects.exists()
    send(page)
    expect(page.get_by_text("The command is sent.")).to_be_visible()
    assert TestCommand.objects.get().payload == {"order": 42}
    page.goto("/send/")
    expect(page.locator("[name=payload]")).not_to_have_value('{"order": 42}')


def test_what_one_user_typed_is_not_shown_to_another(visit: Callable[..., Visitor]) -> None:
    page = visit("admin").open("/send/")
    type_a_command(page)
    Session.objects.all().delete()
    send(page)
    log_in(page, "grace")
    expect(page.get_by_role("heading", name="Send command")).to_be_visible()
    expect(page.locator("[name=payload]")).not_to_have_value('{"order": 42}')
    expect(page.get_by_text(FILLED_IN)).to_be_hidden()
    assert page.evaluate("sessionStorage.getItem('typed')") is None


def test_a_form_made_out_of_date_by_a_login_in_another_tab_comes_back_as_it_was_typed(
    visit: Callable[..., Visitor],
) -> None:
    page = visit("admin").open("/send/")
    type_a_command(page)
    other = page.context.new_page()
    other.goto("/send/")
    other.get_by_role("button", name="admin").click()
    other.get_by_role("button", name="Log out").click()
    other.goto("/login/")
    log_in(other)
    expect(other.get_by_role("heading", name="Dashboard")).to_be_visible()
    send(page)
    expect(page.get_by_role("heading", name="This form is out of date")).to_be_visible()
    expect(page.get_by_text("What you typed comes back with it.")).to_be_visible()
    page.get_by_role("link", name="Load the form again").click()
    assert_typed(page)
    send(page)
    expect(page.get_by_text("The command is sent.")).to_be_visible()


def test_without_javascript_the_browsers_back_has_what_was_typed(visit: Callable[..., Visitor]) -> None:
    page = visit("admin", script=False).open("/send/")
    page.locator("[name=payload]").fill('{"order": 42}')
    Session.objects.all().delete()
    send(page)
    expect(page.get_by_role("heading", name="Log in")).to_be_visible()
    log_in(page)
    expect(page.get_by_role("heading", name="Send command")).to_be_visible()
    page.go_back()
    page.go_back()
    expect(page.locator("[name=payload]")).to_have_value('{"order": 42}')


def test_a_live_page_whose_right_is_taken_away_says_so_and_asks_no_more(visit: Callable[..., Visitor]) -> None:
    eve = User.objects.create_user("eve", is_staff=True)
    right = Permission.objects.get(codename="view_configuration")
    eve.user_permissions.add(right)
    live = Live(visit("eve"), SETTINGS)
    live.tick_and_answer(2)
    expect(live.page.get_by_text("No worker is running")).to_be_visible()
    eve.user_permissions.clear()
    live.tick_and_answer(2)
    expect(live.page.get_by_text("You may not see this any more.")).to_be_visible()
    expect(live.page.get_by_text("You need the permission settings_app.view_configuration")).to_be_visible()
    expect(live.page.get_by_text("No worker is running")).to_be_hidden()
    before = live.asked
    live.tick(600)
    assert live.asked == before
