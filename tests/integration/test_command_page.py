"""The page of one command: how long it is followed, who had its attempts, what it says of what is not there yet."""

from collections.abc import Callable
from datetime import timedelta
from uuid import UUID

import pytest
from django.test import Client
from pytest_django.fixtures import Settings

from tests.integration.test_pages import ask, begin, finish, send, text, worker

pytestmark = pytest.mark.django_db

NO_WORKER = "No worker is running: this command waits."


@pytest.fixture(autouse=True)
def _open(settings: Settings) -> None:
    settings.PUBLIC_READ = True


def page(sent: UUID) -> str:
    return Client().get(f"/commands/{sent}/").text


def followed(sent: UUID) -> bool:
    return "data-live-final" not in page(sent)


def age(by: timedelta) -> None:
    """What waiting so long does to the rows of a command."""
    ask("UPDATE commandbus.audit SET ts = ts - %s", by)
    ask("UPDATE commandbus.command SET updated_at = updated_at - %s", by)


# -- how long it is followed -----------------------------------------------------------------------------------------


def test_a_command_that_was_parked_for_its_leases_is_followed_to_its_late_ends() -> None:
    sent = send(type="timeout", execution_time_ms=9000)
    attempts = [begin(lease=0)[sent] for _ in range(3)]
    begin(lease=0)
    assert followed(sent)
    assert "data-live-pace" not in page(sent)  # what it waits for comes in seconds
    assert "nothing was heard from this attempt yet" in text(page(sent))
    for attempt in attempts:
        finish(attempt)
    assert text(page(sent)).count("completed too late") == 3


def test_a_parked_command_is_followed_slowly_until_an_operator_has_decided() -> None:
    sent = send(type="fail_permanent")
    finish(begin()[sent], "permanent")
    age(timedelta(days=2))
    assert followed(sent)
    assert 'data-live-pace="15"' in page(sent)
    ask("SELECT commandbus.operator_cancel('test', %s, 'why', 'ada')", sent)
    assert not followed(sent)


def test_an_attempt_is_awaited_as_long_as_its_worker_lives() -> None:
    sent = send(type="timeout")
    first = begin(lease=0)[sent]
    begin(lease=0)
    finish(first)
    worker("alpha")
    age(timedelta(hours=1))
    assert not followed(sent)
    assert "Attempt 2 of 3: no end is known" in text(page(sent))
    ask(
        "UPDATE commandbus.audit SET details_json = details_json || jsonb_build_object('worker', w.worker_id)"
        " FROM public.e2e_worker w WHERE event_type = 'RECEIVED' AND details_json ->> 'attempt' = '2'"
    )
    assert followed(sent)
    assert "Attempt 2 of 3: goes on, too late to count" in text(page(sent))
    ask("UPDATE public.e2e_worker SET stopped_at = clock_timestamp()")
    assert not followed(sent)


# -- who had its attempts --------------------------------------------------------------------------------------------


def test_an_attempt_says_which_worker_had_it_and_what_became_of_it() -> None:
    sent = send()
    worker("alpha")
    receive = "SELECT commandbus.receive_commands('test', 10, 0, p_worker => %s::uuid, p_alone => %s)"
    ask(receive, "0f0f0f0f-0000-4000-8000-000000000000", False)
    ask(receive, ask("SELECT worker_id::text FROM public.e2e_worker"), True)
    told = text(page(sent))
    assert "Attempt 1 of 3: lost: its worker was gone" in told
    assert "by worker 0f0f0f0f " in told
    assert "Attempt 2 of 3: works" in told
    assert "by worker alpha:4711 · alone in its process" in told
    ask("UPDATE public.e2e_worker SET beat_at = beat_at - interval '11 s'")
    assert "Attempt 2 of 3: its worker gives no sign of life" in text(page(sent))


# -- what is not there yet -------------------------------------------------------------------------------------------


def test_it_took_as_long_as_since_the_operators_retry_and_the_whole_is_said_too() -> None:
    sent = send(type="fail_permanent")
    finish(begin()[sent], "permanent")
    age(timedelta(hours=3))
    ask("SELECT commandbus.operator_retry('test', %s, 'ada')", sent)
    finish(begin()[sent])
    told = text(page(sent))
    assert "from the operator's retry to its end; 3 h since it was sent" in told


def test_there_is_no_result_yet_or_none_at_all() -> None:
    sent = send()
    assert "Result None yet." in text(page(sent))
    finish(begin()[sent], result={})
    assert "Result Copy Raw {}" in text(page(sent))
    sent = send()
    finish(begin()[sent])
    assert "Result None: the success came without one." in text(page(sent))
    sent = send()
    finish(begin()[sent], "permanent")
    assert "Result None: only a success gives one." in text(page(sent))


def test_a_command_that_waits_says_when_no_worker_runs(client_of: Callable[..., Client]) -> None:
    ada = client_of("ada", "add_testcommand", "view_testcommand")
    sent_page = ada.get(ada.post("/send/", {"type": "success"})["Location"]).text
    assert "The command is sent." in text(sent_page)
    assert NO_WORKER in text(sent_page)
    sent = send()
    assert NO_WORKER in text(Client().get(f"/commands/{sent}/live/").text)
    worker("elsewhere")
    ask("UPDATE public.e2e_worker SET queue_name = 'orders__commands'")
    assert NO_WORKER in text(page(sent))
    worker("alpha")
    assert NO_WORKER not in text(page(sent))
    ask("DELETE FROM public.e2e_worker")
    finish(begin()[sent], "permanent")
    assert NO_WORKER not in text(page(sent))
