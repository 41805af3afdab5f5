"""commands/admin.py: test commands are read and deleted, the bus is looked at, and every list is bounded."""

import re
from collections.abc import Callable
from typing import Any, cast
from uuid import uuid4

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import User
from django.contrib.messages import get_messages
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from commands import admin
from commands.models import TestCommand

pytestmark = pytest.mark.django_db

LISTS = {name: f"/admin/commands/{name}/" for name in ("testcommand", "command", "auditevent")}


@pytest.fixture
def sent() -> Callable[..., TestCommand]:
    """Makes a test command with its rows in the bus, as if it had been sent; no message."""

    def make(behavior: dict[str, Any] | None = None) -> TestCommand:
        row = TestCommand.objects.create(behavior=behavior or {"type": "success"}, payload={"order": 7})
        with connection.cursor() as cursor:
            cursor.execute(
                "INSERT INTO commandbus.command (domain, queue_name, command_id, command_type, status, max_attempts)"
                " VALUES ('test', 'test__commands', %s, 'TestCommand', 'PENDING', 3)",
                [row.command_id],
            )
            cursor.execute(
                "INSERT INTO commandbus.audit (domain, command_id, event_type) VALUES ('test', %s, 'SENT')",
                [row.command_id],
            )
        return row

    return make


@pytest.fixture
def admin_client() -> Client:
    """A superuser's client. pytest-django's own hashes a password for each test, which takes most of the time."""
    client = Client()
    client.force_login(User.objects.create(username="root", is_staff=True, is_superuser=True))
    return client


def listed(response: Any) -> list[Any]:
    """The keys of the rows that a list shows."""
    return [row.pk for row in response.context["cl"].result_list]


def change_url(row: TestCommand) -> str:
    return f"/admin/commands/testcommand/{row.pk}/change/"


# --- Who may ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", LISTS)
def test_a_list_needs_the_permission_to_view(client_of: Callable[..., Client], client: Client, name: str) -> None:
    assert client.get(LISTS[name]).status_code == 302
    assert client_of("eve").get(LISTS[name]).status_code == 403
    assert client_of("ada", f"view_{name}").get(LISTS[name]).status_code == 200


@pytest.mark.parametrize(("codename", "deletes"), [("view_testcommand", 403), ("delete_testcommand", 302)])
def test_deleting_needs_its_permission(
    client_of: Callable[..., Client], sent: Callable[..., TestCommand], codename: str, deletes: int
) -> None:
    row, client = sent(), client_of("ada", codename)
    assert client.post(f"/admin/commands/testcommand/{row.pk}/delete/", {"post": "yes"}).status_code == deletes


def test_a_permission_opens_its_own_page_without_staff_status(client_of: Callable[..., Client]) -> None:
    client = client_of("eve", "view_auditevent", staff=False)
    front = client.get("/admin/").content.decode()
    assert LISTS["auditevent"] in front
    assert LISTS["command"] not in front
    assert [client.get(LISTS[name]).status_code for name in LISTS] == [403, 403, 200]
    assert client_of("bob", "add_testcommand", staff=False).get("/admin/").status_code == 302


@pytest.mark.parametrize("name", ["command", "auditevent"])
def test_not_even_a_superuser_changes_the_bus_by_hand(
    admin_client: Client, sent: Callable[..., TestCommand], name: str
) -> None:
    row = sent()
    (key,) = listed(admin_client.get(LISTS[name]))
    page = admin_client.get(f"{LISTS[name]}{key}/change/")
    assert page.status_code == 200
    assert str(row.command_id) in page.content.decode()
    assert 'name="_save"' not in page.content.decode()
    for action in (f"{key}/change/", f"{key}/delete/", "add/"):
        assert admin_client.post(f"{LISTS[name]}{action}", {"status": "COMPLETED"}).status_code == 403


# --- Test commands ---------------------------------------------------------------------------------------------------


def test_adding_leads_to_the_send_page(client_of: Callable[..., Client]) -> None:
    response = client_of("ada", "add_testcommand").get("/admin/commands/testcommand/add/")
    assert (response.status_code, response.headers["Location"]) == (302, "/send/")
    assert [str(message) for message in get_messages(response.wsgi_request)] == [
        "A test command is made by sending it."
    ]
    assert client_of("eve", "view_testcommand").get("/admin/commands/testcommand/add/").status_code == 403


def test_not_even_a_superuser_changes_what_was_asked(admin_client: Client, sent: Callable[..., TestCommand]) -> None:
    row = sent({"type": "timeout", "execution_time_ms": 5})
    with connection.cursor() as cursor:
        cursor.execute("UPDATE public.test_command SET payload = '{\"price\": 0.1234567890123456789012}'")
    page = admin_client.get(change_url(row)).content.decode()
    assert "&quot;type&quot;: &quot;timeout&quot;,\n  &quot;execution_time_ms&quot;: 5\n}" in page
    assert "&quot;price&quot;: 0.1234567890123456789012\n}" in page
    assert not re.findall(r'<(?:input|textarea)[^>]* name="(?:behavior|payload|_save)"', page)
    assert admin_client.post(change_url(row), {"behavior": '{"type": "success"}', "payload": "{}"}).status_code == 403
    row.refresh_from_db()
    assert row.behavior == {"type": "timeout", "execution_time_ms": 5}
    assert list(row.payload) == ["price"]


