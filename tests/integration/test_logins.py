"""Failed logins: whom they make wait, for how long, and whom they do not."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from axes.models import AccessAttempt
from django.contrib.auth.models import User
from django.core.management import call_command
from django.test import Client, RequestFactory
from django.utils import timezone
from pytest_django.fixtures import Settings

from e2e_site.logins import client_address

pytestmark = pytest.mark.django_db

REFUSED = "Too many logins failed."
LogIn = Callable[..., Any]


@pytest.fixture(autouse=True)
def _people(settings: Settings) -> None:
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    for name in ("ada", "grace"):
        User.objects.create_user(name, password="right", is_staff=True)


@pytest.fixture
def log_in() -> LogIn:
    """Tries a password, wrong unless told otherwise, in a new browser at an address."""

    def attempt(
        name: str = "ada", says: str = "wrong", *, at: str = "192.0.2.1", page: str = "/login/", **headers: str
    ) -> Any:
        fields = {"username": name, "password": says, "next": "/send/"}
        return Client(REMOTE_ADDR=at, headers=headers).post(page, fields)

    return attempt


def entered(response: Any) -> bool:
    return bool(response.status_code == 302)


@pytest.mark.parametrize("page", ["/login/", "/admin/login/"])
def test_after_five_failures_even_the_right_password_waits_and_the_page_says_how_long(log_in: LogIn, page: str) -> None:
    for agent in range(4):
        assert log_in(page=page, user_agent=f"browser {agent}").status_code == 200
    assert log_in(page=page).status_code == 429

    response = log_in(says="right", page=page)

    assert response.status_code == 429
    assert 14 * 60 < int(response["Retry-After"]) <= 15 * 60
    assert REFUSED in response.text
    assert "no password is tried for the next 15 minutes." in response.text
    assert "Please enter a correct" not in response.text
    assert 'value="ada"' in response.text, "the form is there for later"
    assert 'value="/send/"' in response.text
    assert 'id="sidebar"' in response.text


def test_nobody_else_waits_for_it(log_in: LogIn) -> None:
    for _ in range(6):
        log_in()
    assert entered(log_in(says="right", at="192.0.2.2")), "the same user elsewhere"
    assert entered(log_in("grace", "right")), "another user at the same address"


def test_the_wait_ends_by_itself_whatever_is_tried_meanwhile(log_in: LogIn) -> None:
    for _ in range(5):
        log_in()
    AccessAttempt.objects.update(attempt_time=timezone.now() - timedelta(minutes=14))
    assert log_in(says="right").status_code == 429
    assert "for the next 1 minute." in log_in().text
    AccessAttempt.objects.update(attempt_time=timezone.now() - timedelta(minutes=15))
    assert entered(log_in(says="right"))


def test_an_own_login_now_and_then_does_not_cover_the_guessing_of_anothers_password(log_in: LogIn) -> None:
    for _ in range(4):
        log_in("ada")
    assert entered(log_in("grace", "right"))
    assert log_in("ada").status_code == 429


def test_a_login_forgives_the_failures_before_it(log_in: LogIn) -> None:
    for _ in range(4):
        log_in()
    assert entered(log_in(says="right"))
    assert log_in().status_code == 200


def test_an_address_that_tries_many_names_waits_with_all_of_them(log_in: LogIn, settings: Settings) -> None:
    settings.LOGIN_FAILURES_PER_ADDRESS = 10
    for number in range(10):
        response = log_in(f"user{number}")
    assert response.status_code == 429
    assert log_in("grace", "right").status_code == 429
    assert entered(log_in("grace", "right", at="192.0.2.2"))


def test_behind_a_proxy_the_visitors_address_counts_and_what_a_visitor_claims_does_not(
    log_in: LogIn, settings: Settings
) -> None:
    settings.PROXIES = 1
    for number in range(5):
        response = log_in(x_forwarded_for=f"203.0.113.{number}, 198.51.100.7")
    assert response.status_code == 429
    assert entered(log_in(says="right", x_forwarded_for="198.51.100.7, 198.51.100.8"))


def test_behind_a_proxy_that_names_no_visitor_all_of_them_are_not_one(log_in: LogIn, settings: Settings) -> None:
    settings.PROXIES, settings.LOGIN_FAILURES_PER_ADDRESS = 1, 6
    for number in range(8):
        log_in(f"user{number}")
    assert entered(log_in("grace", "right"))
    for _ in range(5):
        response = log_in("ada")
    assert response.status_code == 429


@pytest.mark.parametrize(
    ("proxies", "remote", "forwarded", "address"),
    [
        (0, "192.0.2.1", "203.0.113.9", "192.0.2.1"),
        (0, "", "", None),  # a Unix socket
        (1, "127.0.0.1", "203.0.113.9, 192.0.2.1", "192.0.2.1"),
        (2, "127.0.0.1", "203.0.113.9, 192.0.2.1, 10.0.0.1", "192.0.2.1"),
        (2, "127.0.0.1", "10.0.0.1", None),
        (1, "127.0.0.1", "unknown", None),
        (0, "::ffff:192.0.2.1", "", "192.0.2.1"),
        (0, "2001:db8:1:2:3:4:5:6", "", "2001:db8:1:2::"),
    ],
)
def test_whose_address_it_is(
    proxies: int, remote: str, forwarded: str, address: str | None, settings: Settings
) -> None:
    settings.PROXIES = proxies
    assert (
        client_address(RequestFactory().get("/", REMOTE_ADDR=remote, headers={"X-Forwarded-For": forwarded})) == address
    )


def test_an_administrator_lifts_it(log_in: LogIn) -> None:
    for _ in range(5):
        log_in()
    call_command("axes_reset_username", "ada", verbosity=0)
    assert entered(log_in(says="right"))
