"""The queue page: what waits, runs and is delayed, in the queue's order; and canceling what waits."""

import json
import re
from collections.abc import Callable, Iterator
from uuid import UUID, uuid4

import psycopg
import pytest
from django.test import Client
from pytest_django import DjangoAssertNumQueries
from pytest_django.fixtures import Settings

from commands.bus.operators import MAX_REASON_LENGTH
from commands.reads import queue
from tests.integration.test_pages import ask, begin, finish, send, text, worker
from tests.support.bus import HandBus

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _open(settings: Settings) -> None:
    settings.PUBLIC_READ = True


@pytest.fixture
def ada(client_of: Callable[..., Client]) -> Client:
    return client_of("ada", "operate_command", staff=False)


def listed(address: str = "/queue/") -> list[str]:
    """The commands that a page lists, in its order."""
    return re.findall(r'<tr id="message-\d+".*?/commands/([0-9a-f-]+)/', Client().get(address).text, re.DOTALL)


def row(command_id: UUID, address: str = "/queue/", client: Client | None = None) -> str:
    """What the row of a command says."""
    found = re.search(
        rf'<tr id="message-\d+"(?:(?!</tr>).)*?{command_id}.*?</tr>', (client or Client()).get(address).text, re.DOTALL
    )
    assert found is not None, command_id
    return text(found[0])


def untimed(told: str) -> str:
    """The same, however long the test took to look: "now" and "3 s ago" are both "lately", "in 29 s" is "soon"."""
    told = re.sub(r"\bnow\b|\b\d s ago", "lately", told)
    return re.sub(r"in \d\d s\b", "soon", told)


def tabs(address: str = "/queue/") -> dict[str, str]:
    found = re.findall(r'class="tab"[^>]*>(\w+) <span[^>]*>([^<]*)<', Client().get(address).text)
    return dict(found)


def one_of_each() -> dict[str, UUID]:
    """Commands that wait, run, are delayed, run with a lease that ran out, are due again, and are done."""
    names = ("running", "delayed", "late", "due", "done")
    sent = {name: send(type="fail_transient") for name in names}
    attempts = begin()
    finish(attempts[sent["delayed"]], "transient", error_code="DOWN", delay_ms=90_000)
    finish(attempts[sent["due"]], "transient", delay_ms=0)
    finish(attempts[sent["done"]])
    ask(
        "UPDATE pgmq.q_test__commands SET vt = clock_timestamp() - interval '5 s' WHERE msg_id = %s",
        attempts[sent["late"]]["msg_id"],
    )
    return {**sent, "waiting": send()}


# -- looking ---------------------------------------------------------------------------------------------------------


def test_an_empty_queue_is_good_news() -> None:
    page = Client().get("/queue/").text
    assert "The queue is empty" in page
    assert tabs() == {"All": "0", "Waiting": "0", "Running": "0", "Delayed": "0"}
    assert "Nothing is delayed" in Client().get("/queue/?state=delayed").text


def test_messages_stand_in_the_queues_order_each_with_its_state() -> None:
    sent = one_of_each()
    assert listed() == [str(sent[name]) for name in ("running", "delayed", "late", "due", "waiting")]
    assert tabs() == {"All": "5", "Waiting": "2", "Running": "2", "Delayed": "1"}
    told = {name: untimed(row(command_id)) for name, command_id in sent.items() if name != "done"}
    assert "Running 1 of 3 began lately , lease ends soon" in told["running"]
    assert "Delayed 1 of 3 due in 1 min , after DOWN" in told["delayed"]
    assert "Late 1 of 3 began lately , lease ran out lately" in told["late"]
    assert "Waiting 1 of 3 ready lately , for its next attempt" in told["due"]
    assert "Waiting 0 of 3 ready lately" in told["waiting"]


@pytest.mark.parametrize(
    ("state", "names"), [("waiting", ["due", "waiting"]), ("running", ["running", "late"]), ("delayed", ["delayed"])]
)
def test_a_tab_shows_those_of_its_state(state: str, names: list[str]) -> None:
    sent = one_of_each()
    assert listed(f"/queue/?state={state}") == [str(sent[name]) for name in names]