def test_a_test_command_is_deleted_and_the_history_says_so(
    admin_client: Client, sent: Callable[..., TestCommand]
) -> None:
    row = sent()
    assert admin_client.post(f"/admin/commands/testcommand/{row.pk}/delete/", {"post": "yes"}).status_code == 302
    assert not TestCommand.objects.filter(pk=row.pk).exists()
    assert LogEntry.objects.get().is_deletion()


def test_a_test_command_links_to_its_page(admin_client: Client, sent: Callable[..., TestCommand]) -> None:
    row = sent()
    assert f'href="/commands/{row.command_id}/"' in admin_client.get(change_url(row)).content.decode()


# --- Bounded lists ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", LISTS)
def test_a_list_counts_and_reads_no_more_than_its_bound(
    admin_client: Client, sent: Callable[..., TestCommand], name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(admin, "MOST", 4)
    monkeypatch.setattr(admin.BoundedAdmin, "list_per_page", 2)
    rows = [sent() for _ in range(5)]
    for page in (1, 2):
        with CaptureQueriesContext(connection) as captured:
            response = admin_client.get(LISTS[name], {"p": page})
        shown = [row.command_id for row in response.context["cl"].result_list]
        assert shown == [row.command_id for row in rows[::-1]][2 * page - 2 : 2 * page]
        assert response.context["cl"].result_count == 4
        about_rows = [query["sql"] for query in captured if re.search('test_command|"commandbus"', query["sql"])]
        assert len(about_rows) in (2, 3)  # of commands the ids first
        for sql in about_rows:
            assert re.search(r" LIMIT [24]\b", sql), sql
    assert admin_client.get(LISTS[name], {"p": 3}).headers["Location"].endswith("?e=1")


@pytest.mark.parametrize("name", LISTS)
@pytest.mark.parametrize("address", ["?o=1", "?o=-2.3", "?all=", "?p=2"])
def test_no_address_of_a_list_makes_it_sort_or_read_the_whole_table(
    admin_client: Client, sent: Callable[..., TestCommand], name: str, address: str
) -> None:
    sent()
    usual = _statements(admin_client, LISTS[name])
    assert [_order(sql) for sql in _statements(admin_client, LISTS[name] + address)] == [_order(sql) for sql in usual]


def _statements(client: Client, url: str) -> list[str]:
    with CaptureQueriesContext(connection) as captured:
        client.get(url)
    return [query["sql"] for query in captured if re.search('test_command|"commandbus"', query["sql"])]


def _order(sql: str) -> list[str]:
    return re.findall(r"ORDER BY .*?(?=LIMIT|\)|$)|LIMIT \d+", sql)


@pytest.mark.parametrize(
    ("name", "lookup"),
    [("testcommand", "attempts__gt=0"), ("command", "status=PENDING"), ("auditevent", "event_type__contains=E")],
)
def test_a_list_takes_no_filter_by_its_address(admin_client: Client, name: str, lookup: str) -> None:
    response = admin_client.get(f"{LISTS[name]}?{lookup}")
    assert response.status_code in (302, 400)
    assert "e=1" in response.headers.get("Location", "e=1")


@pytest.mark.parametrize("name", LISTS)
def test_a_search_finds_a_whole_command_id_by_an_index(
    admin_client: Client, sent: Callable[..., TestCommand], name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(admin, "MOST", 1)
    wanted, _newer = sent(), sent()
    response = admin_client.get(LISTS[name], {"q": f" {wanted.command_id} "})
    assert [row.command_id for row in response.context["cl"].result_list] == [wanted.command_id]
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
    plan = response.context["cl"].queryset.explain()
    assert re.search(r"Index Cond: .*command_id = ", plan), plan


@pytest.mark.parametrize("name", LISTS)
def test_a_search_for_anything_else_finds_nothing_and_says_why(
    admin_client: Client, sent: Callable[..., TestCommand], name: str
) -> None:
    sent()
    response = admin_client.get(LISTS[name], {"q": "abc"})
    assert listed(response) == []
    assert "Type a whole command id to search." in response.content.decode()


def test_an_unknown_command_leads_back_with_a_message(admin_client: Client) -> None:
    for name, key in (("command", uuid4()), ("command", "abc"), ("auditevent", 10**30), ("testcommand", 10**30)):
        response = admin_client.get(f"{LISTS[name]}{key}/change/")
        assert response.status_code == 302, (name, key)


# --- The troubleshooting queue ---------------------------------------------------------------------------------------


def test_what_is_parked_is_listed_newest_first_however_much_was_sent_since_then(
    admin_client: Client, sent: Callable[..., TestCommand], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(admin, "MOST", 2)
    rows = [sent() for _ in range(6)]
    with connection.cursor() as cursor:
        for row in rows[:3]:
            cursor.execute(
                "UPDATE commandbus.command SET status = 'IN_TROUBLESHOOTING_QUEUE', last_error_code = 'E'"
                " WHERE command_id = %s",
                [row.command_id],
            )
    address = LISTS["command"] + "?in_tsq=yes"
    response = admin_client.get(address)
    assert set(listed(response)) == {rows[1].command_id, rows[2].command_id}
    assert "Commands in TSQ: the newest 2 of domain test" in response.content.decode()
    assert listed(admin_client.get(address, {"in_tsq": "yes", "q": str(rows[5].command_id)})) == []
    assert set(listed(admin_client.get(LISTS["command"]))) == {rows[4].command_id, rows[5].command_id}
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
    assert "ix_parked_newest" in cast("Any", response.context["cl"]).queryset.explain()
