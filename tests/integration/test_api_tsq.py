"""The troubleshooting queue by program: list, groups, what operators do to one, some, or all that a filter meets."""

import json
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.contrib.auth.models import User
from pytest_django.fixtures import Settings

from commands.forms import operating
from tests.integration.test_pages import ask, begin, finish, send
from tests.support.api import Api, refusal, token_of, user_with

pytestmark = pytest.mark.django_db

OPERATE = "commands.operate_command"


@pytest.fixture(autouse=True)
def _open(settings: Settings) -> None:
    settings.PUBLIC_READ = True


@pytest.fixture
def ada() -> User:
    return user_with(OPERATE)


@pytest.fixture
def api(ada: User) -> Api:
    return Api(token_of(ada, OPERATE))


def park(count: int = 1, *, code: str = "E", message: str = "went wrong") -> list[UUID]:
    """Parks so many commands."""
    ids = [send(type="fail_permanent") for _ in range(count)]
    begun = begin()
    for command_id in ids:
        finish(begun[command_id], "permanent", error_code=code, error_msg=message)
    return ids


def ids_of(body: Any) -> list[UUID]:
    return [UUID(item["command_id"]) for item in body["items"]]


def status_of(command_id: UUID) -> Any:
    return ask("SELECT status FROM commandbus.command WHERE command_id = %s", command_id)


def newest_event(command_id: UUID) -> Any:
    found = "SELECT details_json::TEXT FROM commandbus.audit WHERE command_id = %s ORDER BY audit_id DESC LIMIT 1"
    return json.loads(ask(found, command_id))


def fields(body: Any) -> list[str]:
    return [error["field"] for error in body["errors"]]


def test_the_list_is_newest_first_page_by_page() -> None:
    parked = [park()[0] for _ in range(5)]
    first = Api().get("/tsq", {"limit": 2}).json()
    assert first["matching"] == {"count": 5, "at_least": False}
    second = Api().get("/tsq", {"limit": 2, "cursor": first["next"]}).json()
    third = Api().get("/tsq", {"limit": 2, "cursor": second["next"]}).json()
    assert ids_of(first) + ids_of(second) + ids_of(third) == parked[::-1]
    assert third["next"] is None
    item = first["items"][0]
    assert (item["error_code"], item["error_message"], item["behavior"]) == ("E", "went wrong", "fail_permanent")
    assert (item["attempts"], item["max_attempts"]) == (1, 3)


def test_the_filter_is_the_pages() -> None:
    (one,), (two,) = park(code="A", message="first"), park(code="B", message="second")
    assert ids_of(Api().get("/tsq", {"code": "A"}).json()) == [one]
    searched = Api().get("/tsq", {"text": "SECOND"}).json()
    assert (ids_of(searched), searched["matching"]) == ([two], None)
    assert ids_of(Api().get("/tsq", {"from": "2999-01-01T00:00:00Z"}).json()) == []
    body = refusal(Api().get("/tsq", {"from": "2026-05-02T00:00", "to": "2026-05-01T00:00"}), 422)
    assert body["errors"] == [{"field": "to", "message": "to must not be before from.", "allowed": "UTC, included."}]
    assert fields(refusal(Api().get("/tsq", {"from": "soon"}), 422)) == ["from"]
    assert fields(refusal(Api().get("/tsq", {"cursor": "nowhere"}), 422)) == ["cursor"]
    assert fields(refusal(Api().get("/tsq", {"limit": 101}), 422)) == ["limit"]
    assert refusal(Api().get("/tsq", {"domain": "no"}), 422)["errors"][0]["allowed"] == "test"


def test_groups_lead_to_their_commands() -> None:
    park(2, code="A")
    rare = park(1, code="")
    body = Api().get("/tsq/groups").json()
    assert [(group["error_code"], group["count"]) for group in body["items"]] == [("A", 2), ("", 1)]
    assert body["cut"] is False
    assert ids_of(Api().get("/tsq", body["items"][1]["filter"]).json()) == rare


