"""Reading commands by the API: the list with its filters, one with its story, waiting for its end."""

import threading
import time
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.db import connection
from pytest_django.fixtures import Settings

from commands.bus.one import Asked, send_one
from commands.rules.behaviors import Behavior
from tests.support.api import Api, refusal, token_of, user_with
from tests.support.bus import HandBus

pytestmark = pytest.mark.django_db
OPERATE = "commands.operate_command"


@pytest.fixture(autouse=True)
def _open(settings: Settings) -> None:
    settings.PUBLIC_READ = True


@pytest.fixture
def api() -> Api:
    return Api()


def ask(query: str, *parameters: Any) -> Any:
    """The first value that the database answers."""
    with connection.cursor() as cursor:
        cursor.execute(query, parameters)
        return cursor.fetchone()[0] if cursor.description else None


def send(kind: str = "success", payload: dict[str, Any] | None = None, **more: Any) -> UUID:
    asked = Asked(behavior=Behavior.from_json({"type": kind}), payload=payload or {}, **more)
    return send_one(asked, max_attempts=3).command_id


def ids(response: Any) -> list[UUID]:
    assert response.status_code == 200, response.content
    return [UUID(item["id"]) for item in response.json()["items"]]


# -- lists -----------------------------------------------------------------------------------------------------------


def test_commands_are_listed_newest_first_a_page_at_a_time(api: Api) -> None:
    sent = [send() for _ in range(5)][::-1]
    first = api.get("/commands", {"limit": 2}).json()
    assert [UUID(item["id"]) for item in first["items"]] == sent[:2]
    assert first["items"][0].items() >= {"status": "PENDING", "behavior": "success", "domain": "test"}.items()
    assert (first["looked"], first["reach"], first["count"]) == (None, None, None)
    second = api.get("/commands", {"limit": 2, "cursor": first["next"]}).json()
    last = api.get("/commands", {"limit": 2, "cursor": second["next"]}).json()
    assert [UUID(item["id"]) for item in second["items"] + last["items"]] == sent[2:]
    assert last["next"] is None


def test_each_filter_of_the_console_is_one_of_the_api(api: Api) -> None:
    correlation = uuid4()
    one = send("fail_permanent", {"order": 7}, correlation_id=correlation)
    other = send()
    ask("UPDATE commandbus.command SET last_error_code = 'X', attempts = 2 WHERE command_id = %s", one)
    ask("UPDATE commandbus.command SET status = 'IN_PROGRESS' WHERE command_id = %s", other)
    meet_one = [
        {"status": ["PENDING", "COMPLETED"]},
        {"behavior": "fail_permanent"},
        {"code": "X"},
        {"attempts": 2},
        {"correlation": str(correlation)},
        {"id": one.hex[:30].upper(), "code": "X"},
        {"payload": '{"order": 7}'},
        {"payload": "ORDER"},
        {"created_after": "1h", "code": "X"},
        {"command_type": "TestCommand", "code": "X"},
    ]
    for query in meet_one:
        assert ids(api.get("/commands", query)) == [one], query
    for query in ({"created_before": "1h"}, {"command_type": "Other"}):
        assert ids(api.get("/commands", query)) == [], query


def test_commands_of_an_operation_and_of_another_domain(api: Api) -> None:
    sender = Api(token_of(user_with("commands.add_testcommand"), "commands.add_testcommand"))
    operation = sender.post("/commands/bulk", {"count": 1, "behavior": {"type": "success"}}).json()
    sent = send(correlation_id=UUID(operation["correlation_id"]))
    send()
    ask("INSERT INTO commandbus.domain (name) VALUES ('orders')")
    ordered = send(domain="orders")
    assert ids(api.get("/commands", {"operation": operation["id"]})) == [sent]
    assert operation["links"]["commands"] == f"/api/v1/commands?operation={operation['id']}"
    assert ids(api.get("/commands", {"domain": "orders"})) == [ordered]


