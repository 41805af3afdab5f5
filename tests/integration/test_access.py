"""What each page answers to whom: logins and the ways back, what is missing, caches and policies.

Who is let in where is in test_access_matrix.py.
"""

import re
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import UUID

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client
from pytest_django.fixtures import Settings

from commands.bus.send import send_test_command
from commands.models import TestCommand
from commands.rules.behaviors import Behavior, BehaviorType
from tests.integration import test_access_matrix as matrix

pytestmark = pytest.mark.django_db

PAGES = [page for page in matrix.PAGES if not page.startswith("api/")]
ADMIN_PAGES = (
    "/admin/",
    "/admin/settings_app/configuration/1/change/",
    "/admin/auth/user/",
    "/admin/commands/command/",
    "/admin/bench/loadrun/",
)


@pytest.fixture
def command_id() -> UUID:
    return send_test_command(Behavior(type=BehaviorType.SUCCESS)).command_id


@pytest.fixture
def visitor() -> Callable[[str], Client]:
    """The client of an "anonymous", of a "user" without any permission, or of an "admin"."""

    def client(who: str) -> Client:
        client = Client()
        if who != "anonymous":
            client.force_login(User.objects.create(username=who, is_staff=who == "admin", is_superuser=who == "admin"))
        return client

    return client


def test_where_reading_is_closed_an_anonymous_visitor_is_sent_to_the_login_page_and_back(settings: Settings) -> None:
    settings.PUBLIC_READ = False
    for address in ("/", "/commands/?status=PENDING", "/send/"):
        response = Client().get(address)
        assert (response.status_code, urlsplit(response["Location"]).path) == (302, "/login/")
        assert parse_qs(urlsplit(response["Location"]).query) == {"next": [address]}


def test_an_anonymous_post_sends_nothing(settings: Settings) -> None:
    settings.PUBLIC_READ = True
    response = Client().post("/send/", {"type": "success"})
    assert response["Location"] == "/login/?next=/send/"
    assert not TestCommand.objects.exists()


def test_a_user_without_the_permission_sends_nothing_and_reads_which_one_is_missing(
    visitor: Callable[[str], Client],
) -> None:
    client = visitor("user")
    for response in (client.get("/send/"), client.post("/send/", {"type": "success"})):
        assert response.status_code == 403
        assert "You need the permission commands.add_testcommand to send commands." in response.text
    assert not TestCommand.objects.exists()


def test_the_permission_alone_is_enough_to_send(visitor: Callable[[str], Client]) -> None:
    client = visitor("user")
    User.objects.get().user_permissions.add(Permission.objects.get(codename="add_testcommand"))
    assert client.post("/send/", {"type": "success"}).status_code == 302
    assert TestCommand.objects.count() == 1


def test_a_post_without_the_token_of_its_form_sends_nothing() -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(User.objects.create(username="admin", is_staff=True, is_superuser=True))
    response = client.post("/send/", {"type": "success"})
    assert response.status_code == 403
    assert "This form is out of date" in response.text
    assert ">Load the form again" not in response.text, "nobody knows where it came from"
    assert not TestCommand.objects.exists()


def test_a_form_that_is_out_of_date_leads_back_to_itself_and_nowhere_else() -> None:
    client = Client(enforce_csrf_checks=True)
    for came_from, leads_back in (("http://testserver/send/?type=success", True), ("http://evil.example/send/", False)):
        response = client.post("/send/", {"type": "success"}, headers={"Referer": came_from})
        assert response.status_code == 403
        assert (f'href="{came_from}" class="btn btn-primary">Load the form again' in response.text) is leads_back


@pytest.mark.parametrize("page", [*PAGES, *ADMIN_PAGES, "nowhere/"])
def test_head_answers_as_get_does(
    page: str, known: dict[str, str], visitor: Callable[[str], Client], settings: Settings
) -> None:
    settings.PUBLIC_READ = True
    address = page if page.startswith("/") else matrix.address_of(page, known)
    for who in ("anonymous", "user", "admin"):
        client = visitor(who)
        head, get = client.head(address), client.get(address)
        assert (head.status_code, head.content) == (get.status_code, b"")
        assert head.get("Location") == get.get("Location")


@pytest.mark.parametrize("page", [*PAGES, *ADMIN_PAGES, "nowhere/"])
def test_what_is_made_for_a_session_is_stored_nowhere_and_what_all_may_see_in_no_shared_cache(
    page: str, known: dict[str, str], visitor: Callable[[str], Client], settings: Settings
) -> None:
    settings.PUBLIC_READ = True
    address = page if page.startswith("/") else matrix.address_of(page, known)
    assert "private" in Client().get(address)["Cache-Control"]
    for who in ("user", "admin"):
        policy = visitor(who).get(address)["Cache-Control"]
        assert "private" in policy
        assert "no-store" in policy


def test_a_command_id_in_another_spelling_finds_its_page(command_id: UUID, settings: Settings) -> None:
    settings.PUBLIC_READ = True
    for spelled in (str(command_id).upper(), command_id.hex, command_id.hex.upper()):
        for page in ("", "live/"):
            response = Client().get(f"/commands/{spelled}/{page}")
            assert response.status_code == 200
            assert str(command_id) in response.text
    for wrong in (str(command_id)[:-1], f"{command_id}0", f"{{{command_id}}}", f"urn:uuid:{command_id}", "-" * 36):
        response = Client().get(f"/commands/{wrong}/")
        assert response.status_code == 404
        assert 'id="sidebar"' in response.text


