"""The microscope: one command on one axis across workers, and who holds its rows."""

import re
from datetime import timedelta
from uuid import UUID, uuid4
from xml.etree import ElementTree

import pytest
from django.test import Client
from pytest_django import DjangoAssertNumQueries
from pytest_django.fixtures import Settings

from tests.integration.test_pages import ask, begin, finish, send, text
from tests.support.bus import HandBus

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _open(settings: Settings) -> None:
    settings.PUBLIC_READ = True


def page(command_id: UUID | str, query: str = "") -> str:
    answer = Client().get(f"/microscope/{command_id}/{query}")
    assert answer.status_code == 200
    return answer.text


def drawing(html: str) -> str:
    """Of the page, whose numbers are numbers."""
    (svg,) = re.findall(r'<svg [^>]*aria-labelledby="close-up-drawing.*?</svg>', html, re.DOTALL)
    ElementTree.fromstring(svg)  # noqa: S314  # our own text
    assert not re.search(r'="[^"]*\b(nan|inf|None)\b', svg)
    return str(svg)


def execution(sent: UUID, attempt: int, msg_id: int, began_s: float, ended_s: float | None) -> None:
    """A line of a run's ledger, in seconds before now."""
    ask(
        """
        INSERT INTO bench_execution (run_id, command_id, msg_id, attempt, worker, pid, began_at, ended_at, outcome)
        VALUES (1, %s, %s, %s, 'w1.1', 7, clock_timestamp() - %s, clock_timestamp() - %s::interval, 'ok')
        """,
        sent, msg_id, attempt, timedelta(seconds=began_s), None if ended_s is None else timedelta(seconds=ended_s),
    )  # fmt: skip


def test_a_command_that_was_never_delivered_has_its_sending_alone() -> None:
    html = page(send())
    assert ">S<" in drawing(html)
    assert "Look at" not in html
    assert "no run of the bench kept a ledger" in text(html)
    assert "neither the row of the command nor its message is locked" in text(html)


def test_retries_are_drawn_with_lease_backoff_and_end() -> None:
    sent = send(type="fail_transient")
    attempt = begin()[sent]
    finish(attempt, "transient", delay_ms=1000)
    svg = drawing(page(sent))
    assert "Backoff: 1 s" in svg
    assert "Lease of attempt 1: 30 s" in svg
    assert "Failed, will be retried, attempt 1" in svg
    assert re.findall(r">([A-Za-z])</text>", svg) == list("SRF")


def test_all_messages_of_a_command_are_on_one_axis_also_after_an_operators_retry() -> None:
    sent = send(type="fail_permanent")
    finish(begin()[sent], "permanent")
    ask("SELECT commandbus.operator_retry('test', %s, 'ada')", sent)
    finish(begin()[sent])
    html = page(sent)
    svg = drawing(html)
    assert svg.count('class="close-up-end"') == 2
    assert re.findall(r">([A-Za-z])</text>", svg) == list("SRTORC")
    keys = re.findall(r'href="\?attempt=([^"]+)"', html)
    assert len(set(keys)) == 2


def test_one_attempt_can_be_looked_at_closer() -> None:
    sent = send(type="fail_transient")
    attempt = begin()[sent]
    finish(attempt, "transient", delay_ms=600_000)
    key = f"{attempt['msg_id']}-1"
    html = page(sent, f"?attempt={key}")
    assert "Attempt 1 close up" in text(html)
    work = r'class="close-up-works" y="[-\d.]+" width="([\d.]+)"'
    near, far = re.findall(work, drawing(html)), re.findall(work, drawing(page(sent)))
    assert float(near[0]) > 10 * float(far[0])


@pytest.mark.parametrize("asked", ["9-9", "x", "<script>"])
def test_an_attempt_that_there_is_not_is_not_found(asked: str) -> None:
    sent = send()
    begin()
    assert Client().get(f"/microscope/{sent}/", {"attempt": asked}).status_code == 404


def test_a_command_that_there_is_not_is_not_found() -> None:
    assert Client().get(f"/microscope/{uuid4()}/").status_code == 404


def test_executions_of_the_ledger_stand_in_their_deliveries_and_overlaps_are_told() -> None:
    sent = send(type="timeout", execution_time_ms=9000)
    msg_id = begin(lease=0)[sent]["msg_id"]
    begin(lease=0)
    execution(sent, 1, msg_id, 5, 1)
    execution(sent, 2, msg_id, 3, 0.5)
    html = page(sent)
    assert "2, by the handlers' ledger of a run" in text(html)
    assert drawing(html).count("while another execution of it went on") == 2
    assert "Execution" in text(html)


def test_an_execution_without_an_end_is_said_to_have_none() -> None:
    sent = send()
    msg_id = begin()[sent]["msg_id"]
    execution(sent, 1, msg_id, 1, None)
    assert "Execution of attempt 1: no end" in drawing(page(sent))


def test_the_workers_of_a_command_are_named_and_hostile_names_are_harmless() -> None:
    sent = send()
    begin()
    ask(
        """
        INSERT INTO bench_execution (run_id, command_id, msg_id, attempt, worker, pid, began_at, outcome)
        VALUES (1, %s, 999, 9, '<script>x</script>', 7, clock_timestamp(), '<b>')
        """,
        sent,
    )
    html = page(sent)
    assert "<script>x" not in html
    assert "&lt;script&gt;x" in html


@pytest.mark.django_db(transaction=True)
def test_who_holds_a_row_and_who_waits_for_it_is_told(bus: HandBus) -> None:
    sent = bus.send()
    with bus.connect() as holder:
        holder.execute("SELECT FROM commandbus.command WHERE command_id = %s FOR UPDATE", [sent])
        pid = holder.info.backend_pid
        told = text(page(sent))
        assert f"command {pid} holds it" in told
    assert "neither the row of the command nor its message is locked" in text(page(sent))


def test_the_page_of_a_command_leads_to_it_once_an_attempt_has_begun() -> None:
    sent = send()
    assert f'href="/microscope/{sent}/"' not in Client().get(f"/commands/{sent}/").text
    begin()
    assert f'href="/microscope/{sent}/"' in Client().get(f"/commands/{sent}/").text


def test_an_id_may_be_spelled_otherwise() -> None:
    sent = send()
    assert str(sent) in page(sent.hex.upper())


def test_what_it_asks_the_database_does_not_grow_with_the_attempts(
    django_assert_max_num_queries: DjangoAssertNumQueries,
) -> None:
    sent = send(type="timeout", execution_time_ms=60_000)
    for _ in range(3):
        begin(lease=0)
    with django_assert_max_num_queries(14):
        page(sent)
