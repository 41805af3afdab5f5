"""The pages of operations: the list by its pages, one from its first chunk to its end, and who may cancel it."""

import re
from collections.abc import Callable
from datetime import UTC, datetime
from html import unescape
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from pytest_django.fixtures import Settings

from commands.bus.operations import ParkedFilter, operate_on
from commands.bus.operators import Action
from commands.models import Operation
from commands.rules.behaviors import Behavior, BehaviorType
from commands.rules.words import OperationKind
from tests.integration.test_operations_send import EACH, PARKS, ask, query, work, work_all
from tests.integration.test_pages import begin, finish, send, text, worker

pytestmark = pytest.mark.django_db

LATER = datetime(2100, 1, 1, tzinfo=UTC)
MOST_QUERIES = 6


@pytest.fixture(autouse=True)
def _open(settings: Settings) -> None:
    settings.PUBLIC_READ = True


def page(address: str) -> str:
    response = Client().get(address)
    assert response.status_code == 200
    return text(response.text)


def retry(canary: int | None = None, **changed: Any) -> int:
    action = Action(kind=OperationKind.RETRY, operator="grace", reason="fixed", **changed)
    chosen = ParkedFilter(until=LATER, code="NO_FUNDS", behavior="fail_permanent", text="50%")
    return operate_on(chosen, action, canary=canary)


def numbers(html: str) -> list[int]:
    return [int(number) for number in re.findall(r'<tr id="operation-(\d+)"', html)]


# -- the list --------------------------------------------------------------------------------------------------------


def test_the_list_says_who_asked_for_what_and_how_far_it_is() -> None:
    number = ask(8000)
    work(50)
    query("UPDATE e2e_operation SET done = 5000")
    row = re.search(rf'<tr id="operation-{number}".*?</tr>', Client().get("/operations/").text, re.DOTALL)
    assert row is not None
    assert re.match(r"Operation \d+ Send Running 62 % 8,000 5,000 0 [\d,.]+ ada . now", text(row[0]).strip())
    query("UPDATE e2e_operation SET done = 7950")
    work(50)
    assert "Done 8,000 8,000 0" in page("/operations/")


def test_the_pages_of_the_list_go_by_number() -> None:
    asked = [ask() for _ in range(45)]
    found: list[int] = []
    address: str | None = "/operations/"
    while address:
        html = Client().get(address).text
        found += numbers(html)
        link = re.search(r'rel="next" href="([^"]+)"', html)
        address = f"/operations/{unescape(link[1])}" if link else None
    assert found == asked[::-1]
    assert len(numbers(Client().get("/operations/?size=50").text)) == 45
    assert "No operation is older than these" in page(f"/operations/?before={asked[0]}")


def test_an_empty_list_leads_to_the_first_operation() -> None:
    html = Client().get("/operations/").text
    assert "Nothing was ever done to many commands at once" in html
    assert 'href="/send/many/"' in html


def test_the_list_is_followed_while_one_of_them_is_not_over() -> None:
    ask(3)
    assert "data-live-final" not in Client().get("/operations/live/").text
    work()
    assert "data-live-final" in Client().get("/operations/live/").text


@pytest.mark.parametrize("before", ["x", "-1", "1" * 30])
def test_a_page_that_begins_nowhere_is_an_error_page(before: str) -> None:
    assert Client().get("/operations/", {"before": before}).status_code == 404


# -- one -------------------------------------------------------------------------------------------------------------


def test_a_bulk_send_is_watched_from_its_first_chunk_to_the_end_of_its_commands() -> None:
    number = ask(30, parts=[(EACH[0], 3), (PARKS, 1)], seed=7, reason="see it")
    address = f"/operations/{number}/"
    assert "Send 30 commands Waiting" in page(address)
    assert "0 of 30 sent , 0 %." in page(address)
    assert "Expected of all 30 ≈ 22 Completed ≈ 8 In TSQ" in page(address)
    work(10)
    assert re.search(r"10 of 30 sent , 33 %, [\d,.]+ per second, [\d.]+ m?s left\.", page(address))
    work(10)
    work(10)
    shown = page(address)
    assert "Send 30 commands Done" in shown
    assert re.search(r"30 sent , [\d,.]+ per second, in [\d.]+ m?s\.", shown)
    assert "The 30 commands that it sent" in shown
    assert "Now 30 Pending" in shown
    assert "drawn by seed 7" in shown
    assert "75 % success" in shown
    assert "25 % fail_permanent, error_code NO_FUNDS" in shown
    html = Client().get(address).text
    assert f'href="/commands/?operation={number}"' in html
    assert "data-live-final" not in html
    attempts = begin()
    query("UPDATE e2e_config SET max_attempts = 3")
    for attempt in attempts.values():
        finish(attempt)
    html = Client().get(address).text
    assert f"Now {len(attempts)} Completed" in text(html)
    assert ("data-live-final" in html) == (len(attempts) == 30)


def test_without_a_worker_it_says_what_to_start_and_with_one_it_does_not() -> None:
    number = ask(20)
    waits = "No worker is running: this operation waits."
    remedy = f"{waits} Start one: manage.py runworker , or do this alone: manage.py operate"
    assert remedy in page(f"/operations/{number}/")
    work(10)
    assert waits not in page(f"/operations/{number}/"), "something works it off"
    query("UPDATE e2e_operation SET beat_at = beat_at - interval '1 min', next_at = next_at - interval '1 min'")
    assert remedy in page(f"/operations/{number}/")
    worker("alpha")
    assert "No worker is running" not in page(f"/operations/{number}/")