def test_an_attempt_names_its_worker_and_says_when_that_is_silent_or_gone() -> None:
    worker("alpha")
    worker("beta", silence=20)
    alpha, beta = (ask("SELECT worker_id FROM e2e_worker WHERE host = %s", host) for host in ("alpha", "beta"))
    sent = {}
    for name in (alpha, beta, uuid4(), None):
        sent[name] = send()
        ask("SELECT commandbus.receive_commands('test', 1, 30, p_worker => %s)::text", name)
    told = [row(command_id) for command_id in sent.values()]
    assert "alpha:4711" in told[0]
    assert "silent" not in told[0]
    assert "beta:4711 silent" in told[1]
    assert "gone" in told[2]
    assert "not known" in told[3]


def test_a_late_end_of_an_earlier_attempt_leaves_the_later_one_running() -> None:
    sent = send(type="timeout")
    first = begin(lease=0)[sent]
    begin()
    finish(first, "transient")
    assert tabs()["Running"] == "1"


def test_messages_that_are_no_commands_or_no_longer_theirs_are_left_out() -> None:
    sent = send()
    for message in ({}, 7, {"command_id": "x"}, {"command_id": str(uuid4())}, {"command_id": str(sent)}):
        ask("SELECT pgmq.send('test__commands', %s::jsonb)", json.dumps(message))
    assert listed() == [str(sent)]
    assert tabs()["All"] == "1"


def test_pages_follow_each_other_by_message_also_where_one_is_gone() -> None:
    sent = [send() for _ in range(45)]
    seen: list[str] = []
    address = "/queue/"
    while address:
        page = Client().get(address).text
        seen += re.findall(r'<tr id="message-\d+".*?/commands/([0-9a-f-]+)/', page, re.DOTALL)
        following = re.search(r'rel="next" href="([^"]*)"', page)
        address = f"/queue/{following[1]}".replace("&amp;", "&") if following else ""
        if len(seen) == 20:  # the message at which the next page begins is taken meanwhile
            ask("SELECT pgmq.delete('test__commands', %s::bigint)", int(re.findall(r"after=(\d+)", address)[0]))
    assert seen == [str(command_id) for command_id in sent]


def test_exactly_a_page_of_messages_has_no_next_page() -> None:
    for _ in range(20):
        send()
    assert 'rel="next"' not in Client().get("/queue/").text
    assert "Nothing stands further back" in Client().get("/queue/?after=9999").text


def test_a_look_ends_at_its_bound_and_goes_on_by_a_click(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queue, "MOST", 5)
    one_of_each()  # the delayed one is the second of five
    last = send(type="fail_transient")
    finish(begin()[last], "transient", delay_ms=90_000)
    page = Client().get("/queue/?state=delayed").text
    assert "1 shown, found among the first 5 messages" in text(page)
    (more,) = re.findall(r'rel="next" href="([^"]*)">Look further on', page)
    assert listed(f"/queue/{more}".replace("&amp;", "&")) == [str(last)]
    assert tabs()["Delayed"] == "2+"  # more than the five are in the queue


@pytest.mark.parametrize(
    ("query", "status", "said"),
    [
        ("?state=done", 400, "state must be one of waiting, running, delayed, not &#x27;done&#x27;"),
        ("?after=x", 404, "This page begins nowhere."),
        ("?after=9223372036854775808", 404, "This page begins nowhere."),
        ("?domain=nope", 404, "No domain has the name"),
    ],
)
def test_what_cannot_be_meant_is_refused(query: str, status: int, said: str) -> None:
    send()
    response = Client().get(f"/queue/{query}")
    assert response.status_code == status
    assert said in response.text
    assert Client().get(f"/queue/live/{query}").status_code == status
    if status == 400:
        assert 'id="message-' in response.text  # with all of them


@pytest.mark.django_db(transaction=True)
def test_another_domain_has_a_queue_of_its_own(orders: str) -> None:
    assert listed(f"/queue/?domain={orders}") == []
    page = Client().get(f"/queue/?domain={orders}").text
    assert "orders__commands" in page
    assert f'hx-get="/queue/live/?domain={orders}"' in page


