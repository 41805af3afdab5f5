"""Sending by the API: what is asked, what is answered, and that the same id sends once."""

import threading
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.db import connection

from tests.support.api import Api, refusal, token_of, user_with

pytestmark = pytest.mark.django_db
SEND = "commands.add_testcommand"


@pytest.fixture
def api() -> Api:
    return Api(token_of(user_with(SEND), SEND))


def ask(query: str, *parameters: Any) -> Any:
    """The first value that the database answers."""
    with connection.cursor() as cursor:
        cursor.execute(query, parameters)
        return cursor.fetchone()[0] if cursor.description else None


def fields(response: Any, status: int = 422) -> list[str]:
    return sorted(error["field"] for error in refusal(response, status)["errors"])


def test_a_command_is_sent_as_it_was_asked_for(api: Api) -> None:
    named, correlation = uuid4(), uuid4()
    response = api.post(
        "/commands",
        '{"behavior": {"type": "fail_transient_then_succeed", "transient_failures": 2, "execution_time_ms": 5e0},'
        f' "payload": {{"price": 1.10000000000000000001}}, "command_id": "{str(named).upper()}",'
        f' "correlation_id": "{correlation.hex}", "max_attempts": 4, "reply": false}}',
    )
    assert response.status_code == 201, response.content
    body = response.json()
    assert response["Location"] == f"/api/v1/commands/{named}" == body["links"]["self"]
    assert (body["id"], body["status"], body["correlation_id"]) == (str(named), "PENDING", str(correlation))
    expected = body["expected"]
    assert (expected["statuses"], expected["least_attempts"], expected["most_attempts"]) == (["COMPLETED"], 3, 3)
    assert expected["sentence"].startswith("Fails twice, then completes at attempt 3")
    assert (
        ask(
            "SELECT concat_ws(' ', c.max_attempts, c.reply_queue = '', c.correlation_id, t.payload, t.behavior)"
            " FROM commandbus.command c JOIN public.test_command t USING (command_id)"
        )
        == f'4 t {correlation} {{"price": 1.10000000000000000001}}'
        ' {"type": "fail_transient_then_succeed", "execution_time_ms": 5, "transient_failures": 2}'
    )


def test_what_is_left_out_is_as_on_the_page(api: Api) -> None:
    ask("UPDATE public.e2e_config SET max_attempts = 7")
    body = api.post("/commands", {"behavior": {"type": "success"}}).json()
    assert (body["max_attempts"], body["reply"], body["domain"]) == (7, True, "test")
    assert body["correlation_id"] == str(UUID(body["correlation_id"]))
    assert ask("SELECT reply_queue FROM commandbus.command") == "test__replies"


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "behavior"),
        ({"behavior": {}}, "behavior.type"),
        ({"behavior": {"type": "explode"}}, "behavior.type"),
        ({"behavior": {"type": "success", "error_code": "X"}}, "behavior.error_code"),
        ({"behavior": {"type": "success", "execution_time_ms": "5"}}, "behavior.execution_time_ms"),
        ({"behavior": {"type": "success", "execution_time_ms": -1}}, "behavior.execution_time_ms"),
        ({"behavior": {"type": "success", "wait": 1}}, "behavior.wait"),
        ({"behavior": {"type": "success"}, "max_attempts": 101}, "max_attempts"),
        ({"behavior": {"type": "success"}, "max_attempts": True}, "max_attempts"),
        ({"behavior": {"type": "success"}, "payload": []}, "payload"),
        ({"behavior": {"type": "success"}, "payload": {"a": "\0"}}, "payload"),
        ({"behavior": {"type": "success"}, "payload": {"a": "x" * 70_000}}, "payload"),
        ({"behavior": {"type": "success"}, "reply": 1}, "reply"),
        ({"behavior": {"type": "success"}, "domain": "none"}, "domain"),
        ({"behavior": {"type": "success"}, "command_id": "42"}, "command_id"),
        ({"behavior": {"type": "success"}, "command_id": str(UUID(int=0))}, "command_id"),
        ({"behavior": {"type": "success"}, "\ud800": 1}, ""),
    ],
)
def test_what_is_wrong_is_said_by_its_field(api: Api, body: dict[str, Any], field: str) -> None:
    assert fields(api.post("/commands", body)) == [field]
    assert ask("SELECT count(*) FROM public.test_command") == 0


def test_what_cannot_be_read_as_a_body_is_refused_as_what_it_is(api: Api) -> None:
    assert "is there twice" in refusal(api.post("/commands", '{"behavior": 1, "behavior": 2}'), 400)["detail"]
    refusal(api.post("/commands", b"\xff"), 400)
    refusal(api.post("/commands", "[]"), 422)
    refusal(api.post("/commands", ""), 422)
    refusal(api.post("/commands", "{}", content_type="text/plain"), 415)
    refusal(api.post("/commands", b" " * 2_700_000 + b"{}"), 413)


def test_only_who_may_send_sends(api: Api) -> None:
    body = {"behavior": {"type": "success"}}
    refusal(Api(token_of(user_with(name="bob"), SEND)).post("/commands", body), 403)
    refusal(Api().post("/commands/bulk", {"count": 1, **body}), 401)


def test_the_same_id_sends_once_and_is_answered_as_at_first(api: Api) -> None:
    body: dict[str, Any] = {
        "command_id": str(uuid4()),
        "behavior": {"type": "fail_permanent", "error_code": "X"},
        "payload": {"n": 1.50},
    }
    first, second = api.post("/commands", body), api.post("/commands", body)
    assert (first.status_code, second.status_code) == (201, 200)
    assert first.json() == second.json()
    assert second["Location"] == first["Location"]
    assert ask("SELECT count(*) FROM pgmq.q_test__commands") == 1