def test_one_is_retried_as_another_behavior_with_another_payload(api: Api) -> None:
    (command_id,) = park()
    body = {
        "behavior": {"type": "success", "execution_time_ms": 5},
        "payload": {"sum": 1},
        "max_attempts": 7,
        "reason": "fixed",
    }
    exact = json.dumps(body).replace('"sum": 1', '"sum": 12345678901234567890.10')
    response = api.post(f"/tsq/{command_id}/retry", exact)
    assert response.json() == {
        "command_id": str(command_id), "action": "retry", "status": "PENDING", "operator": "ada",
    }  # fmt: skip
    assert status_of(command_id) == "PENDING"
    asked = ask("SELECT behavior::TEXT || payload::TEXT FROM test_command WHERE command_id = %s", command_id)
    assert asked == '{"type": "success", "execution_time_ms": 5}{"sum": 12345678901234567890.10}'
    assert (newest_event(command_id)["operator"], newest_event(command_id)["reason"]) == ("ada", "fixed")


def test_one_is_retried_as_it_is_without_a_body(api: Api) -> None:
    (command_id,) = park()
    assert api.post(f"/tsq/{command_id}/retry").status_code == 200
    assert status_of(command_id) == "PENDING"
    body = refusal(api.post(f"/tsq/{command_id}/retry"), 409)
    assert body["code"] == "not_parked"
    assert "was retried by ada" in body["detail"]
    assert "Its status is PENDING." in body["detail"]


def test_one_is_canceled_for_a_reason_and_completed_with_a_result(api: Api) -> None:
    one, two = park(2)
    assert fields(refusal(api.post(f"/tsq/{one}/cancel", {"reason": " "}), 422)) == ["reason"]
    assert fields(refusal(api.post(f"/tsq/{one}/cancel", {}), 422)) == ["reason"]
    assert api.post(f"/tsq/{one}/cancel", {"reason": "no need"}).json()["status"] == "CANCELED"
    assert api.post(f"/tsq/{two}/complete", {"result": {"by": "hand"}}).json()["status"] == "COMPLETED"
    assert (status_of(one), status_of(two)) == ("CANCELED", "COMPLETED")
    assert ask("SELECT result FROM test_command WHERE command_id = %s", two) == '{"by": "hand"}'


WRONG_ONE: list[tuple[dict[str, Any], str]] = [
    ({"behavior": {"type": "success", "error_code": "X"}}, "behavior.error_code"),
    ({"behavior": {"type": "fail_transient", "execution_time_ms": -1}}, "behavior.execution_time_ms"),
    ({"behavior": {"type": "other"}}, "behavior.type"),
    ({"behavior": {"type": "success", "speed": 1}}, "behavior.speed"),
    ({"max_attempts": 0}, "max_attempts"),
    ({"max_attempts": True}, "max_attempts"),
    ({"max_attempts": 1.5}, "max_attempts"),
    ({"payload": {"text": "\0"}}, "payload"),
    ({"payload": {"text": "x" * 70_000}}, "payload"),
    ({"payload": []}, "payload"),
    ({"reason": "x" * 1001}, "reason"),
    ({"reason": "\ud800"}, "reason"),
    ({"reason": "\0"}, "reason"),
    ({"until": "soon"}, "until"),
    ({"rate": 5}, "rate"),
]


def test_what_is_wrong_with_a_retry_is_named(api: Api) -> None:
    (command_id,) = park()
    for body, field in WRONG_ONE:
        assert fields(refusal(api.post(f"/tsq/{command_id}/retry", body), 422)) == [field], body
    assert status_of(command_id) == "IN_TROUBLESHOOTING_QUEUE"


def test_one_that_is_unknown_or_was_parked_again_since_is_left(api: Api) -> None:
    assert "No command has the id" in refusal(api.post(f"/tsq/{uuid4()}/retry"), 404)["detail"]
    (command_id,) = park()
    body = refusal(api.post(f"/tsq/{command_id}/retry", {"until": "2026-01-01T00:00:00Z"}), 409)
    assert body["code"] == "parked_again"


def test_only_operators_act() -> None:
    (command_id,) = park()
    bob = user_with("commands.add_testcommand", name="bob")
    for path, body in ((f"/tsq/{command_id}/cancel", {"reason": "x"}), ("/tsq/bulk-retry", {"all": True})):
        refusal(Api().post(path, body), 401)
        assert OPERATE in refusal(Api(token_of(bob, "commands.add_testcommand")).post(path, body), 403)["detail"]
    assert status_of(command_id) == "IN_TROUBLESHOOTING_QUEUE"


