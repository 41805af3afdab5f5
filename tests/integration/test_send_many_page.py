"""The page Send many: what is asked for, what is refused and how, what is expected, presets, and the same again."""

import re
from collections import Counter
from collections.abc import Callable
from html import unescape
from typing import Any

import pytest
from django.test import Client
from pytest_django.fixtures import DjangoAssertNumQueries

from commands.bus.operations import Mix, send_many
from commands.models import Operation
from commands.rules.behaviors import Behavior, BehaviorType
from settings_app.models import Configuration
from tests.integration.test_operations_send import query, types, work_all
from tests.integration.test_pages import text

pytestmark = pytest.mark.django_db

# What is typed into an empty form to send ten of one behavior.
TEN = {"count": "10", "success-weight": "1", "payload": "{}", "reply": "on"}
FIELDS = re.compile(r'<input type="(?:number|text)" name="([\w-]+)"(?: value="([^"]*)")?')


@pytest.fixture
def client(client_of: Callable[..., Client]) -> Client:
    return client_of("ada", "add_testcommand", staff=False)


def typed(page: str) -> dict[str, str]:
    """What a browser would send if its user changed nothing."""
    found = {name: unescape(value) for name, value in FIELDS.findall(page)}
    (payload,) = re.findall(r'<textarea name="payload"[^>]*>\s*(.*?)</textarea>', page, re.DOTALL)
    found["payload"] = unescape(payload)
    return found | dict.fromkeys(re.findall(r'<input type="checkbox" name="(\w+)"[^>]* checked', page), "on")


def ends(page: str) -> list[str]:
    """The lines of what is expected."""
    (block,) = re.findall(r'id="mix-ends".*?</div>', page, re.DOTALL)
    return [text(line).strip() for line in re.findall(r"<li.*?</li>", block, re.DOTALL)]


def shares(page: str) -> dict[str, str]:
    return dict(re.findall(r'id="share-(\w+)"[^>]*>([^<]*)<', page))


# -- what is asked for -----------------------------------------------------------------------------------------------


def test_a_mix_is_asked_for_as_it_was_typed(client: Client) -> None:
    response = client.post(
        "/send/many/",
        {
            **TEN,
            "count": "12",
            "success-weight": "2.5",
            "success-execution_time_ms": "20",
            "fail_permanent-weight": "1",
            "fail_permanent-error_code": "NO_FUNDS",
            "fail_transient_then_succeed-weight": "0",
            "seed": "7",
            "rate": "500",
            "max_attempts": "5",
            "payload": '{"price": 0.1234567890123456789012}',
            "reason": "see it drain",
        },
    )
    row = Operation.objects.get()
    assert response["Location"] == f"/operations/{row.pk}/"
    assert (row.kind, row.operator, row.reason, row.wanted, row.rate) == ("send", "ada", "see it drain", 12, 500)
    assert row.spec["parts"] == [
        {"behavior": {"type": "success", "execution_time_ms": 20}, "weight": 2.5},
        {"behavior": {"type": "fail_permanent", "error_code": "NO_FUNDS"}, "weight": 1.0},
    ]
    assert {name: row.spec[name] for name in ("seed", "in_turn", "reply", "max_attempts")} == {
        "seed": 7, "in_turn": False, "reply": True, "max_attempts": 5,
    }  # fmt: skip
    assert query("SELECT spec -> 'payload' ->> 'price' FROM e2e_operation") == "0.1234567890123456789012"
    assert "workers send the commands" in client.get(response["Location"]).text


def test_what_is_left_empty_is_drawn_or_as_the_settings_say(client: Client) -> None:
    seeds = set()
    for _ in range(2):
        client.post("/send/many/", {"count": "10", "success-weight": "1"})
        row = Operation.objects.newest_first()[0]
        seeds.add(row.spec["seed"])
        assert (row.rate, row.spec["max_attempts"], row.spec["reply"], row.spec["payload"]) == (None, 3, False, {})
        assert f"drawn by seed {row.spec['seed']}" in client.get(f"/operations/{row.pk}/").text
    assert len(seeds) == 2


def test_a_form_that_is_sent_twice_asks_once(client: Client) -> None:
    (key,) = re.findall(r'name="key" value="([^"]+)"', client.get("/send/many/").text)
    first, again = (client.post("/send/many/", {**TEN, "key": key})["Location"] for _ in range(2))
    assert (first, Operation.objects.count()) == (again, 1)
    (other,) = re.findall(r'name="key" value="([^"]+)"', client.get("/send/many/").text)
    assert client.post("/send/many/", {**TEN, "key": other})["Location"] != first


