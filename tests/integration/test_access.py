"""Who may open what: every URL of the site by anonymous, user, admin, with reading open and closed."""

import re
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

import pytest
from django.contrib.auth.models import Permission, User
from django.db import connection
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver
from pytest_django.fixtures import Settings

from commands.bus.operations import Mix, send_many
from commands.bus.send import send_test_command
from commands.models import TestCommand
from commands.rules.behaviors import Behavior, BehaviorType
from tests.support.load_runs import add_run

pytestmark = pytest.mark.django_db

READ = {"anonymous": 200, "user": 200, "admin": 200}
# Every URL pattern that is not the admin's, and what a GET of it answers where reading is open.
PAGES: dict[str, dict[str, int]] = {
    "": READ,
    "live/": READ,
    "send/": {"anonymous": 302, "user": 403, "admin": 200},
    "send/outlooks/": {"anonymous": 302, "user": 403, "admin": 200},
    "commands/": READ,
    "commands/live/": {"anonymous": 404, "user": 404, "admin": 404},  # of a list that begins nowhere
    "views/": {"anonymous": 302, "user": 200, "admin": 200},
    "views/save/": {"anonymous": 302, "user": 405, "admin": 405},
    "views/<int:view_id>/": {"anonymous": 302, "user": 405, "admin": 405},
    "times/": {"anonymous": 405, "user": 405, "admin": 405},
    "keys/": {**READ},  # whether reading is open or not
    "commands/find/": {"anonymous": 302, "user": 302, "admin": 302},
    "commands/export/": {"anonymous": 400, "user": 400, "admin": 400},  # in no format
    "tsq/": READ,
    "tsq/groups/": READ,
    "tsq/act/": {"anonymous": 302, "user": 403, "admin": 302},
    "send/many/": {"anonymous": 302, "user": 403, "admin": 200},
    "send/many/outlook/": {"anonymous": 302, "user": 403, "admin": 200},
    "operations/": READ,
    "operations/live/": READ,
    "operations/<int:operation_id>/": READ,
    "operations/<int:operation_id>/live/": READ,
    "operations/<int:operation_id>/cancel/": {"anonymous": 405, "user": 405, "admin": 405},
    "queue/": READ,
    "queue/live/": READ,
    "queue/paused/": {"anonymous": 405, "user": 405, "admin": 405},
    "queue/<command_id:command_id>/cancel/": {"anonymous": 302, "user": 403, "admin": 200},
    "commands/<command_id:command_id>/": READ,
    "commands/<command_id:command_id>/live/": READ,
    "commands/<command_id:command_id>/raw/<raw_part:part>/": READ,
    "audit/": READ,
    "audit/export/": READ,
    "audit/actions/": READ,
    "audit/<int:audit_id>/": READ,
    "replies/": READ,
    "replies/act/": {"anonymous": 405, "user": 405, "admin": 405},
    "rejected/": READ,
    "rejected/<int:audit_id>/": {"anonymous": 302, "user": 403, "admin": 200},
    "loadtests/": READ,
    "loadtests/<int:run_id>/": READ,
    "loadtests/<int:run_id>/live/": READ,
    "settings/": {"anonymous": 302, "user": 302, "admin": 302},
    "login/": {"anonymous": 200, "user": 302, "admin": 302},
    "logout/": {"anonymous": 405, "user": 405, "admin": 405},
}
ADMIN_PAGES = (
    "/admin/",
    "/admin/settings_app/configuration/1/change/",
    "/admin/auth/user/",
    "/admin/commands/command/",
    "/admin/bench/loadrun/",
)
FOR_ALL = ("login/", "logout/", "times/", "keys/")
READ_PAGES = [page for page, answers in PAGES.items() if answers is READ]


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


def _address(page: str, command_id: UUID) -> str:
    if "<int:run_id>" in page:
        connection.ensure_connection()
        page = page.replace("<int:run_id>", str(add_run(connection.connection, samples=3)))
    page = page.replace("<raw_part:part>", "payload").replace("<int:view_id>", "1")
    if "<int:operation_id>" in page:
        mix = Mix(parts=[(Behavior(type=BehaviorType.SUCCESS), 1)], count=1)
        page = page.replace("<int:operation_id>", str(send_many(mix, operator="ada")))
    if "<int:audit_id>" in page:
        page = page.replace("<int:audit_id>", str(_rejected()))
    return "/" + page.replace("<command_id:command_id>", str(command_id))


