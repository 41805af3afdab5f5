"""Operations by program: all of them, one, and who may cancel which."""

from typing import Any

import pytest
from django.contrib.auth.models import User
from pytest_django import DjangoAssertNumQueries
from pytest_django.fixtures import Settings

from commands.bus.operations import Mix, send_many
from commands.rules.behaviors import Behavior
from tests.integration.test_api_tsq import OPERATE, park
from tests.integration.test_pages import ask
from tests.support.api import Api, refusal, token_of, user_with

pytestmark = pytest.mark.django_db

SEND = "commands.add_testcommand"


@pytest.fixture(autouse=True)
def _open(settings: Settings) -> None:
    settings.PUBLIC_READ = True


@pytest.fixture
def ada() -> User:
    return user_with(OPERATE)


@pytest.fixture
def api(ada: User) -> Api:
    return Api(token_of(ada, OPERATE))


def retry(api: Api, **more: Any) -> int:
    return int(api.post("/tsq/bulk-retry", {"all": True, "reason": "x" * 500, **more}).json()["id"])


def send(payload: dict[str, Any] | None = None) -> int:
    parts = [(Behavior.from_json({"type": "success"}), 1.0)]
    return send_many(Mix(parts=parts, count=3, payload=payload), operator="ada")


def test_the_list_is_newest_first_page_by_page(api: Api) -> None:
    park()
    numbers = [retry(api), send(), retry(api)]
    first = Api().get("/operations", {"limit": 2}).json()
    assert [item["id"] for item in first["items"]] == numbers[:0:-1]
    assert first["items"][0]["reason"] == "x" * 500
    second = Api().get("/operations", {"limit": 2, "cursor": first["next"]}).json()
    assert [item["id"] for item in second["items"]] == numbers[:1]
    assert second["next"] is None
    assert refusal(Api().get("/operations", {"cursor": "9" * 19}), 422)["errors"][0]["field"] == "cursor"


def test_one_tells_what_was_asked_and_how_far_it_is(api: Api) -> None:
    park(2)
    number = retry(api, payload={"sum": 1}, behavior={"type": "success"})
    body = Api().get(f"/operations/{number}").json()
    assert (body["kind"], body["wanted"], body["percent"], body["chosen"]) == ("retry", 2, 0, None)
    assert (body["spec"]["behavior"], body["payload"]) == ({"type": "success"}, {"sum": 1})
    assert body["links"] == {
        "self": f"/api/v1/operations/{number}",
        "commands": f"/api/v1/commands?operation={number}",
        "page": f"/operations/{number}/",
    }
    ask("SELECT commandbus.work_operation()")
    body = Api().get(f"/operations/{number}").json()
    assert (body["done"], body["percent"], body["stand"]) == (2, 100, None)


def test_of_a_bulk_send_it_tells_where_its_commands_stand() -> None:
    number = send({"price": 1})
    ask("UPDATE e2e_operation SET spec = jsonb_set(spec, '{payload,price}', '12345678901234567890.10')")
    assert Api().get(f"/operations/{number}").json()["stand"] is None
    ask("SELECT commandbus.work_operation()")
    response = Api().get(f"/operations/{number}")
    assert response.json()["stand"] == {"PENDING": 3}
    assert b"12345678901234567890.10" in response.content


@pytest.mark.parametrize("number", [1, 2**63 - 1])
def test_one_that_is_unknown_is_said_to_be(api: Api, number: int) -> None:
    assert str(number) in refusal(Api().get(f"/operations/{number}"), 404)["detail"]
    refusal(api.post(f"/operations/{number}/cancel"), 404)


def test_a_number_that_none_can_have_is_refused() -> None:
    for number in ("0", str(2**63), "one"):
        assert refusal(Api().get(f"/operations/{number}"), 422)["errors"][0]["field"] == "operation_id"


def test_who_may_ask_for_it_may_cancel_it_once(api: Api) -> None:
    park()
    number, sending = retry(api), send()
    body = api.post(f"/operations/{number}/cancel").json()
    assert (body["state"], body["stopped_by"]) == ("canceled", "ada")
    assert refusal(api.post(f"/operations/{number}/cancel"), 409)["code"] == "over"
    assert SEND in refusal(api.post(f"/operations/{sending}/cancel"), 403)["detail"]
    refusal(Api().post(f"/operations/{sending}/cancel"), 401)
    bob = user_with(SEND, name="bob")
    refusal(Api(token_of(bob)).post(f"/operations/{sending}/cancel"), 403)
    assert Api(token_of(bob, SEND)).post(f"/operations/{sending}/cancel").json()["state"] == "canceled"


def test_a_page_of_many_asks_no_more_than_one_of_few(django_assert_num_queries: DjangoAssertNumQueries) -> None:
    for _ in range(20):
        send()
    with django_assert_num_queries(1):
        assert len(Api().get("/operations", {"limit": 20}).json()["items"]) == 20