# -- what is refused -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("count", "", "count must be a whole number from 1 to 1,000,000."),
        ("count", "0", "count must be a whole number from 1 to 1,000,000."),
        ("count", "1000001", "count must be a whole number from 1 to 1,000,000."),
        ("count", "many", "count must be a whole number from 1 to 1,000,000."),
        ("rate", "0", "rate must be a whole number from 1 to 100,000."),
        ("rate", "100001", "rate must be a whole number from 1 to 100,000."),
        ("seed", "-1", "seed must be a whole number from 0 to 2,147,483,647."),
        ("seed", "2147483648", "seed must be a whole number from 0 to 2,147,483,647."),
        ("max_attempts", "101", "max_attempts must be a whole number from 1 to 100."),
        ("payload", "[1]", "payload must be a JSON object, not a list."),
        ("payload", '{"a": "%s"}' % ("x" * 65_536), "payload must be at most 65,536 bytes (64 KiB) of JSON"),
        ("reason", "x" * 1001, "at most 1000 characters"),
        ("success-weight", "-1", "weight must be a number from 0 to 1,000,000."),
        ("success-weight", "nan", "weight must be a number from 0 to 1,000,000."),
        ("success-weight", "1000001", "weight must be a number from 0 to 1,000,000."),
        ("success-execution_time_ms", "3600001", "execution_time_ms must be a whole number from 0 to 3,600,000"),
        ("fail_transient_then_succeed-transient_failures", "101", "transient_failures must be a whole number from 1"),
        ("fail_permanent-error_code", "x" * 101, "error_code must be text of 1 to 100 characters"),
        ("success-weight", "", "at least one behavior needs a weight above 0."),
    ],
)
def test_what_is_wrong_is_said_at_its_field_and_nothing_is_asked_for(
    client: Client, name: str, value: str, message: str
) -> None:
    response = client.post("/send/many/", {**TEN, "fail_permanent-error_message": "kept", name: value})
    assert response.status_code == 400
    assert message in unescape(text(response.text))
    assert "Nothing was sent" in response.text
    assert typed(response.text)["fail_permanent-error_message"] == "kept"
    assert not Operation.objects.exists()


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("preset=most", "There is no preset &#x27;most&#x27;: each or mixed."),
        ("like=", "There is no bulk send with that number"),
        ("like=x", "This page begins nowhere."),
        ("like=99999", "There is no bulk send with that number"),
        (f"like={2**63}", "This page begins nowhere."),
    ],
)
def test_what_is_not_there_to_begin_with_is_an_error_page(client: Client, query: str, message: str) -> None:
    response = client.get(f"/send/many/?{query}")
    assert response.status_code == 404
    assert message in response.text


def test_it_needs_the_permission_to_send(client_of: Callable[..., Client]) -> None:
    eve = client_of("eve", "operate_command", staff=False)
    for response in (eve.get("/send/many/"), eve.get("/send/many/outlook/"), eve.post("/send/many/", TEN)):
        assert response.status_code == 403
        assert "commands.add_testcommand" in response.text
    assert Client().post("/send/many/", TEN)["Location"] == "/login/?next=/send/many/"
    assert not Operation.objects.exists()


# -- what is expected ------------------------------------------------------------------------------------------------


def test_shares_and_ends_are_said_with_what_is_typed(client: Client) -> None:
    page = client.get(
        "/send/many/outlook/",
        {"count": "1000", "success-weight": "70", "fail_permanent-weight": "20", "business_rule-weight": "10"},
    ).text
    assert shares(page) == {
        "success": "70 %", "fail_permanent": "20 %", "business_rule": "10 %",
        "fail_transient": "0 %", "fail_transient_then_succeed": "0 %", "timeout": "0 %",
    }  # fmt: skip
    assert ends(page) == ["≈ 700 Completed", "≈ 200 In TSQ", "≈ 100 Failed"]


def test_in_turn_all_have_the_same_share_and_the_ends_are_exact(client: Client) -> None:
    page = client.get(
        "/send/many/outlook/",
        {"count": "8", "in_turn": "on", "success-weight": "70", "fail_permanent-weight": "1", "timeout-weight": "0.5"},
    ).text
    assert shares(page)["success"] == shares(page)["timeout"] == "33.33 %"
    assert ends(page) == ["5 Completed", "3 In TSQ"]


def test_the_settings_and_the_fields_of_a_behavior_count(client: Client) -> None:
    asked = {"count": "10", "max_attempts": "", "fail_transient_then_succeed-weight": "1"}
    asked["fail_transient_then_succeed-transient_failures"] = "3"
    assert ends(client.get("/send/many/outlook/", asked).text) == ["10 In TSQ"]
    assert ends(client.get("/send/many/outlook/", {**asked, "max_attempts": "4"}).text) == ["10 Completed"]
    Configuration.change({"max_attempts": 4}, version=1, by="grace")
    assert ends(client.get("/send/many/outlook/", asked).text) == ["10 Completed"]


