"""The page Send command: what is sent, what is refused, what is said of it beforehand, and another one like this."""

import re
from html import unescape
from typing import Any
from uuid import uuid4

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client

from commands.models import TestCommand

pytestmark = pytest.mark.django_db


@pytest.fixture
def admin_client() -> Client:
    client = Client()
    client.force_login(User.objects.create(username="admin", is_staff=True, is_superuser=True))
    return client


def ask(query: str, *parameters: Any) -> Any:
    """The first value that the database answers, in the transaction of the test."""
    with connection.cursor() as cursor:
        cursor.execute(query, parameters)
        return cursor.fetchone()[0] if cursor.description else None


def text(html: str) -> str:
    """What a person reads of a page: its text, white space made one."""
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", html))


@pytest.mark.parametrize(
    ("fields", "behavior"),
    [
        ({"type": "success", "execution_time_ms": "20"}, {"type": "success", "execution_time_ms": 20}),
        ({"type": "fail_permanent", "error_code": "X"}, {"type": "fail_permanent", "error_code": "X"}),
        ({"type": "business_rule", "error_code": "X"}, {"type": "business_rule", "error_code": "X"}),
        ({"type": "fail_transient", "error_message": "m"}, {"type": "fail_transient", "error_message": "m"}),
        (
            {"type": "fail_transient_then_succeed", "transient_failures": "2"},
            {"type": "fail_transient_then_succeed", "transient_failures": 2},
        ),
        ({"type": "timeout", "execution_time_ms": "5000"}, {"type": "timeout", "execution_time_ms": 5000}),
    ],
)
def test_each_behavior_is_sent_as_it_was_typed_and_followed(
    fields: dict[str, str], behavior: dict[str, Any], admin_client: Client
) -> None:
    response = admin_client.post("/send/", {**fields, "payload": '{"n": 1}', "reply": "on"})
    sent = TestCommand.objects.get()
    assert response["Location"] == f"/commands/{sent.command_id}/"
    assert (sent.behavior, sent.payload) == (behavior, {"n": 1})
    assert ask("SELECT reply_queue FROM commandbus.command") == "test__replies"
    assert "The command is sent." in admin_client.get(response["Location"]).text


def test_a_reply_can_be_left_out(admin_client: Client) -> None:
    admin_client.post("/send/", {"type": "success"})
    assert ask("SELECT reply_queue FROM commandbus.command") == ""


def test_a_correlation_id_is_carried_and_is_a_new_one_where_it_is_left_out(admin_client: Client) -> None:
    given = uuid4()
    for typed in (str(given).upper(), ""):
        admin_client.post("/send/", {"type": "success", "correlation_id": typed})
    found = ask("SELECT array_agg(correlation_id ORDER BY msg_id) FROM commandbus.command")
    assert found[0] == given
    assert found[1] not in (None, given)
    in_messages = ask(
        "SELECT array_agg((message ->> 'correlation_id')::UUID ORDER BY msg_id) FROM pgmq.q_test__commands"
    )
    assert in_messages == found


def test_what_is_no_correlation_id_is_refused(admin_client: Client) -> None:
    response = admin_client.post("/send/", {"type": "success", "correlation_id": "42"})
    assert response.status_code == 400
    assert "correlation_id must be a UUID" in response.text
    assert controls(response.text)["correlation_id"] == "42"
    assert not TestCommand.objects.exists()


def test_the_reply_is_asked_for_unless_somebody_says_otherwise(admin_client: Client) -> None:
    assert re.search(r'<input type="checkbox" name="reply"[^>]* checked', admin_client.get("/send/").text)


def test_what_is_wrong_is_said_at_its_field_and_what_was_typed_is_kept(admin_client: Client) -> None:
    response = admin_client.post(
        "/send/", {"type": "fail_transient_then_succeed", "transient_failures": "101", "payload": "{nonsense"}
    )
    assert response.status_code == 400
    assert not TestCommand.objects.exists()
    page = response.text
    assert "Nothing was sent" in page
    assert 'value="101"' in page
    assert 'aria-invalid="true"' in page
    assert "{nonsense" in page
    assert "transient_failures must be a whole number from 1 to 100, not 101." in page
    assert 'value="fail_transient_then_succeed" required checked' in page