WORKERS = "/admin/settings_app/configuration/1/workers/"


def _fragment(client: Client, address: str, page: str) -> Any:
    return client.get(address, headers={"HX-Request": "true", "HX-Current-URL": f"http://testserver{page}"})


@pytest.mark.parametrize("public", [True, False])
def test_a_fragment_of_the_admin_moves_the_whole_page_to_the_login_when_the_session_has_ended(
    public: bool, settings: Settings
) -> None:
    settings.PUBLIC_READ = public
    response = _fragment(Client(), WORKERS, ADMIN_PAGES[1])
    assert (response.status_code, response.content) == (200, b"")
    assert response["HX-Redirect"] == f"/login/?next={ADMIN_PAGES[1]}"


@pytest.mark.parametrize(
    ("staff", "says"),
    [(True, "You need the permission settings_app.view_configuration"), (False, "eve may not open it")],
    ids=["no permission", "no staff"],
)
def test_a_fragment_that_a_user_may_no_longer_see_is_refused_in_place(staff: bool, says: str) -> None:
    client = Client()
    client.force_login(User.objects.create(username="eve", is_staff=staff))
    response = _fragment(client, WORKERS, ADMIN_PAGES[1])
    assert response.status_code == 403
    assert "HX-Redirect" not in response
    assert "data-live-refused" in response.text
    assert says in response.text
    assert "<html" not in response.text


def test_a_fragment_of_what_is_gone_says_so_in_place(settings: Settings) -> None:
    settings.PUBLIC_READ = True
    address = f"/commands/{UUID(int=1)}/"
    response = _fragment(Client(), f"{address}live/", address)
    assert response.status_code == 404
    assert "data-live-refused" in response.text
    assert f"No command has the id {UUID(int=1)}." in response.text
    assert "<html" not in response.text


def test_a_fragment_asked_for_after_the_session_ended_moves_the_whole_page_to_the_login(settings: Settings) -> None:
    settings.PUBLIC_READ = False
    response = Client().get("/live/", headers={"HX-Request": "true", "HX-Current-URL": "http://testserver/?a=1"})
    assert response.status_code == 200
    assert not response.content
    assert response["HX-Redirect"].startswith("/login/?next=")


def test_the_login_page_leads_back_and_logging_out_ends_the_session() -> None:
    User.objects.create_user("ada", password="secret")
    client = Client()
    response = client.post("/login/", {"username": "ada", "password": "secret", "next": "/send/"})
    assert response["Location"] == "/send/"
    assert client.post("/logout/")["Location"] == "/"
    assert "_auth_user_id" not in client.session
    assert client.post("/logout/")["Location"] == "/", "once more, from a tab that was left open"


def test_a_wrong_password_is_said_and_the_name_is_kept() -> None:
    response = Client().post("/login/", {"username": "ada", "password": "wrong"})
    assert "Please enter a correct username and password" in response.text
    assert 'value="ada"' in response.text


@pytest.mark.parametrize("page", [*PAGES, *ADMIN_PAGES, "nowhere/"])
def test_no_page_needs_more_than_its_strict_policy_allows(
    page: str, known: dict[str, str], visitor: Callable[[str], Client], settings: Settings
) -> None:
    settings.PUBLIC_READ = True
    for who in ("anonymous", "admin"):
        response = visitor(who).get(page if page.startswith("/") else matrix.address_of(page, known))
        policy = response["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "script-src 'self'" in policy
        assert "unsafe" not in policy
        assert not re.findall(
            r"<script(?![^>]*\bsrc=)|<style|\sstyle=|\son\w+=|javascript:", response.getvalue().decode()
        )


MENU = [
    "Dashboard",
    "Send command",
    "Commands",
    "Troubleshooting",
    "Queue",
    "Audit",
    "Replies",
    "Operations",
    "Load tests",
    "Runs",
    "Settings",
]


def test_the_menu_names_the_sections_and_marks_the_one_that_is_open(
    visitor: Callable[[str], Client], settings: Settings
) -> None:
    settings.PUBLIC_READ = True
    client = visitor("admin")
    opened: dict[str, Any] = {
        "/": "Dashboard",
        "/send/": "Send command",
        "/commands/": "Commands",
        "/tsq/groups/": "Troubleshooting",
        "/queue/": "Queue",
        "/send/many/": "Send command",
        "/operations/": "Operations",
        "/audit/": "Audit",
        "/audit/actions/": "Audit",
        "/replies/": "Replies",
        "/rejected/": "Replies",
        "/loadtests/": "Load tests",
        ADMIN_PAGES[1]: "Settings",
    }
    for address, label in opened.items():
        menu = re.search(r'<nav id="sidebar".*?</nav>', client.get(address).text, re.DOTALL)
        assert menu is not None
        entries = re.findall(
            r'<a href="[^"]+" class="nav-item"( aria-current="page")?>.*?<span>(.*?)</span>', menu[0], re.DOTALL
        )
        assert [name for _, name in entries] == MENU
        assert [name for current, name in entries if current] == [label]