def test_another_content_under_the_same_id_is_refused_with_what_differs(api: Api) -> None:
    body: dict[str, Any] = {"command_id": str(uuid4()), "behavior": {"type": "success"}}
    api.post("/commands", body)
    others: list[tuple[str, dict[str, Any]]] = [
        ("behavior", {"behavior": {"type": "timeout"}}),
        ("payload", {"payload": {"n": 1}}),
        ("reply", {"reply": False}),
        ("max_attempts", {"max_attempts": 9}),
        ("correlation_id", {"correlation_id": str(uuid4())}),
    ]
    for field, other in others:
        response = api.post("/commands", {**body, **other})
        assert fields(response, 409) == [field]
        assert response.json()["code"] == "duplicate"


@pytest.mark.django_db(transaction=True)
def test_of_two_equal_sends_at_once_one_sends_and_both_are_answered(api: Api) -> None:
    for _ in range(3):
        body = {"command_id": str(uuid4()), "behavior": {"type": "success"}}
        answers: list[int] = []
        together = threading.Barrier(2)

        def send(body: dict[str, Any] = body, together: threading.Barrier = together) -> None:
            together.wait()
            answers.append(Api(api.token).post("/commands", body).status_code)  # noqa: B023
            connection.close()

        senders = [threading.Thread(target=send) for _ in range(2)]
        for sender in senders:
            sender.start()
        for sender in senders:
            sender.join()
        assert sorted(answers) == [200, 201]


def test_a_command_of_another_domain_is_sent_to_it(api: Api) -> None:
    ask("INSERT INTO commandbus.domain (name) VALUES ('orders')")
    body = api.post("/commands", {"behavior": {"type": "success"}, "domain": "orders"}).json()
    assert body["domain"] == "orders"
    assert ask("SELECT domain || reply_queue FROM commandbus.command") == "ordersorders__replies"


# -- many ------------------------------------------------------------------------------------------------------------


def test_a_bulk_send_is_an_operation(api: Api) -> None:
    parts = [
        {"behavior": {"type": "success"}, "weight": 7.5},
        {"behavior": {"type": "fail_permanent", "error_code": "A"}, "weight": 1},
        {"behavior": {"type": "fail_permanent", "error_code": "B"}},
    ]
    asked = {"count": 1000, "parts": parts, "seed": 42, "rate": 500, "reason": "why", "payload": {"n": 1}}
    response = api.post("/commands/bulk", asked)
    assert response.status_code == 202, response.content
    body = response.json()
    assert response["Location"] == f"/api/v1/operations/{body['id']}" == body["links"]["self"]
    assert {name: body[name] for name in ("kind", "state", "operator", "reason", "wanted", "done", "rate")} == {
        "kind": "send", "state": "waiting", "operator": "ada", "reason": "why", "wanted": 1000, "done": 0, "rate": 500,
    }  # fmt: skip
    spec = "SELECT (spec -> 'parts') || jsonb_build_array(spec -> 'seed', spec -> 'payload') FROM public.e2e_operation"
    assert ask(f'SELECT ({spec})::text LIKE \'%%"B"%%42, {{"n": 1}}]\'')


def test_a_bulk_send_of_one_behavior_needs_no_parts(api: Api) -> None:
    body = api.post("/commands/bulk", {"count": 3, "behavior": {"type": "success"}}).json()
    assert body["wanted"] == 3


def test_a_key_asks_once(api: Api) -> None:
    body = {"count": 3, "behavior": {"type": "success"}, "key": str(uuid4())}
    first, second = api.post("/commands/bulk", body), api.post("/commands/bulk", body)
    assert (second.status_code, second.json()) == (202, first.json())
    other = api.post("/commands/bulk", {**body, "count": 4})
    assert fields(other, 409) == ["count"]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "count"),
        ({"count": 0, "behavior": {"type": "success"}}, "count"),
        ({"count": 1}, "parts"),
        ({"count": 1, "parts": []}, "parts"),
        ({"count": 1, "behavior": {"type": "success"}, "parts": [{"behavior": {"type": "success"}}]}, "parts"),
        ({"count": 1, "parts": [{"behavior": {"type": "success"}, "weight": 0}]}, "parts"),
        ({"count": 1, "parts": [{"behavior": {"type": "success"}, "weight": -1}]}, "parts.0.weight"),
        ({"count": 1, "parts": [{"behavior": {"type": "success", "error_code": "X"}}]}, "parts.0.behavior.error_code"),
        ({"count": 1, "behavior": {"type": "success", "error_code": "X"}}, "behavior.error_code"),
        ({"count": 1, "behavior": {"type": "success"}, "rate": 0}, "rate"),
        ({"count": 1, "behavior": {"type": "success"}, "reason": "x" * 2000}, "reason"),
        ({"count": 1, "behavior": {"type": "success"}, "seed": -1}, "seed"),
        ({"count": 1, "behavior": {"type": "success"}, "key": "x"}, "key"),
    ],
)
def test_what_is_wrong_in_a_bulk_send_is_said_by_its_field(api: Api, body: dict[str, Any], field: str) -> None:
    assert fields(api.post("/commands/bulk", body)) == [field]
    assert ask("SELECT count(*) FROM public.e2e_operation") == 0