def test_where_it_depends_on_free_slots_both_ends_are_named(client: Client) -> None:
    asked = {"count": "10", "timeout-weight": "1", "timeout-execution_time_ms": "100000"}
    assert ends(client.get("/send/many/outlook/", asked).text) == ["10 Completed or In TSQ"]


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"success-weight": "?"}, "A weight is not a number that it may be."),
        ({"success-weight": ""}, "No behavior has a weight above 0."),
        ({"count": "?"}, "How many is not a number that it may be."),
        ({"count": ""}, "How many is not a number that it may be."),
        ({"success-execution_time_ms": "?"}, "It is not known what becomes of success."),
        ({"max_attempts": "0"}, "It is not known what becomes of success."),
    ],
)
def test_where_a_number_may_not_be_it_says_why_nothing_is_known(
    client: Client, changed: dict[str, str], why: str
) -> None:
    for page in (client.get("/send/many/outlook/", TEN | changed), client.post("/send/many/", TEN | changed)):
        assert f"Not known: {why}" in text(page.text)


# -- presets, and the same again -------------------------------------------------------------------------------------


def test_the_preset_each_sends_each_behavior_once(client: Client) -> None:
    page = client.get("/send/many/?preset=each").text
    assert ends(page) == ["3 Completed", "2 In TSQ", "1 Failed"]
    client.post("/send/many/", typed(page))
    work_all()
    assert types() == [*BehaviorType]
    assert (
        query("SELECT behavior ->> 'execution_time_ms' FROM test_command WHERE behavior ->> 'type' = 'timeout'")
        == "45000"
    )


def test_the_preset_mixed_sends_ten_thousand_of_all_but_timeout(client: Client) -> None:
    page = client.get("/send/many/?preset=mixed").text
    client.post("/send/many/", typed(page))
    row = Operation.objects.get()
    assert row.wanted == 10_000
    assert {part["behavior"]["type"] for part in row.spec["parts"]} == {*BehaviorType} - {BehaviorType.TIMEOUT}
    assert sum(part["weight"] for part in row.spec["parts"]) == 100


def test_the_same_again_is_the_same_to_the_last_command(client: Client) -> None:
    payload = '{"price": 0.1234567890123456789012, "tiny": 1e-400, "rest": "é<b>&"}'
    asked = {
        **typed(client.get("/send/many/?preset=mixed").text),
        "count": "60",
        "payload": payload,
        "max_attempts": "7",
    }
    asked |= {"fail_permanent-error_code": "A&B", "rate": "90000", "reason": "twice"}
    asked.pop("reply")
    first = client.post("/send/many/", asked)["Location"]
    (link,) = re.findall(r'href="(/send/many/\?like=\d+)"', client.get(first).text)
    client.post("/send/many/", typed(client.get(link).text))
    work_all()
    one, two = Operation.objects.order_by("operation_id")
    assert one.correlation_id != two.correlation_id
    assert query("SELECT count(DISTINCT (spec, wanted, rate, reason)) FROM e2e_operation") == 1
    drawn = types()
    assert drawn[:60] == drawn[60:]
    assert len(Counter(drawn)) > 2


def test_what_another_program_asked_for_and_no_form_can_show_is_an_error_page(client: Client) -> None:
    twice = [(Behavior(type=BehaviorType.SUCCESS, execution_time_ms=time), 1) for time in (1, 2)]
    number = send_many(Mix(parts=twice, count=1), operator="ada")
    response = client.get(f"/send/many/?like={number}")
    assert response.status_code == 404
    assert "has a behavior type twice" in response.text


def test_the_page_costs_few_queries(client: Client, django_assert_max_num_queries: DjangoAssertNumQueries) -> None:
    number = send_many(Mix(parts=[(Behavior(type=BehaviorType.SUCCESS), 1)], count=1), operator="ada")
    for address in ("/send/many/", "/send/many/?preset=each", "/send/many/outlook/", f"/send/many/?like={number}"):
        with django_assert_max_num_queries(8):
            client.get(address)


def test_no_field_of_the_page_has_a_name_twice(client: Client) -> None:
    ids = re.findall(r'\sid="([^"]+)"', client.get("/send/many/?preset=each").text)
    assert [name for name, count in Counter(ids).items() if count > 1] == []


def test_the_setting_that_an_empty_field_stands_for_is_shown(client: Client) -> None:
    Configuration.change({"max_attempts": 9}, version=1, by="grace")
    for address in ("/send/", "/send/many/"):
        page: Any = client.get(address).text
        assert "Left empty: 9, as the settings say now." in text(page)
        assert 'placeholder="9, as the settings say"' in page
