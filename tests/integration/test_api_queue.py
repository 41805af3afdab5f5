"""What waits by program: the queue, replies, messages that were no command, workers, load tests."""

import json
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import User
from django.db import connection
from pytest_django import DjangoAssertNumQueries
from pytest_django.fixtures import Settings

from commands.reads import messages, queue
from tests.integration.test_api_tsq import OPERATE, newest_event, status_of
from tests.integration.test_pages import ask, begin, finish, send, worker
from tests.support.api import Api, refusal, token_of, user_with
from tests.support.load_runs import add_run

pytestmark = pytest.mark.django_db

SEND = "commands.add_testcommand"
ID = UUID(int=7)


@pytest.fixture(autouse=True)
def _open(settings: Settings) -> None:
    settings.PUBLIC_READ = True


@pytest.fixture
def ada() -> User:
    return user_with(OPERATE, SEND)


@pytest.fixture
def api(ada: User) -> Api:
    return Api(token_of(ada, OPERATE, SEND))


def put(message: Any, to: str = "test__commands") -> int:
    return int(ask("SELECT pgmq.send(%s, %s::JSONB, 0)", to, json.dumps(message)))


def reply(command_id: object = ID, **more: Any) -> int:
    return put({"command_id": str(command_id), "outcome": "SUCCESS", **more}, "test__replies")


def reject(message: Any) -> int:
    """The number of the event of a message that was no command."""
    put(message)
    begin()
    return int(ask("SELECT max(audit_id) FROM commandbus.audit WHERE event_type = 'MESSAGE_REJECTED'"))


def commands_of(body: Any) -> list[UUID]:
    return [UUID(item["command_id"]) for item in body["items"]]


# -- the queue -------------------------------------------------------------------------------------------------------


def test_messages_come_in_the_order_in_which_workers_take_them() -> None:
    ran, delayed = send(), send()
    begun = begin()
    finish(begun[delayed], "transient", delay_ms=60_000)
    waiting = [send() for _ in range(2)]
    body = Api().get("/queue").json()
    assert commands_of(body) == [ran, delayed, *waiting]
    assert [item["state"] for item in body["items"]] == ["running", "delayed", "waiting", "waiting"]
    assert body["counts"] == {"waiting": 2, "running": 1, "delayed": 1, "at_least": False}
    assert (body["items"][1]["status"], body["items"][1]["attempts"], body["items"][1]["behavior"]) == (
        "IN_PROGRESS", 1, "success",
    )  # fmt: skip
    assert commands_of(Api().get("/queue", {"state": "waiting"}).json()) == waiting
    assert refusal(Api().get("/queue", {"state": "lost"}), 422)["errors"][0]["field"] == "state"


def test_a_page_goes_on_where_the_one_before_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    ids = [send() for _ in range(5)]
    first = Api().get("/queue", {"limit": 3}).json()
    second = Api().get("/queue", {"limit": 3, "cursor": first["next"]}).json()
    assert commands_of(first) + commands_of(second) == ids
    assert (first["looked"], second["next"]) == (None, None)
    monkeypatch.setattr(queue, "MOST", 2)
    body = Api().get("/queue", {"state": "delayed"}).json()
    assert (body["items"], body["looked"], body["counts"]["at_least"]) == ([], 2, True)
    assert body["next"] is not None


def test_a_page_of_many_asks_no_more_than_one_of_few(django_assert_num_queries: DjangoAssertNumQueries) -> None:
    for _ in range(20):
        send()
    with django_assert_num_queries(4):  # messages, their workers, counts, whether they are paused
        assert len(Api().get("/queue").json()["items"]) == 20