def test_the_form_says_what_each_behavior_comes_to_with_the_settings_as_they_are(admin_client: Client) -> None:
    page = text(admin_client.get("/send/").text)
    assert "Fails at each of its 3 attempts, then goes to the TSQ, after about 3 s." in page
    assert "Fails once, then completes at attempt 2, after about 1 s." in page
    ask("UPDATE public.e2e_config SET max_attempts = 5, base_delay_ms = 100, visibility_timeout = 2")
    page = text(admin_client.get("/send/").text)
    assert "Fails at each of its 5 attempts, then goes to the TSQ, after about 1.5 s." in page
    assert "Completes at attempt 1, at once: its work is shorter than the lease of 2 s." in page


def test_a_send_that_gave_way_to_another_transaction_is_said_and_what_was_typed_is_kept(admin_client: Client) -> None:
    ask(
        "CREATE FUNCTION pg_temp.give_way() RETURNS TRIGGER LANGUAGE plpgsql AS"
        " $$ BEGIN RAISE EXCEPTION USING ERRCODE = '40001', MESSAGE = 'gave way'; END $$"
    )
    ask("CREATE TRIGGER t BEFORE INSERT ON public.test_command FOR EACH ROW EXECUTE FUNCTION pg_temp.give_way()")
    response = admin_client.post("/send/", {"type": "timeout", "payload": '{"a": 1.50}'})
    assert response.status_code == 409
    assert "gave way" in text(response.text)
    assert "The command is sent" not in response.text
    assert controls(response.text)["payload"] == '{"a": 1.50}'
    assert ask("SELECT count(*) FROM pgmq.q_test__commands") == 0


def outlooks(client: Client, **typed: str) -> str:
    """What the form says while it is filled in."""
    return text(client.get("/send/outlooks/", typed).text)


def test_the_form_says_it_with_what_is_typed(admin_client: Client) -> None:
    ask("UPDATE public.e2e_config SET visibility_timeout = 2")
    page = outlooks(admin_client, execution_time_ms="13000", max_attempts="")
    assert (
        "it completes after about 13 s, or goes to the TSQ after about 6 s, when its 3 deliveries are used up." in page
    )
    assert "Completed In TSQ 1 to 3 attempts Works for its execution time, which is meant" in page
    assert "it completes with 2 or 3 attempts" in outlooks(admin_client, execution_time_ms="3000")
    assert "Fails 4 times, then completes at attempt 5" in outlooks(
        admin_client, transient_failures="4", max_attempts="5"
    )
    assert "Fails at its only attempt, then goes to the TSQ, at once." in outlooks(admin_client, max_attempts="1")


@pytest.mark.parametrize(
    ("name", "number", "allowed", "unknown"),
    [
        ("execution_time_ms", "-1", "from 0 to 3,600,000, not -1.", 6),
        ("execution_time_ms", "x", "from 0 to 3,600,000.", 6),
        ("execution_time_ms", "3600001", "from 0 to 3,600,000, not 3600001.", 6),
        ("transient_failures", "101", "from 1 to 100, not 101.", 1),
        ("max_attempts", "0", "from 1 to 100.", 6),
        ("max_attempts", "9" * 5000, "from 1 to 100.", 6),
    ],
)
def test_where_a_number_may_not_be_the_form_says_so_and_no_outcome(
    admin_client: Client, name: str, number: str, allowed: str, unknown: int
) -> None:
    said = f"Not known: {name} must be a whole number {allowed}"
    assert outlooks(admin_client, **{name: number}).count(said) == unknown
    posted = text(admin_client.post("/send/", {"type": "fail_transient_then_succeed", name: number}).text)
    assert "Nothing was sent" in posted
    assert posted.count(said) == unknown