@pytest.mark.parametrize("commands", [0, 5, 60])
def test_the_page_costs_the_same_queries_whatever_it_shows(
    commands: int, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    for _ in range(commands):
        send()
    ask("SELECT commandbus.receive_commands('test', 5, 30, p_worker => %s)::text", uuid4())
    client = Client()
    with django_assert_num_queries(5 + bool(commands)):  # domains, messages, settings, workers, counts; who had them
        client.get("/queue/live/")
    with django_assert_num_queries(5 + bool(commands)):  # it says itself whether the queue is paused
        client.get("/queue/")


# -- canceling -------------------------------------------------------------------------------------------------------


def test_only_who_may_operate_is_led_to_the_form_and_only_for_what_waits(ada: Client) -> None:
    sent = one_of_each()
    for name, command_id in sent.items():
        if name == "done":
            continue
        link = f"/queue/{command_id}/cancel/"
        assert (link in ada.get("/queue/").text) is (name == "waiting")
        assert link not in Client().get("/queue/").text


def test_a_command_that_waits_is_canceled_with_a_reason(ada: Client) -> None:
    sent = send()
    page = ada.get(f"/queue/{sent}/cancel/").text
    assert str(sent) in page
    response = ada.post(f"/queue/{sent}/cancel/", {"reason": "sent by mistake"}, follow=True)
    assert response.redirect_chain == [("/queue/", 302)]
    assert f"Command {str(sent)[:8]} is canceled." in response.text
    assert ask("SELECT status FROM commandbus.command WHERE command_id = %s", sent) == "CANCELED"
    details = ask("SELECT details_json::text FROM commandbus.audit WHERE event_type = 'OPERATOR_CANCEL'")
    assert {**json.loads(details), "operator": "ada", "reason": "sent by mistake"} == json.loads(details)
    assert listed() == []
    assert begin() == {}
    assert ask("SELECT count(*) FROM pgmq.q_test__commands") == 0


@pytest.mark.parametrize(
    ("reason", "said"), [("", "Say why"), ("x" * (MAX_REASON_LENGTH + 1), "has more than 1,000 characters")]
)
def test_without_a_fit_reason_nothing_is_canceled(ada: Client, reason: str, said: str) -> None:
    sent = send()
    response = ada.post(f"/queue/{sent}/cancel/", {"reason": reason})
    assert response.status_code == 400
    assert said in response.text
    assert ask("SELECT status FROM commandbus.command") == "PENDING"


def test_who_comes_too_late_reads_which_worker_was_first(ada: Client) -> None:
    worker("alpha")
    sent = send()
    ask(
        "SELECT commandbus.receive_commands('test', 1, 30, p_worker => %s)::text",
        ask("SELECT worker_id FROM e2e_worker"),
    )
    response = ada.post(f"/queue/{sent}/cancel/", {"reason": "no"})
    assert response.status_code == 409
    told = untimed(text(response.text))
    assert "Too late: it was not canceled. Worker alpha:4711 began it lately: it is in progress lately." in told
    assert "Worker alpha:4711 began it" in ada.get(f"/queue/{sent}/cancel/").text
    assert ask("SELECT status FROM commandbus.command") == "IN_PROGRESS"


def test_who_comes_after_another_operator_reads_who_that_was(ada: Client, client_of: Callable[..., Client]) -> None:
    sent = send()
    grace = client_of("grace", "operate_command")
    grace.post(f"/queue/{sent}/cancel/", {"reason": "mine"})
    response = ada.post(f"/queue/{sent}/cancel/", {"reason": "mine, too"})
    assert response.status_code == 409
    assert "grace canceled it lately." in untimed(text(response.text))
    assert ask("SELECT count(*) FROM commandbus.audit WHERE event_type = 'OPERATOR_CANCEL'") == 1


def test_an_unknown_command_is_not_found(ada: Client) -> None:
    assert ada.get(f"/queue/{uuid4()}/cancel/").status_code == 404


def test_canceling_needs_the_permission(client_of: Callable[..., Client]) -> None:
    sent = send()
    for client, status in ((Client(), 302), (client_of("eve", "view_command"), 403)):
        for response in (
            client.get(f"/queue/{sent}/cancel/"),
            client.post(f"/queue/{sent}/cancel/", {"reason": "no"}),
        ):
            assert response.status_code == status
    assert ask("SELECT status FROM commandbus.command") == "PENDING"


@pytest.fixture
def holder(bus: HandBus) -> Iterator[psycopg.Connection[dict[str, object]]]:
    with bus.connect() as conn:
        yield conn
        conn.rollback()


@pytest.mark.django_db(transaction=True)
def test_what_another_transaction_holds_is_left_and_told(
    ada: Client, bus: HandBus, holder: psycopg.Connection[dict[str, object]]
) -> None:
    sent = bus.send()
    holder.execute("SELECT FROM commandbus.command WHERE command_id = %s FOR UPDATE", [sent])
    response = ada.post(f"/queue/{sent}/cancel/", {"reason": "no"})
    assert response.status_code == 409
    assert "has it in hand just now" in response.text
    assert bus.command(sent)["status"] == "PENDING"