def test_a_command_that_waits_is_canceled(api: Api) -> None:
    begun = send()
    begin()
    command_id = send()
    path = f"/queue/{command_id}/cancel"
    assert refusal(api.post(path, {"reason": ""}), 422)["errors"][0]["field"] == "reason"
    assert api.post(path, {"reason": "no need"}).json()["status"] == "CANCELED"
    assert newest_event(command_id)["reason"] == "no need"
    assert "was canceled by ada" in refusal(api.post(path, {"reason": "again"}), 409)["detail"]
    body = refusal(api.post(f"/queue/{begun}/cancel", {"reason": "x"}), 409)
    assert (body["code"], status_of(begun)) == ("not_waiting", "IN_PROGRESS")
    refusal(api.post(f"/queue/{uuid4()}/cancel", {"reason": "x"}), 404)
    refusal(Api().post(path, {"reason": "x"}), 401)


# -- replies ---------------------------------------------------------------------------------------------------------


def test_replies_are_newest_first_with_every_digit(monkeypatch: pytest.MonkeyPatch) -> None:
    numbers = [reply(), reply(uuid4()), reply()]
    ask("UPDATE pgmq.q_test__replies SET message = message || '{\"n\": 1.10}' WHERE msg_id = %s", numbers[0])
    first = Api().get("/replies", {"limit": 2}).json()
    response = Api().get("/replies", {"limit": 2, "cursor": first["next"]})
    assert [item["msg_id"] for item in first["items"] + response.json()["items"]] == numbers[::-1]
    assert b'"n": 1.10' in response.content
    of_one = Api().get("/replies", {"command_id": str(ID)}).json()
    assert [item["msg_id"] for item in of_one["items"]] == [numbers[2], numbers[0]]
    monkeypatch.setattr(messages, "MOST", 1)
    cut = Api().get("/replies", {"command_id": str(uuid4())}).json()
    assert (cut["items"], cut["looked"]) == ([], 1)
    assert cut["next"] == str(numbers[2])
    assert cut["reach"] is not None


def test_a_reply_is_taken_and_put_back(api: Api) -> None:
    number = reply()
    assert api.post(f"/replies/{number}/take").json() == {
        "msg_id": number, "queue": "test__replies", "taken": True,
    }  # fmt: skip
    assert Api().get("/replies").json()["items"] == []
    assert [item["msg_id"] for item in Api().get("/replies", {"taken": "true"}).json()["items"]] == [number]
    refusal(api.post(f"/replies/{number}/take"), 404)
    put_back = api.post(f"/replies/{number}/restore").json()
    assert put_back["msg_id"] > number
    refusal(api.post(f"/replies/{number}/restore"), 404)
    told = list(LogEntry.objects.order_by("id").values_list("user__username", "change_message"))
    assert told == [
        ("ada", f"Took 1 reply out of test__replies: {number}."),
        ("ada", f"Put 1 reply back into test__replies: now {put_back['msg_id']}."),
    ]
    assert refusal(api.post(f"/replies/{number}/take?domain=no"), 422)["errors"][0]["field"] == "domain"
    refusal(Api(token_of(user_with(name="bob"), OPERATE)).post(f"/replies/{number}/take"), 403)


# -- messages that were no command -----------------------------------------------------------------------------------


def test_rejected_messages_are_listed_and_read_whole() -> None:
    numbers = [reject({"no": n}) for n in range(3)]
    first = Api().get("/rejected", {"limit": 2}).json()
    second = Api().get("/rejected", {"limit": 2, "cursor": first["next"]}).json()
    assert [item["audit_id"] for item in first["items"] + second["items"]] == numbers[::-1]
    assert second["next"] is None
    body = Api().get(f"/rejected/{numbers[0]}").json()
    assert (json.loads(body["text"]), body["kept"], body["domain"]) == ({"no": 0}, True, "test")
    refusal(Api().get(f"/rejected/{numbers[2] + 1}"), 404)