def test_a_few_named_ones_are_done_at_once(api: Api) -> None:
    one, two = park(2)
    other = send()
    body = api.post("/tsq/bulk-cancel", {"ids": [str(one), str(two), str(other)], "reason": "x"})
    assert body.status_code == 200
    assert (body.json()["action"], body.json()["done"]) == ("cancel", [str(one), str(two)])
    (left,) = body.json()["left"]
    assert (left["command_id"], left["status"]) == (str(other), "PENDING")
    assert (status_of(one), status_of(other)) == ("CANCELED", "PENDING")


def test_all_that_a_filter_meets_are_an_operation(api: Api) -> None:
    met, others = park(3, code="A"), park(1, code="B")
    asked = {"filter": {"code": "A"}, "reason": "fixed", "rate": 100, "behavior": {"type": "success"}, "canary": 10}
    response = api.post("/tsq/bulk-retry", asked)
    assert response.status_code == 202
    body = response.json()
    assert response["Location"] == f"/api/v1/operations/{body['id']}" == body["links"]["self"]
    assert (body["kind"], body["state"], body["wanted"], body["rate"], body["canary"]) == (
        "retry", "waiting", 3, 100, 10,
    )  # fmt: skip
    assert (body["operator"], body["reason"]) == ("ada", "fixed")
    assert ask("SELECT spec #>> '{behavior,type}' FROM e2e_operation") == "success"
    assert {status_of(i) for i in met + others} == {"IN_TROUBLESHOOTING_QUEUE"}  # until a worker works it off


def test_the_same_key_is_the_same_operation(api: Api) -> None:
    park(2)
    asked = {"all": True, "key": str(uuid4()), "expected_count": 2}
    first = api.post("/tsq/bulk-complete", asked)
    park(1)
    again = api.post("/tsq/bulk-complete", asked)
    assert (first.status_code, again.status_code) == (202, 202)
    assert first.json()["id"] == again.json()["id"]
    assert ask("SELECT count(*) FROM e2e_operation") == 1
    assert refusal(api.post("/tsq/bulk-retry", asked), 409)["code"] == "key_taken"


def test_nothing_is_done_where_they_are_more_or_none(api: Api) -> None:
    gone = str(uuid4())
    body = refusal(api.post("/tsq/bulk-retry", {"ids": [gone], "rate": 1}), 409)
    assert body["errors"] == [{"field": "ids", "message": f"{gone} is gone: it was pruned, or never was"}]
    park(2)
    body = refusal(api.post("/tsq/bulk-retry", {"all": True, "expected_count": 1}), 409)
    assert body["detail"] == "They are more by now: 2, not 1. Nothing was done."
    assert ask("SELECT count(*) FROM e2e_operation") == 0


def test_a_large_number_need_not_be_typed(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(operating, "TYPED_FROM", 1)
    park(2)
    assert api.post("/tsq/bulk-retry", {"all": True}).status_code == 202


WRONG_MANY: list[tuple[dict[str, Any], str]] = [
    ({}, "filter"),
    ({"filter": {}}, "filter"),
    ({"filter": {"text": " "}}, "filter"),
    ({"filter": {"from": "soon"}}, "filter.from"),
    ({"filter": {"code": "x" * 101}}, "filter.code"),
    ({"filter": {"color": "red"}}, "filter.color"),
    ({"filter": {"code": "A"}, "all": True}, "all"),
    ({"ids": [], "filter": None}, "ids"),
    ({"ids": ["x"]}, "ids.0"),
    ({"ids": [str(UUID(int=i)) for i in range(1001)]}, "ids"),
    ({"ids": [str(UUID(int=1))], "all": True}, "ids"),
    ({"all": "yes"}, "all"),
    ({"all": True, "rate": 0}, "rate"),
    ({"all": True, "canary": 100}, "canary"),
    ({"all": True, "until": "soon"}, "until"),
    ({"all": True, "key": "x"}, "key"),
    ({"all": True, "domain": "no"}, "domain"),
    ({"all": True, "behavior": {"type": "timeout", "transient_failures": 3}}, "behavior.transient_failures"),
]


def test_what_is_wrong_with_many_is_named(api: Api) -> None:
    park()
    for body, field in WRONG_MANY:
        assert fields(refusal(api.post("/tsq/bulk-retry", body), 422)) == [field], body
    assert ask("SELECT count(*) FROM e2e_operation") == 0


def test_a_canary_is_for_retries_alone(api: Api) -> None:
    park()
    body = refusal(api.post("/tsq/bulk-complete", {"all": True, "canary": 5}), 422)
    assert fields(body) == ["canary"]