def test_commands_are_counted_where_that_is_asked_for_and_an_index_tells(api: Api) -> None:
    send()
    assert api.get("/commands", {"count": "true", "status": "PENDING"}).json()["count"] == {"value": 1, "exact": True}
    assert api.get("/commands", {"count": "true", "code": "X"}).json()["count"] is None


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"status": "DONE"}, "status.0"),
        ({"domain": "none"}, "domain"),
        ({"created_after": "yesterday"}, "created_after"),
        ({"created_after": "1h", "created_before": "2h"}, "created_before"),
        ({"attempts": 0}, "attempts"),
        ({"operation": 2**63}, "operation"),
        ({"operation": 9}, "operation"),
        ({"correlation": "42"}, "correlation"),
        ({"id": "xyz"}, "id"),
        ({"payload": "{no"}, "payload"),
        ({"code": "x" * 201}, "code"),
        ({"limit": 0}, "limit"),
        ({"limit": 101}, "limit"),
    ],
)
def test_what_is_wrong_in_a_filter_is_said_by_its_name(api: Api, query: dict[str, Any], field: str) -> None:
    errors = refusal(api.get("/commands", query), 422)["errors"]
    assert [error["field"] for error in errors] == [field]


def test_a_cursor_that_is_none_leads_nowhere(api: Api) -> None:
    for cursor in ("x", "-1", "1.2", "9" * 30):
        refusal(api.get("/commands", {"cursor": cursor}), 404)


# -- one -------------------------------------------------------------------------------------------------------------


def test_one_command_is_answered_with_its_story_and_what_had_to_happen(api: Api) -> None:
    sent = send("fail_permanent", {"n": 1}, max_attempts=2)
    ask("SELECT commandbus.receive_commands('test', 10, 30, 0, 1000000, NULL, FALSE)")
    ask(
        "SELECT commandbus.finish_commands('test', jsonb_build_array(jsonb_build_object("
        "'command_id', command_id, 'msg_id', msg_id, 'attempt', 1, 'kind', 'permanent', 'error_code', 'X',"
        " 'error_msg', 'no')))"
        " FROM commandbus.command"
    )
    body = api.get(f"/commands/{sent}").json()
    assert (body["status"], body["final"], body["attempts"]) == ("IN_TROUBLESHOOTING_QUEUE", True, 1)
    assert (body["behavior"], body["payload"], body["result"]) == ({"type": "fail_permanent"}, {"n": 1}, None)
    assert body["expected"].items() >= {"verdict": "MATCH", "statuses": ["IN_TROUBLESHOOTING_QUEUE"]}.items()
    assert body["error"].items() >= {"code": "X", "message": "no"}.items()
    sending, attempt = body["timeline"]
    assert sending["event"]["type"] == "SENT"
    assert attempt["attempt"].items() >= {"number": 1, "outcome": "MOVED_TO_TSQ", "error_code": "X"}.items()
    assert body["message"]["archived_at"] is not None
    assert body["replies"] == []
    assert body["actions"] == {"allowed": [], "why": f"You need the permission {OPERATE} to act on commands."}


def test_actions_are_those_that_the_caller_may_take(api: Api) -> None:
    sent = send()
    operator = Api(token_of(user_with(OPERATE), OPERATE))
    assert operator.get(f"/commands/{sent}").json()["actions"] == {"allowed": ["cancel"], "why": ""}
    assert operator.get(f"/commands/{sent}").json()["served"] is False
    ask("UPDATE commandbus.command SET status = 'COMPLETED'")
    assert operator.get(f"/commands/{sent}").json()["actions"]["why"].startswith("Nothing: it is at its end")


def test_an_id_may_be_in_capitals_and_without_dashes_and_is_unknown_or_no_id_at_all(api: Api) -> None:
    sent = send()
    for spelled in (str(sent).upper(), sent.hex):
        assert api.get(f"/commands/{spelled}").json()["id"] == str(sent)
    for path in ("", "/raw/payload"):
        refusal(api.get(f"/commands/{uuid4()}{path}"), 404)
        refusal(api.get(f"/commands/x{path}"), 422)
    refusal(api.get(f"/commands/{uuid4()}", {"wait": 1}), 404)
    refusal(api.get(f"/commands/{sent}", {"wait": 61}), 422)


