"""What the dashboard, a command's page and the form show of the database, and what that costs."""

import json
import re
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from pytest_django import DjangoAssertNumQueries
from pytest_django.fixtures import Settings

from commands.bus.send import send_test_command
from commands.models import TestCommand
from commands.rules.behaviors import Behavior

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _open(settings: Settings) -> None:
    settings.PUBLIC_READ = True


@pytest.fixture
def admin_client() -> Client:
    client = Client()
    client.force_login(User.objects.create(username="admin", is_staff=True, is_superuser=True))
    return client


def send(reply: bool = True, payload: dict[str, Any] | None = None, **behavior: Any) -> UUID:
    sent = send_test_command(Behavior.from_json({"type": "success", **behavior}), payload=payload, reply=reply)
    return sent.command_id


def ask(query: str, *parameters: Any) -> Any:
    """The first value that the database answers, in the transaction of the test."""
    with connection.cursor() as cursor:
        cursor.execute(query, parameters)
        return cursor.fetchone()[0] if cursor.description else None


def begin(lease: int = 30) -> dict[UUID, dict[str, Any]]:
    """Begin every attempt that may begin: what `finish` needs, by command."""
    answer = json.loads(ask("SELECT commandbus.receive_commands('test', 1000, %s)::jsonb", lease))
    return {UUID(c[1]): {"command_id": c[1], "msg_id": c[0], "attempt": c[7]} for c in answer["commands"]}


def finish(attempt: dict[str, Any], kind: str = "success", **more: Any) -> None:
    if kind != "success":
        more = {"error_code": "E", "error_msg": "went wrong", **more}
    ask("SELECT commandbus.finish_commands('test', %s)", json.dumps([{**attempt, "kind": kind, **more}]))


def worker(host: str, *, silence: int = 0, stopped: bool = False) -> None:
    ask(
        """
        INSERT INTO public.e2e_worker
            (host, pid, engine, queue_name, beat_at, stopped_at, settings_version, concurrency, in_flight, received)
        VALUES (%s, 4711, 'native', 'test__commands', clock_timestamp() - make_interval(secs => %s),
                CASE WHEN %s THEN clock_timestamp() END, 1, 4, 2, 99)
        """,
        host,
        silence,
        stopped,
    )


def text(html: str) -> str:
    """What a person reads of a page: its text, white space made one."""
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", re.sub(r"</?bdi>", "", html)))


def count(html: str, status: str) -> str:
    found = re.search(rf'id="count-{status}".*?<dd[^>]*>(?:<a [^>]*>)?([^<]*)', html, re.DOTALL)
    assert found is not None
    return found[1]


# -- dashboard -------------------------------------------------------------------------------------------------------


def test_an_empty_site_says_so_and_leads_to_the_form() -> None:
    page = Client().get("/").text
    assert "No command was ever sent" in page
    assert "Send your first command" in page


def test_commands_are_counted_by_status(admin_client: Client) -> None:
    ids = [send() for _ in range(6)]
    attempts = begin()
    finish(attempts[ids[0]])
    finish(attempts[ids[1]], "permanent")
    finish(attempts[ids[2]], "business_rule")
    finish(attempts[ids[3]], "permanent")
    ask("SELECT commandbus.operator_cancel('test', %s, 'why', 'ada')", ids[3])
    finish(attempts[ids[4]], "transient", delay_ms=60_000)
    send()
    page = admin_client.get("/").text
    counts = {
        name: count(page, name)
        for name in ("pending", "in_progress", "completed", "failed", "canceled", "in_troubleshooting_queue")
    }
    assert counts == {
        "pending": "1",
        "in_progress": "2",
        "completed": "1",
        "failed": "1",
        "canceled": "1",
        "in_troubleshooting_queue": "1",
    }


def test_without_a_worker_the_page_warns() -> None:
    assert "No worker is running: commands will wait." in Client().get("/").text
    worker("gone", stopped=True)
    worker("silent", silence=11)
    page = text(Client().get("/").text)
    assert "No worker is running: commands will wait." in page
    assert "silent · 4711 Silent" in page
    assert "gone" not in page