def test_commands_that_wait_after_their_operation_are_told_as_well() -> None:
    number = ask(3)
    work()
    assert "No worker is running: its commands wait. Start one: manage.py runworker" in page(f"/operations/{number}/")


def test_a_retry_says_which_commands_and_what_they_get_and_how_far_its_canary_is() -> None:
    for _ in range(3):
        parked = send(type="fail_permanent", error_code="NO_FUNDS")
        finish(begin()[parked], "permanent", error_code="NO_FUNDS", error_msg="only 50% there")
    number = retry(canary=20, behavior=Behavior(type=BehaviorType.SUCCESS), payload={"a": 1}, max_attempts=5)
    shown = page(f"/operations/{number}/")
    assert "Retry 3 parked commands Waiting" in shown
    assert f"Operation {number}, asked for by grace now : fixed" in shown
    for fact in (
        "Error code NO_FUNDS",
        "Behavior fail_permanent",
        "Message contains 50%",
        "Parked until 2100-01-01 00:00:00 UTC",
        "New payload",
        "New behavior success",
        "Max attempts at least 5",
        "Canary one, then ten, then the rest; stops above 20 % of failures",
        "Canary: Begins with one command",
    ):
        assert fact in shown
    assert (
        'href="/tsq/?code=NO_FUNDS&amp;behavior=fail_permanent&amp;text=50%25"'
        in Client().get(f"/operations/{number}/").text
    )
    work()
    assert "1 of 3 retried" in page(f"/operations/{number}/")
    assert "Canary: One was sent again" in page(f"/operations/{number}/")
    (attempt,) = begin().values()
    finish(attempt, "permanent")
    query("UPDATE e2e_operation SET next_at = clock_timestamp()")
    work()
    assert "Stopped by its canary" in page(f"/operations/{number}/")
    assert "1 of the 1 sent last failed again: more than 20 %." in page(f"/operations/{number}/")


def test_how_it_failed_is_said() -> None:
    number = ask(3)
    query("UPDATE e2e_operation SET domain = 'nowhere'")
    work()
    shown = page(f"/operations/{number}/")
    assert "Send 3 commands Failed" in shown
    assert "function commandbus.send_nowhere(jsonb, text, integer, text, uuid) does not exist" in unescape(shown)


@pytest.mark.parametrize("number", ["7", str(2**63)])
def test_an_operation_that_there_is_not_is_an_error_page(number: str) -> None:
    for address in (f"/operations/{number}/", f"/operations/{number}/live/"):
        response = Client().get(address)
        assert response.status_code == 404
        assert f"No operation has the number {number}." in response.text


def test_a_payload_is_shown_with_every_digit() -> None:
    number = ask(1)
    query("""UPDATE e2e_operation SET spec = spec || '{"payload": {"n": 0.1234567890123456789012}}'""")
    assert "&quot;n&quot;: 0.1234567890123456789012" in Client().get(f"/operations/{number}/live/").text


# -- cancel ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "permission", "other"),
    [("send", "add_testcommand", "operate_command"), ("retry", "operate_command", "add_testcommand")],
)
def test_who_may_ask_for_a_kind_may_cancel_it(
    kind: str, permission: str, other: str, client_of: Callable[..., Client]
) -> None:
    number = ask(30) if kind == "send" else retry()
    address = f"/operations/{number}/cancel/"
    assert Client().post(address)["Location"] == f"/login/?next={address}"
    eve = client_of("eve", other, staff=False)
    response = eve.post(address)
    assert response.status_code == 403
    assert f"You need the permission commands.{permission} to cancel operation {number}." in response.text
    assert Operation.objects.get().state == "waiting"
    ada = client_of("ada", permission, staff=False)
    assert "Cancel operation" in ada.get(f"/operations/{number}/").text
    for client in (eve, Client()):
        assert "Cancel operation" not in client.get(f"/operations/{number}/").text
    assert ada.get(address).status_code == 405
    response = ada.post(address, follow=True)
    assert f"Operation {number} is canceled. What it has done stays done." in response.text
    assert "Canceled by ada." in response.text
    assert "Cancel operation" not in response.text
    assert f"Operation {number} was over already: nothing was canceled." in ada.post(address, follow=True).text


def test_canceling_what_there_is_not_is_an_error_page(client_of: Callable[..., Client]) -> None:
    assert client_of("ada", "add_testcommand").post("/operations/7/cancel/").status_code == 404


# -- what it costs ---------------------------------------------------------------------------------------------------


def test_the_pages_cost_the_same_however_much_there_is() -> None:
    def costs(address: str) -> int:
        with CaptureQueriesContext(
            connection,
        ) as caught:
            page(address)
        return len(caught)

    number = ask(3)
    few = [costs(address) for address in ("/operations/", "/operations/live/", f"/operations/{number}/")]
    for _ in range(15):
        number = ask(10)
    work_all(5)
    many = [costs(address) for address in ("/operations/", "/operations/live/", f"/operations/{number}/")]
    assert max(few + many) <= MOST_QUERIES
    assert many[:2] == few[:2]
