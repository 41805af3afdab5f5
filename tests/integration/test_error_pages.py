"""The pages of errors: in the site's clothes, clear, and without the database where that is what failed."""

import logging
from collections.abc import Callable

import pytest
from django.contrib.auth.models import User
from django.test import Client
from pytest_django import DjangoAssertNumQueries, DjangoDbBlocker
from pytest_django.fixtures import Settings

NOWHERE = "postgres://nobody@127.0.0.1:1/nowhere"


@pytest.fixture(autouse=True)
def _open(settings: Settings) -> None:
    settings.PUBLIC_READ = True


@pytest.fixture
def client() -> Client:
    """Gets the answer that a browser gets, not the exception."""
    return Client(raise_request_exception=False)


def dressed(html: str) -> bool:
    return 'id="sidebar"' in html and "css/dist/styles" in html and "</html>" in html


@pytest.mark.django_db
def test_an_address_that_leads_nowhere_is_said_to(client: Client) -> None:
    response = client.get("/nowhere/<b>/")
    assert response.status_code == 404
    assert "No page has the address" in response.text
    assert "/nowhere/&lt;b&gt;/" in response.text
    assert dressed(response.text)


@pytest.mark.django_db
def test_an_address_that_is_no_command_id_leads_nowhere(client: Client) -> None:
    assert client.get("/commands/42/").status_code == 404


@pytest.mark.urls("tests.support.failing_urls")
def test_a_defect_gives_a_page_that_asks_no_database(client: Client, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR, "django.request"):
        response = client.get("/broken/")
    assert response.status_code == 500
    assert "Something went wrong on the server" in response.text
    assert "BrokenError" not in response.text
    assert dressed(response.text)
    assert "BrokenError" in caplog.text


@pytest.mark.django_db
@pytest.mark.urls("tests.support.failing_urls")
def test_a_defect_asks_no_database_for_whom_is_logged_in_either(
    client: Client, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    client.force_login(User.objects.create(username="ada"))
    with django_assert_num_queries(0):
        assert client.get("/broken/").status_code == 500


@pytest.mark.urls("tests.support.failing_urls")
def test_a_request_that_makes_no_sense_is_refused(client: Client) -> None:
    response = client.get("/suspicious/")
    assert response.status_code == 400
    assert "The request cannot be understood" in response.text
    assert dressed(response.text)


@pytest.mark.parametrize("address", ["/", "/live/", "/commands/6f1f3f0e-0000-4000-8000-000000000000/", "/admin/login/"])
def test_without_the_database_each_page_says_so_and_asks_to_come_back(
    address: str, client: Client, django_uses: Callable[[str], None], django_db_blocker: DjangoDbBlocker
) -> None:
    client.cookies["sessionid"] = "a session that the site would look up"
    with django_db_blocker.unblock():
        django_uses(NOWHERE)
        response = client.get(address)
    assert response.status_code == 503
    assert response["Retry-After"] == "5"
    assert "The database does not answer" in response.text
    assert "nobody" not in response.text
    assert dressed(response.text)


@pytest.mark.django_db
@pytest.mark.parametrize("status", [400, 403, 404])
def test_error_pages_keep_the_policy(status: int, client: Client) -> None:
    client.force_login(User.objects.create(username="ada"))
    address = {400: "/", 403: "/send/", 404: "/nowhere/"}[status]
    response = client.get(address, headers={"Host": "elsewhere.example"} if status == 400 else {})
    assert response.status_code == status
    assert "default-src 'none'" in response["Content-Security-Policy"]