def _rejected() -> int:
    """The number of an event that tells of a rejected message."""
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO commandbus.audit (domain, command_id, event_type, details_json)"
            " VALUES ('test', %s, 'MESSAGE_REJECTED', '{\"msg_id\": 1}') RETURNING audit_id",
            [UUID(int=0)],
        )
        return int(cursor.fetchone()[0])


def _patterns(resolver: URLResolver, prefix: str = "") -> Iterator[str]:
    for entry in resolver.url_patterns:
        path = prefix + str(entry.pattern)
        if isinstance(entry, URLPattern):
            yield path
        elif entry.app_name != "admin":
            yield from _patterns(entry, path)


def test_the_table_of_this_test_names_every_url() -> None:
    assert set(PAGES) == set(_patterns(get_resolver()))


@pytest.mark.parametrize("who", ["anonymous", "user", "admin"])
@pytest.mark.parametrize("page", PAGES)
def test_where_reading_is_open_each_visitor_gets_what_is_theirs(
    page: str, who: str, command_id: UUID, visitor: Callable[[str], Client], settings: Settings
) -> None:
    settings.PUBLIC_READ = True
    response = visitor(who).get(_address(page, command_id))
    assert response.status_code == PAGES[page][who]


@pytest.mark.parametrize("page", [page for page in PAGES if page not in FOR_ALL])
def test_where_reading_is_closed_an_anonymous_visitor_is_sent_to_the_login_page_and_back(
    page: str, command_id: UUID, settings: Settings
) -> None:
    settings.PUBLIC_READ = False
    address = _address(page, command_id)
    response = Client().get(address)
    assert (response.status_code, response["Location"]) == (302, f"/login/?next={address}")


@pytest.mark.parametrize("page", READ_PAGES)
def test_where_reading_is_closed_whoever_is_logged_in_reads(
    page: str, command_id: UUID, visitor: Callable[[str], Client], settings: Settings
) -> None:
    settings.PUBLIC_READ = False
    assert visitor("user").get(_address(page, command_id)).status_code == 200


@pytest.mark.parametrize("page", ADMIN_PAGES)
def test_the_admin_is_for_staff_only(page: str, visitor: Callable[[str], Client], settings: Settings) -> None:
    settings.PUBLIC_READ = True
    for who in ("anonymous", "user"):
        response = visitor(who).get(page)
        assert (response.status_code, urlsplit(response["Location"]).path) == (302, "/admin/login/")
    assert visitor("admin").get(page).status_code == 200


@pytest.mark.parametrize("page", READ_PAGES)
def test_a_page_for_reading_takes_no_post(
    page: str, command_id: UUID, visitor: Callable[[str], Client], settings: Settings
) -> None:
    settings.PUBLIC_READ = True
    address = _address(page, command_id)
    assert Client().post(address)["Location"] == f"/login/?next={address}"
    assert visitor("admin").post(address).status_code == 405


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
    page: str, command_id: UUID, visitor: Callable[[str], Client], settings: Settings
) -> None:
    settings.PUBLIC_READ = True
    address = page if page.startswith("/") else _address(page, command_id)
    for who in ("anonymous", "user", "admin"):
        client = visitor(who)
        head, get = client.head(address), client.get(address)
        assert (head.status_code, head.content) == (get.status_code, b"")
        assert head.get("Location") == get.get("Location")


@pytest.mark.parametrize("page", [*PAGES, *ADMIN_PAGES, "nowhere/"])
def test_what_is_made_for_a_session_is_stored_nowhere_and_what_all_may_see_in_no_shared_cache(
    page: str, command_id: UUID, visitor: Callable[[str], Client], settings: Settings
) -> None:
    settings.PUBLIC_READ = True
    address = page if page.startswith("/") else _address(page, command_id)
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
    page: str, command_id: UUID, visitor: Callable[[str], Client], settings: Settings
) -> None:
    settings.PUBLIC_READ = True
    for who in ("anonymous", "admin"):
        response = visitor(who).get(page if page.startswith("/") else _address(page, command_id))
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