def test_a_running_worker_is_shown_with_its_last_beat_and_its_settings() -> None:
    worker("alpha")
    page = text(Client().get("/").text)
    assert "No worker is running" not in page
    assert "alpha · 4711 Running" in page
    assert "In flight 2 of 4" in page
    assert "version 1, the newest" in page
    assert "Engine native, started" in page
    ask("UPDATE public.e2e_worker SET polling = true")
    assert "Engine native, polling, started" in text(Client().get("/").text)
    ask("UPDATE public.e2e_config SET concurrency = 5")
    assert "version 1, newest is 2" in text(Client().get("/").text)


def test_a_worker_that_fell_silent_long_ago_is_forgotten() -> None:
    worker("ancient", silence=601)
    assert "ancient" not in Client().get("/").text


def test_the_newest_events_lead_to_their_commands() -> None:
    sent = send(type="fail_permanent")
    finish(begin()[sent], "permanent", error_code="BROKEN", error_msg="no <way>")
    page = Client().get("/").text
    assert f'href="/commands/{sent}/"' in page
    told = text(page)
    assert told.index("Moved to TSQ") < told.index("Received") < told.index("Sent ")
    assert "attempt 1, BROKEN: no &lt;way&gt;" in told


def test_rejected_messages_are_shown_with_their_reason_and_do_no_harm() -> None:
    ask("SELECT pgmq.send('test__commands', '{\"x\": \"<script>alert(1)</script>\"}'::jsonb)")
    begin()
    page = Client().get("/").text
    assert "Rejected messages" in page
    assert "no command_id" in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert "<script>alert" not in page


def test_the_fragment_is_the_live_part_of_the_page() -> None:
    send()
    worker("alpha")
    fragment = Client().get("/live/").text
    assert "<html" not in fragment
    assert "alpha" in fragment
    assert count(fragment, "pending") == "1"


