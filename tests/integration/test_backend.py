"""Our PostgreSQL backend: what the server's settings cannot break, and how long a request waits."""

import math
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest
from django.contrib.auth.models import User
from django.db import OperationalError, close_old_connections, connection, transaction
from django.test import Client
from pytest_django.fixtures import Settings

from commands.bus.send import send_test_command
from commands.rules.behaviors import Behavior, BehaviorType
from e2e_site import limits
from e2e_site.backend.base import by_index
from tests.support.load_runs import add_run

ODD = {
    "DateStyle": "SQL, DMY",
    "IntervalStyle": "sql_standard",
    "TimeZone": "Asia/Kathmandu",
    "bytea_output": "escape",
    "search_path": "commandbus, pgmq",
    "standard_conforming_strings": "off",
}


@pytest.fixture
def odd_database(committed: str) -> Iterator[None]:
    """The test database, with settings that nobody expects."""
    with psycopg.connect(committed, autocommit=True) as conn:
        name = conn.info.dbname
        for setting, value in ODD.items():
            # Several names, not one with commas in it.
            shown = ", ".join(f"'{part.strip()}'" for part in value.split(","))
            conn.execute(f'ALTER DATABASE "{name}" SET {setting} TO {shown}')
        connection.close()
        yield
        conn.execute(f'ALTER DATABASE "{name}" RESET ALL')
        connection.close()


def show(name: str) -> str:
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_setting(%s)", [name])
        return str(cursor.fetchone()[0])


@pytest.mark.django_db(transaction=True)
def test_settings_of_the_database_break_no_page(odd_database: None, settings: Settings) -> None:
    settings.PUBLIC_READ = True
    admin = Client()
    admin.force_login(User.objects.create_superuser("admin"))
    sent = send_test_command(Behavior(type=BehaviorType.SUCCESS), payload={"text": 'it\'s a \\ and a "quote"'})
    with transaction.atomic():
        assert User.objects.exists()  # and with that the transaction has its settings
        run_id = add_run(connection.connection, samples=3)
    pages = ("/", "/live/", "/send/", f"/commands/{sent.command_id}/", "/loadtests/", f"/loadtests/{run_id}/")
    lists = ("commands/testcommand", "commands/command", "commands/auditevent", "auth/user", "bench/loadrun")
    for address in (*pages, *(f"/admin/{name}/" for name in lists), "/admin/settings_app/configuration/1/change/"):
        assert admin.get(address).status_code == 200, address
    answer = admin.post(
        "/send/", {"type": "success", "execution_time_ms": "0", "payload": '{"a": "\\\\"}', "reply": "on"}
    )
    assert answer.status_code == 302


@pytest.mark.django_db(transaction=True)
def test_outside_of_requests_they_are_put_right_too(odd_database: None) -> None:
    assert show("search_path") == "public"
    assert show("DateStyle") == "ISO, MDY"
    with transaction.atomic():
        User.objects.count()
        assert show("search_path") == "public"
    assert show("statement_timeout") == "0"


@pytest.mark.django_db(transaction=True)
def test_in_a_request_every_transaction_has_limits_and_leaves_none_behind() -> None:
    with limits.one_request():
        assert show("statement_timeout") == "10s"
        with transaction.atomic():
            User.objects.create(username="ada")
            with pytest.raises(OperationalError), transaction.atomic(), connection.cursor() as cursor:
                cursor.execute("SET LOCAL statement_timeout = '10ms'; SELECT pg_sleep(1)")
            assert (show("statement_timeout"), show("lock_timeout")) == ("10s", "3s")
        assert User.objects.filter(username__contains="a%").count() == 0
        with connection.cursor() as cursor:
            cursor.execute("UPDATE auth_user SET first_name = 'A'")
            assert cursor.rowcount == 1
            assert cursor.description is None
    # On the connection itself, as a pooler's next client finds it.
    raw = connection.connection.execute("SELECT current_setting('statement_timeout'), current_setting('lock_timeout')")
    assert raw.fetchone() == ("0", "0")


@pytest.mark.django_db(transaction=True)
def test_what_is_read_by_index_leaves_the_planner_as_it_was() -> None:
    for _ in range(2):
        with by_index():
            assert (show("enable_sort"), show("enable_seqscan")) == ("off", "off")
        assert (show("enable_sort"), show("enable_seqscan")) == ("on", "on")


@pytest.mark.django_db(transaction=True)
def test_a_request_waits_no_longer_than_it_may(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "REQUEST_S", 0.2)
    with limits.one_request(), connection.cursor() as cursor:
        with pytest.raises(OperationalError, match="did not answer in time"):
            cursor.execute("SELECT pg_sleep(20)")
        with pytest.raises(OperationalError, match="did not answer this request"):
            connection.cursor()
    close_old_connections()  # as Django does between requests
    monkeypatch.undo()
    with limits.one_request():
        assert show("lock_timeout") == "3s"


def test_connections_notice_a_server_that_vanished(database_url: str) -> None:
    options = connection.settings_dict["OPTIONS"]
    assert options.items() >= {"connect_timeout": 5, "keepalives_idle": 5, "tcp_user_timeout": 10_000}.items()


def test_requests_that_wait_leave_threads_to_pages_without_a_database(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "_places", limits._Places(1))
    monkeypatch.setattr(limits, "_PLACE_WITHIN_S", 0.2)

    def waits() -> str:
        try:
            with limits.one_request():
                limits.take_place()
        except OperationalError as exc:
            return str(exc)
        return ""

    with ThreadPoolExecutor(2) as pool:
        with limits.one_request():
            limits.take_place()
            waiting = pool.submit(waits)
            assert "wait for the database already" in waiting.result()
            # No place has changed hands for a while: nobody waits any longer.
            monkeypatch.setattr(limits, "_PLACE_WITHIN_S", -1)
            assert "wait for the database already" in pool.submit(waits).result()
            monkeypatch.setattr(limits, "_PLACE_WITHIN_S", 20)
            waiting = pool.submit(waits)
        assert waiting.result() == ""


@pytest.mark.django_db(transaction=True)
def test_a_server_that_answered_a_moment_ago_is_not_asked_again_unless_it_hung_up(committed: str) -> None:
    connection.ensure_connection()
    connection._answered = -math.inf  # type: ignore[attr-defined]  # another test may have asked it a moment ago
    pid = connection.connection.info.backend_pid
    with psycopg.connect(committed, autocommit=True) as other:
        asked = [other.execute("SELECT query_start FROM pg_stat_activity WHERE pid = %s", [pid]).fetchone()]
        for _ in range(2):
            assert connection.is_usable()
            asked.append(other.execute("SELECT query_start FROM pg_stat_activity WHERE pid = %s", [pid]).fetchone())
        assert asked[0] != asked[1] == asked[2]
        other.execute("SELECT pg_terminate_backend(%s, 5000)", [pid])  # waits until it is gone
    assert not connection.is_usable()
    connection.close()
