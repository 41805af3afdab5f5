"""READ_ONLY: every change is refused to everybody, pages offer none, and logins go on."""

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse
from pytest_django.fixtures import Settings

from commands.bus.send import send_test_command
from commands.models import TestCommand
from commands.rules.behaviors import Behavior, BehaviorType
from e2e_site.models import ApiToken
from settings_app.models import Configuration
from tests.support.api import ALL, Api, refusal, token_of, user_with

pytestmark = pytest.mark.django_db
BANNER = 'id="read-only"'


@pytest.fixture(autouse=True)
def _for_reading_only(settings: Settings) -> None:
    settings.READ_ONLY = True
    settings.PUBLIC_READ = True


@pytest.fixture
def root() -> Client:
    client = Client()
    client.force_login(User.objects.create(username="root", is_superuser=True, is_staff=True))
    return client


def test_every_page_says_so(root: Client, settings: Settings) -> None:
    pages = ("/", "/commands/", "/tsq/", "/queue/", "/tokens/", "/admin/settings_app/configuration/1/change/")
    for address in pages:
        assert BANNER in root.get(address).text
    assert BANNER in Client().get("/").text
    settings.READ_ONLY = False
    assert BANNER not in root.get("/").text


def test_a_superuser_sends_and_changes_nothing(root: Client) -> None:
    before = Configuration.load().version
    for address, data in (
        ("/send/", {"type": "success"}),
        ("/queue/paused/", {"paused": "on"}),
        ("/tsq/act/", {"action": "cancel"}),
        ("/tokens/", {"name": "x"}),
        ("/admin/settings_app/configuration/1/change/", {"concurrency": "7"}),
        ("/admin/auth/user/add/", {"username": "eve"}),
        ("/admin/password_change/", {"old_password": "x"}),
    ):
        response = root.post(address, data)
        assert response.status_code == 403
        assert "This site is for reading only just now (READ_ONLY)" in response.text
        assert "Ask an administrator" not in response.text
    assert not TestCommand.objects.exists()
    assert not ApiToken.objects.exists()
    assert Configuration.load().version == before


def test_no_page_offers_what_would_be_refused(root: Client) -> None:
    waiting = send_test_command(Behavior(type=BehaviorType.SUCCESS)).command_id
    for address, absent in (
        ("/", 'href="/send/"'),
        ("/commands/", 'href="/send/"'),
        (f"/commands/{waiting}/", 'id="send-another"'),
        ("/queue/", "/cancel/"),
        ("/queue/", 'action="/queue/paused/"'),
        ("/operations/", 'href="/send/many/"'),
        ("/tokens/", "Make the token"),
        ("/admin/settings_app/configuration/1/change/", 'name="_save"'),
        ("/admin/settings_app/configuration/1/change/", "Reset to defaults"),
        ("/admin/auth/user/", "/admin/auth/user/add/"),
        ("/admin/", "/admin/password_change/"),
    ):
        response = root.get(address)
        assert response.status_code == 200
        assert absent not in response.text, address
        assert absent not in Client().get(address).text
    page = root.get(f"/commands/{waiting}/").text
    assert "This site is for reading only just now" in page[page.index('id="actions-why"') :]
    assert "disabled" in page[page.index('id="act-cancel-button"') :]


def test_forms_are_not_shown_either(root: Client) -> None:
    for address in ("/send/", "/send/many/", "/admin/password_change/", "/admin/settings_app/configuration/1/reset/"):
        assert root.get(address).status_code == 403


def test_logging_in_and_out_works() -> None:
    User.objects.create_user("ada", password="secret")
    client = Client()
    assert client.post("/login/", {"username": "ada", "password": "secret"})["Location"] == "/"
    assert "Log out" in client.get("/").text
    assert client.post("/logout/")["Location"] == "/"
    assert "_auth_user_id" not in client.session
    assert client.post(reverse("admin:login"), {"username": "ada", "password": "secret"}).status_code in (200, 302)


def test_the_api_reads_and_refuses_every_change() -> None:
    user = user_with(*ALL)
    for api in (Api(), Api(token_of(user, *ALL))):
        assert api.get("/commands").status_code == 200
        body = refusal(api.post("/commands", {}), 403)
        assert body["code"] == "read_only"
        assert "reading only" in body["detail"]


def test_a_permission_that_reads_is_still_needed_and_enough(settings: Settings) -> None:
    client = Client()
    client.force_login(user_with("e2e_site.view_apitoken"))
    assert client.get("/tokens/all/").status_code == 200
    other = Client()
    other.force_login(user_with(name="eve"))
    assert other.get("/tokens/all/").status_code == 403