def test_one_is_sent_as_a_new_command(api: Api) -> None:
    number = reject({"data": {"a": 1}})
    asked = {"way": "new", "message": {"data": {"a": 1}}, "behavior": {"type": "fail_permanent"}}
    body = api.post(f"/rejected/{number}/send", asked).json()
    assert body["msg_id"] is None
    assert ask("SELECT behavior ->> 'type' FROM test_command WHERE command_id = %s", body["command_id"]) == (
        "fail_permanent"
    )
    assert LogEntry.objects.get().change_message.startswith("Sent rejected message ")
    again = {**asked, "message": {"command_id": body["command_id"]}}
    assert refusal(api.post(f"/rejected/{number}/send", again), 409)["errors"][0]["field"] == "message"
    refusal(api.post(f"/rejected/{number + 1}/send", asked), 404)


def test_one_is_sent_for_the_command_that_lost_it(api: Api) -> None:
    command_id = send()
    ask("DELETE FROM pgmq.q_test__commands")
    number = reject({"no": 1})
    asked = {"way": "lost", "message": {"command_id": str(command_id), "domain": "test"}}
    body = api.post(f"/rejected/{number}/send", asked).json()
    assert body == {"command_id": str(command_id), "msg_id": ask("SELECT max(msg_id) FROM pgmq.q_test__commands")}
    assert refusal(api.post(f"/rejected/{number}/send", asked), 409)["code"] == "not_sent"


def test_what_is_wrong_with_a_mended_message_is_named(api: Api) -> None:
    number = reject({"no": 1})
    wrong: list[tuple[dict[str, Any], str]] = [
        ({"way": "other", "message": {}}, "way"),
        ({"way": "new", "message": {}}, "behavior"),
        ({"way": "new", "message": {}, "behavior": {"type": "no"}}, "behavior"),
        ({"way": "new", "message": {"data": []}, "behavior": {"type": "success"}}, "message"),
        ({"way": "lost", "message": {}}, "message"),
        ({"way": "lost", "message": {"a": "\0"}}, "message"),
        ({"way": "lost", "message": "x"}, "message"),
    ]
    for body, field in wrong:
        assert [error["field"] for error in refusal(api.post(f"/rejected/{number}/send", body), 422)["errors"]] == [
            field
        ]


def test_a_new_command_needs_the_permission_to_send() -> None:
    number = reject({"no": 1})
    bob = Api(token_of(user_with(OPERATE, SEND, name="bob"), OPERATE))
    asked = {"way": "new", "message": {}, "behavior": {"type": "success"}}
    assert SEND in refusal(bob.post(f"/rejected/{number}/send", asked), 403)["detail"]


# -- workers and load tests ------------------------------------------------------------------------------------------


def test_workers_are_listed_the_live_ones_first() -> None:
    worker("silent", silence=60)
    worker("gone", stopped=True)
    worker("live")
    found = Api().get("/workers").json()["items"]
    assert [(item["host"], item["alive"]) for item in found] == [("live", True), ("silent", False)]
    assert (found[0]["received"], found[0]["in_flight"], found[0]["overrides"]) == (99, 2, {})


def test_load_tests_are_listed_and_read_whole() -> None:
    connection.ensure_connection()
    numbers = [add_run(connection.connection, samples=2) for _ in range(2)]
    first = Api().get("/load-tests", {"limit": 1}).json()
    second = Api().get("/load-tests", {"limit": 1, "cursor": first["next"]}).json()
    assert [item["run_id"] for item in first["items"] + second["items"]] == numbers[::-1]
    assert (first["items"][0]["per_s"], first["items"][0]["as_expected"]) == (500.0, True)
    assert second["next"] is None
    body = Api().get(f"/load-tests/{numbers[0]}").json()
    assert [point["sent"] for point in body["points"]] == [100, 200]
    assert body["summary"]["latency_ms"]["end_to_end"]["p99"] == 1500.0
    refusal(Api().get(f"/load-tests/{2**63 - 1}"), 404)


def test_one_that_runs_has_no_summary_yet() -> None:
    connection.ensure_connection()
    number = add_run(connection.connection, state="running")
    body = Api().get(f"/load-tests/{number}").json()
    assert (body["summary"], body["as_expected"], body["silent"]) == (None, None, False)
