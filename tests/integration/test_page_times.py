"""Relative times: "now" is the clock of the database, whatever that of the web host says."""

import re
from datetime import datetime

import pytest
from django.db import connection
from django.test import Client
from django.utils import timezone
from pytest_django.fixtures import Settings

from tests.integration.test_pages import ask, begin, finish, send, text
from tests.support.load_runs import add_run

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _open(settings: Settings) -> None:
    settings.PUBLIC_READ = True


@pytest.fixture
def _an_hour_ahead() -> None:
    """The database's clock is an hour ahead of the web host's, as far as this transaction sees."""
    ask("CREATE SCHEMA ahead")
    for name in ("clock_timestamp", "statement_timestamp"):
        ask(
            f"CREATE FUNCTION ahead.{name}() RETURNS TIMESTAMPTZ LANGUAGE sql AS "
            f"$$SELECT pg_catalog.{name}() + INTERVAL '1 hour'$$"
        )
    ask("SET LOCAL search_path = ahead, pg_catalog, public")


def write_by_that_clock() -> None:
    """Column defaults wrote by the real one."""
    ask("UPDATE commandbus.audit SET ts = clock_timestamp()")
    ask("UPDATE commandbus.command SET created_at = clock_timestamp(), updated_at = clock_timestamp()")
    ask("UPDATE pgmq.q_test__commands SET enqueued_at = clock_timestamp()")
    ask("UPDATE public.load_run SET started_at = clock_timestamp(), beat_at = clock_timestamp()")
    ask(
        "INSERT INTO e2e_worker (host, pid, engine, queue_name, started_at, beat_at, settings_version, concurrency)"
        " VALUES ('alpha', 1, 'native', 'test__commands', clock_timestamp(), clock_timestamp(), 1, 4)"
    )


@pytest.mark.usefixtures("_an_hour_ahead")
def test_times_are_counted_from_the_clock_of_the_database() -> None:
    sent = send(type="fail_transient")
    finish(begin()[sent], "transient", delay_ms=90_000)
    run = add_run(connection.connection)
    write_by_that_clock()
    for address in ("/", f"/commands/{sent}/", "/loadtests/", f"/loadtests/{run}/"):
        page = Client().get(address).text
        times = re.findall(r'data-relative="past">([^<]*)<', page)
        assert times, address
        assert all(re.fullmatch(r"now|\d+ s ago", shown) for shown in times), (address, times)
        (now,) = re.findall(r'data-now="([^"]*)"', page)
        assert (datetime.fromisoformat(now) - timezone.now()).total_seconds() > 3000, address
    detail = Client().get(f"/commands/{sent}/").text
    assert re.findall(r'data-relative="future">([^<]*)<', detail) == ["in 1 min"] * 3


def test_what_is_past_is_never_to_come() -> None:
    sent = send()
    ask("UPDATE commandbus.audit SET ts = ts + INTERVAL '5 min'")
    for address in ("/", f"/commands/{sent}/"):
        assert not re.findall(r"<time[^>]*>in ", Client().get(address).text)
    assert "Sent now success" in text(Client().get("/").text)


def test_the_story_says_from_when_to_when_and_the_date_of_what_is_not_of_today() -> None:
    def clocks() -> list[str]:
        return re.findall(r'class="num">([^<]*)</time>', Client().get(f"/commands/{sent}/").text)

    sent = send()
    finish(begin()[sent])
    told = ask(
        "SELECT string_agg(to_char(ts AT TIME ZONE 'UTC', 'HH24:MI:SS.MS'), ' ' ORDER BY audit_id)"
        " FROM commandbus.audit"
    )
    at_first, begun, ended = told.split()
    assert clocks() == [begun, ended, at_first]
    ask("UPDATE commandbus.audit SET ts = TIMESTAMPTZ '2020-02-29 12:00:00.5Z'")
    assert clocks() == ["2020-02-29 12:00:00.500", "12:00:00.500", "2020-02-29 12:00:00.500"]


# -- as a visitor likes them -----------------------------------------------------------------------------------------


def choose(client: Client, times: str, back: str = "/") -> str:
    answer = client.post("/times/", {"times": times, "next": back})
    assert answer.status_code == 302
    return str(answer["Location"])


def test_times_in_utc_are_remembered_and_their_page_is_gone_back_to() -> None:
    sent = send(type="fail_transient")
    finish(begin()[sent], "transient", delay_ms=90_000)
    client = Client()
    assert choose(client, "utc", f"/commands/{sent}/?x=1") == f"/commands/{sent}/?x=1"
    page = client.get(f"/commands/{sent}/").text
    assert 'data-times="utc"' in page
    assert 'aria-pressed="true">UTC</button>' in page
    assert "data-relative" not in page
    assert "data-relative" not in client.get(f"/commands/{sent}/live/").text
    assert re.search(r"due <time [^>]*>(\d{4}-\d\d-\d\d )?\d\d:\d\d:\d\d\.\d{3}</time>", page)
    choose(client, "relative")
    assert "data-relative" in client.get(f"/commands/{sent}/").text
    assert "data-relative" in Client().get(f"/commands/{sent}/").text


def test_local_times_are_utc_until_a_script_writes_them_and_the_page_says_so() -> None:
    client = Client()
    choose(client, "local")
    page = client.get(f"/commands/{send()}/").text
    assert 'data-times="local"' in page
    assert "times in your browser&#x27;s zone" in text(page) or "times in your browser's zone" in text(page)


@pytest.mark.parametrize("back", ["https://example.org/", "//example.org", "javascript:alert(1)", ""])
def test_the_switch_leads_to_no_other_site(back: str) -> None:
    assert choose(Client(), "utc", back) == "/"


def test_other_times_than_those_are_refused_and_passed_over() -> None:
    assert Client().post("/times/", {"times": "martian"}).status_code == 400
    client = Client()
    client.cookies["times"] = "martian"
    assert 'data-times="relative"' in client.get("/").text
