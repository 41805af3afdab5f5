"""The audit by the API."""

from typing import Any
from uuid import UUID, uuid4

import pytest
from django.db import connection
from pytest_django.fixtures import Settings

from commands.bus.one import Asked, send_one
from commands.rules.behaviors import Behavior
from tests.support.api import Api, refusal

pytestmark = pytest.mark.django_db


@pytest.fixture
def api(settings: Settings) -> Api:
    settings.PUBLIC_READ = True
    return Api()


def ask(query: str, *parameters: Any) -> None:
    with connection.cursor() as cursor:
        cursor.execute(query, parameters)


def send(**more: Any) -> UUID:
    return send_one(
        Asked(behavior=Behavior.from_json({"type": "success"}), payload={}, **more), max_attempts=3
    ).command_id


def add(command_id: UUID, event: str, details: str, domain: str = "test") -> None:
    ask(
        "INSERT INTO commandbus.audit (domain, command_id, event_type, details_json) VALUES (%s, %s, %s, %s::jsonb)",
        domain,
        command_id,
        event,
        details,
    )


def events(response: Any) -> list[str]:
    assert response.status_code == 200, response.content
    return [item["event"] for item in response.json()["items"]]


def test_the_events_of_a_command_are_answered_newest_first_a_page_at_a_time(api: Api) -> None:
    sent = send()
    send()
    add(sent, "OPERATOR_CANCEL", '{"operator": "ada", "cost": 1.10000000000000000001}')
    first = api.get(f"/audit/{sent.hex.upper()}", {"limit": 1})
    assert events(first) == ["OPERATOR_CANCEL"]
    assert b'"cost": 1.10000000000000000001' in first.content
    (item,) = first.json()["items"]
    assert item.items() >= {"command_id": str(sent), "operator": "ada", "domain": "test"}.items()
    second = api.get(f"/audit/{sent}", {"limit": 1, "cursor": first.json()["next"]}).json()
    assert [item["event"] for item in second["items"]] == ["SENT"]
    assert second["next"] is None


def test_the_events_of_a_command_of_another_domain_are_found_by_its_id_alone(api: Api) -> None:
    ask("INSERT INTO commandbus.domain (name) VALUES ('orders')")
    sent = send(domain="orders")
    assert events(api.get(f"/audit/{sent}")) == ["SENT"]


def test_what_is_no_command_has_no_events(api: Api) -> None:
    refusal(api.get(f"/audit/{uuid4()}"), 404)
    refusal(api.get("/audit/x"), 422)
    refusal(api.get(f"/audit/{send()}", {"cursor": "x"}), 404)


def test_events_are_searched_by_the_filters_of_the_page(api: Api) -> None:
    sent = send()
    add(sent, "OPERATOR_RETRY", '{"operator": "ada", "operation": 7, "reason": "once more"}')
    add(sent, "OPERATOR_CANCEL", '{"operator": "bob"}')
    add(UUID(int=0), "MESSAGE_REJECTED", "[1]")
    newest_first = ["MESSAGE_REJECTED", "OPERATOR_CANCEL", "OPERATOR_RETRY", "SENT"]
    assert events(api.get("/audit/search")) == newest_first
    queries: list[tuple[dict[str, Any], list[str]]] = [
        ({"event": ["SENT", "OPERATOR_CANCEL"]}, ["OPERATOR_CANCEL", "SENT"]),
        ({"command_id": str(sent)}, newest_first[1:]),
        ({"operator": "ada"}, ["OPERATOR_RETRY"]),
        ({"operation": 7}, ["OPERATOR_RETRY"]),
        ({"text": "ONCE"}, ["OPERATOR_RETRY"]),
        ({"since": "2020-01-01T00:00", "event": "SENT"}, ["SENT"]),
        ({"until": "2020-01-01T00:00"}, []),
    ]
    for query, expected in queries:
        assert events(api.get("/audit/search", query)) == expected, query
    (rejected,) = api.get("/audit/search", {"event": "MESSAGE_REJECTED"}).json()["items"]
    assert (rejected["command_id"], rejected["details"]) == (None, [1])


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"event": "DONE"}, "event.0"),
        ({"command_id": "42"}, "command_id"),
        ({"operation": 0}, "operation"),
        ({"since": "yesterday"}, "since"),
        ({"since": "2026-01-02T00:00", "until": "2026-01-01T00:00"}, "until"),
        ({"domain": "none"}, "domain"),
        ({"text": "x" * 201}, "text"),
    ],
)
def test_what_is_wrong_in_a_search_is_said_by_its_name(api: Api, query: dict[str, Any], field: str) -> None:
    errors = refusal(api.get("/audit/search", query), 422)["errors"]
    assert [error["field"] for error in errors] == [field]
