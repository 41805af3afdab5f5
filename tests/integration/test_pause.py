"""Pausing and resuming all workers: who may, what it records, and that every page says so."""

from collections.abc import Callable

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.messages import get_messages
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from pytest_django.fixtures import Settings

from settings_app import pause
from settings_app.models import Configuration
from tests.integration.test_pages import ask, begin, finish, send, text, worker

pytestmark = pytest.mark.django_db

BANNER = "The queue is paused: workers take nothing more."
SWITCH = "/queue/paused/"


@pytest.fixture(autouse=True)
def _open(settings: Settings) -> None:
    settings.PUBLIC_READ = True


@pytest.fixture
def ada(client_of: Callable[..., Client]) -> Client:
    return client_of("ada", "change_configuration", staff=False)


def pressed(client: Client, paused: str) -> str:
    """What a user reads after pressing the button."""
    response = client.post(SWITCH, {"paused": paused})
    assert (response.status_code, response["Location"]) == (302, "/queue/")
    return str(list(get_messages(response.wsgi_request))[-1])


def test_a_press_pauses_another_resumes_and_both_are_recorded(ada: Client) -> None:
    assert 'name="paused" value="on"' in ada.get("/queue/").text
    assert pressed(ada, "on") == "The workers are paused (settings version 2)."
    config = Configuration.load()
    assert (config.paused, config.version, config.updated_by) == (True, 2, "ada")
    assert 'name="paused" value="off"' in ada.get("/queue/").text
    assert pressed(ada, "off") == "The workers are resumed (settings version 3)."
    assert Configuration.load().paused is False
    log = LogEntry.objects.order_by("pk").values_list("user__username", "object_id", "change_message")
    assert list(log) == [("ada", "1", "paused off → on."), ("ada", "1", "paused on → off.")]


def test_of_two_who_press_one_pauses_and_the_other_reads_who_that_was(
    ada: Client, client_of: Callable[..., Client]
) -> None:
    pressed(ada, "on")
    assert pressed(client_of("grace", "change_configuration"), "on") == "The workers are paused already: ada."
    config = Configuration.load()
    assert (config.version, config.updated_by, LogEntry.objects.count()) == (2, "ada", 1)


@pytest.mark.parametrize("data", [{}, {"paused": ""}, {"paused": "true"}])
def test_a_press_that_says_neither_is_refused(ada: Client, data: dict[str, str]) -> None:
    assert ada.post(SWITCH, data).status_code == 400
    assert Configuration.load().version == 1


def test_pausing_needs_the_permission_and_the_token(ada: Client, client_of: Callable[..., Client]) -> None:
    strict = Client(enforce_csrf_checks=True)
    strict.cookies = ada.cookies
    clients = ((Client(), 302), (client_of("eve", "operate_command", "view_configuration"), 403), (strict, 403))
    for client, status in clients:
        assert client.post(SWITCH, {"paused": "on"}).status_code == status
    for client, _ in clients[:2]:
        assert 'name="paused"' not in client.get("/queue/").text
    assert Configuration.load().paused is False


def test_every_page_says_so_while_it_is_on_the_admin_too(admin_client: Client) -> None:
    sent = send()
    pages = ("/", "/queue/", "/send/", f"/commands/{sent}/", f"/queue/{sent}/cancel/", "/loadtests/", "/admin/",
             "/admin/commands/command/", "/admin/settings_app/configuration/1/change/")  # fmt: skip
    for page in pages:
        assert BANNER not in admin_client.get(page).text, page
    pressed(admin_client, "on")
    for page in pages:
        assert admin_client.get(page).text.count(BANNER) == 1, page
    assert BANNER not in Client().get("/login/").text
    assert BANNER not in Client().get("/nowhere/").text
    pressed(admin_client, "off")
    for page in pages:
        assert BANNER not in admin_client.get(page).text, page


def test_the_banner_costs_one_query_a_moment(settings: Settings) -> None:
    def asked(address: str) -> int:
        with CaptureQueriesContext(connection) as queries:
            assert Client().get(address).status_code == 200
        return sum(query["sql"].startswith('SELECT "e2e_config"."paused"') for query in queries)

    pause.forget()
    settings.SHARED_FOR_S = 60
    assert [asked("/loadtests/") for _ in range(2)] == [1, 0]
    pause.forget()
    assert asked(f"/commands/{send()}/live/") == 0  # a fragment has no banner
    pause.forget()


def test_a_change_in_the_admin_is_shown_at_once(admin_client: Client, settings: Settings) -> None:
    settings.SHARED_FOR_S = 60
    assert BANNER not in admin_client.get("/loadtests/").text
    values = {name: str(value) for name, value in Configuration.load().values().items()}
    seen = {f"initial-{name}": value for name, value in values.items()}
    data = {**values, **seen, "seen_version": "1", "paused": "on"}
    assert admin_client.post("/admin/settings_app/configuration/1/change/", data).status_code == 302
    assert BANNER in admin_client.get("/loadtests/").text
    pause.forget()


def test_pages_say_which_workers_have_stopped_taking(ada: Client) -> None:
    worker("alpha")
    worker("beta")
    ask("UPDATE e2e_worker SET in_flight = 1")
    assert "2 workers take from it, 2 attempts in flight" in text(ada.get("/queue/").text)
    pressed(ada, "on")
    ask("UPDATE e2e_worker SET settings_version = 2 WHERE host = 'alpha'")
    assert "Workers that have stopped taking: 1 of 2; attempts that still run: 2." in text(ada.get("/queue/live/").text)
    dashboard = text(ada.get("/live/").text)
    assert "alpha · 4711 Paused" in dashboard
    assert "beta · 4711 Running" in dashboard
    panel = text(ada.get("/admin/settings_app/configuration/1/workers/").text)
    assert "The queue is paused. A worker that runs this version takes nothing more" in panel


def test_while_paused_a_command_can_be_sent_and_what_runs_ends(ada: Client) -> None:
    sent = send()
    attempt = begin()[sent]
    pressed(ada, "on")
    finish(attempt)
    assert ask("SELECT status FROM commandbus.command") == "COMPLETED"
    assert ask("SELECT status FROM commandbus.command WHERE command_id = %s", send()) == "PENDING"