def test_a_nul_character_is_refused_as_a_problem(api: Api) -> None:
    for address in ("/commands?code=%00", "/commands/%00", "/audit/search?text=a%00"):
        refusal(api.get(address), 400)


def test_numbers_are_exact_and_what_no_program_can_read_is_said_so(api: Api) -> None:
    sent = send()
    ask("""UPDATE public.test_command SET payload = '{"a": 1.10000000000000000001}', result = '{"b": 1e-40}'""")
    for path in ("", "/raw/payload"):
        assert b'{"a": 1.10000000000000000001}' in api.get(f"/commands/{sent}{path}").content
    ask("UPDATE public.test_command SET payload = ('[1' || repeat('0', 5000) || ']')::jsonb")
    body = api.get(f"/commands/{sent}").json()
    assert list(body["payload"]) == ["unreadable"]
    assert len(body["payload"]["unreadable"]) == 500


def test_a_command_without_a_row_of_what_was_asked_is_answered(api: Api) -> None:
    sent = send()
    ask("DELETE FROM public.test_command")
    body = api.get(f"/commands/{sent}").json()
    assert (body["behavior"], body["payload"], body["expected"]["verdict"]) == (None, None, "UNKNOWN")
    assert (body["expected"]["least_attempts"], body["expected"]["statuses"]) == (None, [])


def test_an_answer_that_did_not_change_is_not_sent_again(api: Api) -> None:
    sent = send()
    etag = api.get(f"/commands/{sent}")["ETag"]
    same = api.get(f"/commands/{sent}", if_none_match=etag)
    assert (same.status_code, same.content, same["ETag"]) == (304, b"", etag)
    ask("UPDATE commandbus.command SET attempts = 1")
    assert api.get(f"/commands/{sent}", if_none_match=etag).status_code == 200


def test_waiting_ends_at_once_for_a_command_that_is_final(api: Api) -> None:
    sent = send()
    ask("UPDATE commandbus.command SET status = 'COMPLETED'")
    began = time.monotonic()
    assert api.get(f"/commands/{sent}", {"wait": 30}).json()["status"] == "COMPLETED"
    assert time.monotonic() - began < 5


def test_waiting_ends_with_its_time(api: Api) -> None:
    sent = send()
    began = time.monotonic()
    assert api.get(f"/commands/{sent}", {"wait": 1}).json()["status"] == "PENDING"
    assert time.monotonic() - began >= 1


def test_waiting_ends_with_the_command(bus: HandBus, api: Api) -> None:
    sent = bus.send()
    attempt = bus.begin(sent)
    answers: list[Any] = []

    def wait() -> None:
        answers.append(Api().get(f"/commands/{sent}", {"wait": 30}).json())
        connection.close()

    waiting = threading.Thread(target=wait)
    began = time.monotonic()
    waiting.start()
    bus.finish({"command_id": sent, "msg_id": attempt["msg_id"], "attempt": 1, "kind": "success", "result": {"a": 1}})
    waiting.join()
    assert time.monotonic() - began < 10
    assert (answers[0]["status"], answers[0]["result"]) == ("COMPLETED", {"a": 1})
    assert [reply["outcome"] for reply in answers[0]["replies"]] == ["SUCCESS"]


# -- domains and health ----------------------------------------------------------------------------------------------


def test_domains_are_listed_a_page_at_a_time(api: Api) -> None:
    ask("INSERT INTO commandbus.domain (name) VALUES ('orders')")
    first = api.get("/domains", {"limit": 1}).json()
    assert [item["name"] for item in first["items"]] == ["orders"]
    second = api.get("/domains", {"limit": 1, "cursor": first["next"]}).json()
    assert second["items"][0].items() >= {"name": "test", "command_queue": "test__commands"}.items()
    assert second["next"] is None


def test_health_is_that_of_the_database(api: Api) -> None:
    assert api.get("/health").json() == {"status": "ok"}