@pytest.mark.parametrize("commands", [0, 3, 30])
def test_a_dashboard_costs_the_same_queries_whatever_it_shows(
    commands: int, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    for _ in range(commands):
        send()
    client = Client()
    # Domains, counts, workers, settings, events, what is redacted, what is odd, the last check.
    with django_assert_num_queries(8):
        client.get("/live/")


# -- one command -----------------------------------------------------------------------------------------------------


def test_a_command_that_waits_is_pending_and_goes_on_being_watched() -> None:
    sent = send(payload={"order": 12345678901234567890, "note": "<b>"})
    response = Client().get(f"/commands/{sent}/")
    page = text(response.text)
    assert "success Pending" in page
    assert "Attempts 0 of 3" in page
    assert "12345678901234567890" in page
    assert "&lt;b&gt;" in page
    assert "data-live-final" not in response.text


def test_a_completed_command_shows_result_reply_and_how_long_it_took() -> None:
    sent = send()
    finish(begin()[sent], result={"status": "success", "answer": 42})
    response = Client().get(f"/commands/{sent}/")
    page = text(response.text)
    assert "success Completed" in page
    assert "Attempt 1 of 3: completed" in page
    assert "&quot;answer&quot;: 42" in page
    assert "&quot;outcome&quot;: &quot;SUCCESS&quot;" in page
    assert "from sending to its end" in page
    assert "data-live-final" in response.text


def test_a_command_without_a_reply_says_that_none_was_asked_for() -> None:
    sent = send(reply=False)
    finish(begin()[sent])
    assert "None was asked for." in text(Client().get(f"/commands/{sent}/").text)


def test_a_failed_attempt_shows_its_error_and_when_the_next_one_is_due() -> None:
    sent = send(type="fail_transient")
    finish(begin()[sent], "transient", error_code="DOWN", error_msg="try later", delay_ms=90_000)
    page = text(Client().get(f"/commands/{sent}/").text)
    assert "fail_transient Waits for its retry" in page
    assert "DOWN: try later" in page
    assert "after 1 min 30 s" in page
    assert "The next attempt is due in 1 min" in page


def test_an_exhausted_command_is_parked_with_its_reason() -> None:
    sent = send(type="fail_transient")
    for _ in range(3):
        finish(begin()[sent], "transient", delay_ms=0)
    page = text(Client().get(f"/commands/{sent}/").text)
    assert "fail_transient In TSQ" in page
    assert "Attempt 3 of 3: moved to TSQ" in page
    assert "no attempt is left" in page
    assert "waits in the troubleshooting queue for an operator" in page


def test_late_ends_are_told_beside_the_one_that_counted() -> None:
    sent = send(type="timeout")
    first = begin(lease=0)[sent]
    second = begin(lease=0)[sent]
    finish(first)
    response = Client().get(f"/commands/{sent}/")
    assert "Attempt 2 of 3: goes on, too late to count" in text(response.text)
    assert "data-live-final" not in response.text
    finish(second)
    response = Client().get(f"/commands/{sent}/")
    page = text(response.text)
    assert "data-live-final" in response.text
    assert "timeout Completed" in page
    assert "Attempt 1 of 3: completed" in page
    assert "Attempt 2 of 3: completed too late" in page


def test_an_attempt_that_never_ends_is_not_awaited_for_ever() -> None:
    sent = send(type="timeout")
    first = begin(lease=0)[sent]
    begin(lease=0)
    finish(first)
    ask("UPDATE commandbus.command SET updated_at = updated_at - interval '61 s'")
    ask("UPDATE commandbus.audit SET ts = ts - interval '61 s'")
    assert "data-live-final" in Client().get(f"/commands/{sent}/").text


def test_attempts_over_the_whole_life_are_told_after_an_operators_retry() -> None:
    sent = send(type="fail_permanent")
    finish(begin()[sent], "permanent")
    ask("SELECT commandbus.operator_retry('test', %s, 'ada')", sent)
    begin()
    page = text(Client().get(f"/commands/{sent}/").text)
    assert "Attempts 1 of 3 (2 over its life)" in page
    assert "Retried by operator" in page
    assert "by ada" in page


def test_a_command_without_its_test_command_row_is_shown_nevertheless() -> None:
    sent = send()
    TestCommand.objects.all().delete()
    response = Client().get(f"/commands/{sent}/")
    assert response.status_code == 200
    assert "Command without a test_command row" in response.text


def test_send_another_like_this_fills_the_form_in(admin_client: Client) -> None:
    sent = send(type="fail_permanent", error_code="A&B", error_message="50 %", execution_time_ms=5)
    page = admin_client.get(f"/commands/{sent}/").text
    link = re.search(r'href="(/send/\?[^"]+)"', page)
    assert link is not None
    form = admin_client.get(link[1].replace("&amp;", "&")).text
    assert 'value="fail_permanent" required checked' in form
    assert 'value="A&amp;B"' in form
    assert 'value="50 %"' in form
    assert 'value="5"' in form


def test_the_page_and_the_fragment_of_an_unknown_command_are_not_found() -> None:
    unknown = uuid4()
    for address in (f"/commands/{unknown}/", f"/commands/{unknown}/live/"):
        response = Client().get(address)
        assert response.status_code == 404
        assert f"No command has the id {unknown}." in response.text


@pytest.mark.parametrize("retries", [0, 9])
def test_a_commands_page_costs_the_same_queries_however_long_its_story(
    retries: int, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    sent = send(type="fail_transient")
    for _ in range(retries):
        finish(begin()[sent], "permanent")
        ask("SELECT commandbus.operator_retry('test', %s, 'ada')", sent)
    client = Client()
    with django_assert_num_queries(5):  # the command, what is redacted, the settings, its events, its message
        client.get(f"/commands/{sent}/live/")
    finish(begin()[sent])
    with django_assert_num_queries(6):  # and its reply
        client.get(f"/commands/{sent}/live/")
