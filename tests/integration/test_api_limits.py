"""What holds for callers of the API beside their rights: budgets for sending, and values that they may not see."""

import json
from typing import Any
from uuid import UUID

import pytest
from django.core.cache import cache
from django.db import connection
from pytest_django.fixtures import Settings

from tests.support.api import Api, refusal, token_of, user_with

pytestmark = pytest.mark.django_db
SEND, OPERATE, SEE = "commands.add_testcommand", "commands.operate_command", "commands.see_redacted"
SECRET = "DE89 3704"
ONE: dict[str, Any] = {"behavior": {"type": "success"}}


def execute(statement: str, *parameters: Any) -> Any:
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)
        return cursor.fetchone()[0] if cursor.description else None


def test_a_token_that_has_sent_its_budget_waits_and_is_told_how_long(settings: Settings) -> None:
    settings.SEND_PER_MINUTE = 2
    user = user_with(SEND)
    api = Api(token_of(user, SEND))
    assert [api.post("/commands", ONE).status_code for _ in range(2)] == [201, 201]
    response = api.post("/commands", ONE)
    assert refusal(response, 429)["code"] == "too_many"
    assert 1 <= int(response["Retry-After"]) <= 60
    refusal(api.post("/commands/bulk", {"count": 5, **ONE}), 429)
    assert Api(token_of(user, SEND, name="another")).post("/commands", ONE).status_code == 201
    assert execute("SELECT count(*) FROM commandbus.command") == 3


def test_a_process_takes_a_little_of_a_large_budget_ahead(settings: Settings) -> None:
    settings.SEND_PER_MINUTE = 6000
    api = Api(token_of(user_with(SEND), SEND))
    spent = "SELECT round(6000 - left_now) FROM public.e2e_api_token_budget"
    assert [api.post("/commands", ONE).status_code for _ in range(2)] == [201, 201]
    assert execute(spent) == 10  # a tenth of a second's worth
    refusal(api.post("/commands/bulk", {"count": 0, **ONE}), 422)
    api.post("/commands/bulk", {"count": 5000, **ONE})
    assert 5000 <= execute(spent) <= 5010


@pytest.fixture
def secret_id() -> UUID:
    """A command with a value under a redacted key, parked with words about it."""
    execute("UPDATE public.e2e_config SET redacted_keys = 'iban'")
    cache.clear()
    api = Api(token_of(user_with(SEND, name="sender"), SEND))
    body = api.post("/commands", {**ONE, "payload": {"iban": SECRET, "amount": 12.50}}).json()
    return UUID(body["id"])


def told(api: Api, command_id: UUID) -> str:
    """All that reading operations answer about the command."""
    paths = [
        f"/commands/{command_id}", f"/commands/{command_id}/raw/payload", f"/audit/{command_id}", "/audit/search",
        "/commands", "/queue", "/operations", "/stats/recent-activity",
    ]  # fmt: skip
    answers = [api.get(path) for path in paths]
    assert {answer.status_code for answer in answers} == {200}
    return "\n".join(answer.content.decode() for answer in answers)


def test_values_under_redacted_keys_are_told_to_nobody_who_may_not_see_them(secret_id: UUID) -> None:
    text = told(Api(token_of(user_with(SEND, OPERATE), SEND, OPERATE)), secret_id)
    assert SECRET not in text
    assert "•••" in text


def test_a_token_tells_them_where_it_is_good_for_that_and_its_owner_may_see_them(secret_id: UUID) -> None:
    sees = user_with(SEE, name="sees")
    payload = f"/commands/{secret_id}/raw/payload"
    assert json.loads(Api(token_of(sees, SEE)).get(payload).content)["iban"] == SECRET
    assert json.loads(Api(token_of(sees)).get(payload).content)["iban"] == "•••"
    assert json.loads(Api(token_of(user_with(name="not"), SEE)).get(payload).content)["iban"] == "•••"


def test_who_may_not_see_them_cannot_search_for_them(secret_id: UUID) -> None:
    api = Api(token_of(user_with()))
    problem = refusal(api.get("/commands", {"payload": SECRET}), 422)
    assert [error["field"] for error in problem["errors"]] == ["payload"]
    assert [error["field"] for error in refusal(api.get("/audit/search", {"text": "DE89"}), 422)["errors"]] == ["text"]
    sees = Api(token_of(user_with(SEE, name="sees"), SEE))
    assert [row["id"] for row in sees.get("/commands", {"payload": SECRET}).json()["items"]] == [str(secret_id)]