def test_asking_what_becomes_of_a_command_needs_the_permission_to_send(client: Client) -> None:
    assert client.get("/send/outlooks/").status_code == 302
    client.force_login(User.objects.create(username="user"))
    assert client.get("/send/outlooks/").status_code == 403


def test_the_heartbeat_counts_for_what_the_form_says(admin_client: Client) -> None:
    ask("UPDATE public.e2e_config SET visibility_timeout = 2, heartbeat = TRUE")
    page = outlooks(admin_client, execution_time_ms="5000")
    assert "Works 5 s with a lease of 2 s, which the heartbeat extends: completes at attempt 1" in page
    assert "Works 5 s with a lease of 2 s: it is delivered again while it works; the first success counts" in page


def controls(page: str) -> dict[str, str]:
    """What a browser would send if its user changed nothing."""
    found = dict(re.findall(r'<input type="(?:number|text)" name="(\w+)"[^>]*?value="([^"]*)"', page))
    found |= re.findall(r'<textarea name="(payload)"[^>]*>\s*(.*?)</textarea>', page, re.DOTALL)
    found = {name: unescape(value) for name, value in found.items()}
    found |= {"reply": "on"} if re.search(r'name="reply"[^>]* checked', page) else {}
    chosen = re.search(r'name="type" value="(\w+)" required checked', page)
    return found | ({"type": chosen[1]} if chosen else {})


@pytest.mark.parametrize("size", [10, 65_000])
@pytest.mark.parametrize("reply", ["", "on"])
def test_another_like_this_is_the_same_but_for_its_id(admin_client: Client, reply: str, size: int) -> None:
    payload = '{"price": 0.1234567890123456789012, "tiny": 1e-400, "rest": "%s<b>&"}' % ("é" * (size // 2))
    behavior = {"type": "fail_permanent", "execution_time_ms": "20", "error_code": "A&B", "error_message": "no"}
    asked = {**behavior, "payload": payload, "reply": reply, "max_attempts": "7", "correlation_id": str(uuid4())}
    first = admin_client.post("/send/", {name: value for name, value in asked.items() if value})["Location"]
    (link,) = re.findall(r'href="([^"]+)" class="btn">.*?Send another like this', admin_client.get(first).text)
    second = admin_client.post("/send/", controls(admin_client.get(unescape(link)).text))["Location"]
    assert first != second
    same = ask(
        "SELECT count(DISTINCT (t.behavior, t.payload::TEXT, c.max_attempts, c.reply_queue, c.correlation_id,"
        " m.message - 'command_id'))"
        " FROM public.test_command t JOIN commandbus.command c USING (command_id)"
        " JOIN pgmq.q_test__commands m ON m.msg_id = c.msg_id"
    )
    assert (same, TestCommand.objects.count()) == (1, 2)
    assert ask("SELECT count(*) FROM public.test_command WHERE payload = %s::jsonb", payload) == 2


def test_another_like_what_nobody_sent_is_an_error_page(admin_client: Client) -> None:
    for like in ("", "x", str(uuid4())):
        response = admin_client.get("/send/", {"like": like})
        assert response.status_code == 404
        assert "There is no command with that id" in response.text


def test_another_like_a_command_that_the_site_would_not_send_fills_in_what_it_can(admin_client: Client) -> None:
    admin_client.post("/send/", {"type": "success"})
    foreign = """{"type": "explode", "execution_time_ms": [1], "error_code": 7}"""
    ask("UPDATE public.test_command SET behavior = %s, payload = to_jsonb(repeat('x', 200000))", foreign)
    page = admin_client.get(f"/send/?like={TestCommand.objects.get().command_id}")
    assert page.status_code == 200
    assert "Not known: execution_time_ms must be a whole number" in text(page.text)
    assert controls(page.text)["payload"] == "{}"


def test_without_a_script_each_field_says_which_behaviors_take_it(admin_client: Client) -> None:
    page = text(admin_client.get("/send/").text)
    assert "Only for fail_transient_then_succeed ." in page
    assert "Only for fail_permanent, business_rule, fail_transient ." in page
