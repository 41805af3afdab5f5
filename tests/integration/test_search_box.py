"""The search box: where an id, a correlation id or the beginning of one leads."""

import json
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

import pytest
from django.db import connection
from django.test import Client
from pytest_django import DjangoAssertNumQueries
from pytest_django.fixtures import Settings

from commands.pages.find import LISTED
from commands.reads import command_reads
from tests.integration.test_pages import ask, send, text

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _open(settings: Settings) -> None:
    settings.PUBLIC_READ = True


def add(command_id: str, correlation_id: str | None) -> UUID:
    command = UUID(command_id.ljust(32, "0"))
    sent = send()
    correlation = None if correlation_id is None else UUID(correlation_id.ljust(32, "0"))
    ask(
        "UPDATE commandbus.command SET command_id = %s, correlation_id = %s WHERE command_id = %s",
        command, correlation, sent,
    )  # fmt: skip
    return command


def answer(typed: object) -> Any:
    return Client().get(f"/commands/find/?{urlencode({'q': str(typed)})}")


def leads_to(typed: object) -> str:
    found = answer(typed)
    assert found.status_code == 302
    return str(found["Location"])


def test_a_correlation_id_leads_to_its_only_command_and_so_does_its_beginning() -> None:
    command = add("a1", "b1")
    for typed in (UUID("b1".ljust(32, "0")), "b1", "B10000-", f"{UUID('b1'.ljust(32, '0')).hex}"):
        assert leads_to(typed) == f"/commands/{command}/"
    assert leads_to("a1") == f"/commands/{command}/"


def test_a_correlation_id_of_several_leads_to_their_list() -> None:
    commands = {add("a1", "b1"), add("a2", "b1")}
    correlation = UUID("b1".ljust(32, "0"))
    assert leads_to("b1") == f"/commands/?correlation={correlation}"
    page = Client().get(leads_to(correlation)).text
    assert all(f'id="command-{command}"' in page for command in commands)


def test_what_begins_both_an_id_and_a_correlation_id_shows_both() -> None:
    command, other = add("c1", None), add("d1", "c2")
    page = answer("c").text
    assert f'href="/commands/{command}/"' in page
    assert f'href="/commands/?correlation={UUID("c2".ljust(32, "0"))}"' in page
    assert "one command" in text(page)
    assert str(other) not in page


def test_of_many_only_some_are_shown_and_the_rest_is_a_list_away() -> None:
    for number in range(LISTED + 1):
        add(f"e{number:02}", f"e{number:02}")
    page = answer("e").text
    assert page.count('class="link mono break-all"') == 2 * LISTED
    assert 'href="/commands/?id=e">All of them' in page
    assert "And more: type more of it." in text(page)


def test_what_nothing_begins_with_leads_to_an_empty_list_that_says_so() -> None:
    add("a1", "b1")
    assert leads_to("ffff") == "/commands/?id=ffff"
    assert "No command matches" in Client().get("/commands/?id=ffff").text


def test_a_search_costs_two_queries_along_indexes(django_assert_num_queries: DjangoAssertNumQueries) -> None:
    add("a1", "b1")
    add("a2", "b1")
    with django_assert_num_queries(2):
        answer("b1")
    ask("SET LOCAL enable_seqscan = off; SET LOCAL enable_bitmapscan = off; SET LOCAL enable_sort = off")  # few rows
    values: dict[str, Any] = {"first_id": UUID(int=0), "last_id": UUID(int=2**128 - 1), "limit": 5}
    with connection.cursor() as cursor:
        cursor.execute("EXPLAIN (FORMAT JSON) " + command_reads._SQL.text("with_correlation"), values)
        plan = json.dumps(cursor.fetchone()[0])
    assert plan.count("ix_command_correlation") == 3
    assert "Seq Scan" not in plan
