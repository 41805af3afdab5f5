"""The list of commands: what each filter finds, alone and with others, page by page, and what it costs."""

import json
import re
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode
from uuid import UUID, uuid4

import pytest
from django.db import connection
from django.test import Client
from pytest_django import DjangoAssertNumQueries
from pytest_django.fixtures import Settings

from commands.bus.operations import Mix, ParkedFilter, operate_on, send_many
from commands.bus.operators import Action, act
from commands.reads import command_reads
from commands.reads.command_reads import COURSES
from commands.rules.behaviors import Behavior
from commands.rules.command_filter import Walk
from commands.rules.words import OperationKind
from tests.integration.test_pages import ask, begin, finish, send, text

pytestmark = pytest.mark.django_db

HOME = "/commands/"


@pytest.fixture(autouse=True)
def _open(settings: Settings) -> None:
    settings.PUBLIC_READ = True


def get(answers: int = 200, /, **query: Any) -> str:
    answer = Client().get(HOME + (f"?{urlencode(query, doseq=True)}" if query else ""))
    assert answer.status_code == answers, text(answer.text)
    return answer.text


def listed(page: str) -> list[UUID]:
    return [UUID(found) for found in re.findall(r'<tr id="command-([^"]*)"', page)]


def found(**query: Any) -> list[UUID]:
    return listed(get(**query))


def total(page: str) -> str:
    found = re.search(r'id="total">([^<]*)<', page)
    return found[1] if found else ""


def looked(page: str) -> str:
    return text(re.findall(r'id="looked">(.*?)</p>', page, re.DOTALL)[0]).strip()


def older(page: str) -> str:
    """The address of the page that goes on; empty on the last one."""
    found = re.search(r'rel="next" href="([^"]*)"', page)
    return found[1].replace("&amp;", "&") if found else ""


def pages(address: str) -> Iterable[str]:
    while address:
        page = Client().get(address).text
        yield page
        address = older(page)


def park(count: int, **behavior: Any) -> list[UUID]:
    ids = [send(type="fail_permanent", **behavior) for _ in range(count)]
    attempts = begin()
    for command_id in ids:
        finish(attempts[command_id], "permanent", error_code=behavior.get("error_code", "E"))
    return ids


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> int:
    """Every look is at four candidates."""
    courses = {walk: replace(course, most=4) for walk, course in COURSES.items()}
    monkeypatch.setattr(command_reads, "COURSES", courses)
    return 4


# -- each filter ------------------------------------------------------------------------------------------------------


def test_an_empty_list_leads_to_the_form() -> None:
    page = get()
    assert "No command was ever sent" in page
    assert "Send your first command" in page


def test_the_newest_come_first_with_what_became_of_them() -> None:
    first, second = send(), send(type="fail_permanent")
    finish(begin()[second], "permanent", error_code="BAD", error_msg="went <wrong>")
    page = get()
    assert listed(page) == [second, first]
    assert total(page) == "2"
    row = text(page[page.index(f'id="command-{second}"') :])
    assert "TestCommand fail_permanent" in row
    assert "In TSQ 1/3 BAD went &lt;wrong&gt;" in row


def test_each_status_is_found() -> None:
    ids = {name: send() for name in ("pending", "running", "done", "failed", "canceled", "parked")}
    attempts = begin()
    ask("UPDATE commandbus.command SET status = 'PENDING', attempts = 0 WHERE command_id = %s", ids["pending"])
    finish(attempts[ids["done"]])
    finish(attempts[ids["failed"]], "business_rule")
    for name in ("canceled", "parked"):
        finish(attempts[ids[name]], "permanent")
    act(Action(kind=OperationKind.CANCEL, operator="ada"), [ids["canceled"]])
    assert found(status="PENDING") == [ids["pending"]]
    assert found(status="IN_PROGRESS") == [ids["running"]]
    assert found(status="COMPLETED") == [ids["done"]]
    assert found(status="FAILED") == [ids["failed"]]
    assert found(status="CANCELED") == [ids["canceled"]]
    assert found(status="IN_TROUBLESHOOTING_QUEUE") == [ids["parked"]]
    assert found(status=["PENDING", "IN_PROGRESS"]) == [ids["running"], ids["pending"]]
    assert found(status=["FAILED", "CANCELED"]) == [ids["canceled"], ids["failed"]]
    assert found(status=["COMPLETED", "FAILED"]) == [ids["failed"], ids["done"]]
    totals = {name: total(get(status=name)) for name in ("PENDING", "FAILED", "IN_TROUBLESHOOTING_QUEUE", "COMPLETED")}
    assert totals == {"PENDING": "1", "FAILED": "1", "IN_TROUBLESHOOTING_QUEUE": "1", "COMPLETED": ""}


def test_what_was_asked_is_found() -> None:
    order = send(payload={"order": 7, "note": "Ship 50% now"})
    big = send(payload={"order": 12345678901234567890123})
    late = send(type="fail_permanent")
    assert found(behavior="success") == [big, order]
    assert found(behavior="fail_permanent") == [late]
    assert found(behavior="none such") == []
    assert found(payload='{"order": 7}') == [order]
    assert found(payload='{"order": 12345678901234567890123}') == [big]
    assert found(payload='{"order": 12345678901234567890124}') == []
    assert found(payload="ship 50%") == [order]
    assert found(payload="5_%") == []
    assert found(type="TestCommand") == [late, big, order]
    assert found(type="Other") == []


def test_errors_and_attempts_are_found() -> None:
    (coded,) = park(1, error_code="A-1")
    (other,) = park(1)
    tried = send()
    finish(begin()[tried], "transient", delay_ms=0)
    begin()
    assert found(code="A-1") == [coded]
    assert found(code="A") == []
    assert found(status="IN_TROUBLESHOOTING_QUEUE", code="E") == [other]
    assert found(attempts=2) == [tried]
    assert found(attempts=1) == [tried, other, coded]


def test_an_id_and_its_beginning_are_found() -> None:
    command_id = send()
    others = {send() for _ in range(3)}
    assert found(id=command_id) == [command_id]
    assert found(id=str(command_id)[:25]) == [command_id]
    assert found(id=str(command_id).upper().replace("-", "")) == [command_id]
    assert found(id=str(command_id), status="FAILED") == []
    assert {command_id} | others >= set(found(id=str(command_id)[0]))


def test_a_correlation_id_is_found() -> None:
    ids = [send() for _ in range(3)]
    correlation = uuid4()
    ask("UPDATE commandbus.command SET correlation_id = %s WHERE command_id = ANY (%s)", correlation, ids[:2])
    page = get(correlation=correlation)
    assert listed(page) == sorted(ids[:2], reverse=True)
    assert total(page) == "2"
    assert found(correlation=uuid4()) == []


def test_what_an_operation_sent_or_changed_is_found() -> None:
    sending = send_many(Mix(parts=[(Behavior.from_json({"type": "success"}), 1)], count=3), operator="ada")
    ask("SELECT commandbus.work_operation()")
    page = get(operation=sending)
    assert (len(listed(page)), total(page)) == (3, "3")
    parked = park(2)
    retried = Action(kind=OperationKind.RETRY, operator="ada")
    operation = operate_on(ParkedFilter(until=datetime(2100, 1, 1, tzinfo=UTC)), retried)
    ask("SELECT commandbus.work_operation()")
    page = get(operation=operation)
    assert set(listed(page)) == set(parked)
    assert total(page) == "2"
    assert found(operation=operation, status="COMPLETED") == []
    assert found(operation=operation, id=parked[0]) == [parked[0]]


def test_times_are_found() -> None:
    ids = [send() for _ in range(5)]
    for age, command_id in zip((50, 40, 30, 20, 10), ids, strict=True):
        for change in (
            "UPDATE commandbus.audit SET ts = %s WHERE command_id = %s",
            "UPDATE commandbus.command SET created_at = %s WHERE command_id = %s",
        ):
            ask(change, datetime(2026, 1, 1, 12, 60 - age, tzinfo=UTC), command_id)
    between = {"from": "2026-01-01 12:20", "to": "2026-01-01T12:40:00Z"}
    page = get(**between)
    assert listed(page) == [ids[2], ids[1]]
    assert total(page) == "2"
    assert found(**between, status="PENDING") == [ids[2], ids[1]]
    assert found(**between, behavior="success") == [ids[2], ids[1]]
    assert found(**{"from": "2026-01-01 12:41"}) == [ids[4]]
    assert found(to="2026-01-01 12:10") == []
    assert found(**{"from": "24h"}) == []
    assert found(**{"from": "9999d"}) == ids[::-1]


def test_what_others_sent_is_listed_with_no_behavior() -> None:
    command_id = send()
    ask("DELETE FROM test_command WHERE command_id = %s", command_id)
    assert found() == found(status="PENDING") == [command_id]
    assert found(behavior="success") == []


def test_filters_combine() -> None:
    first, second, third = park(2, error_code="A") + park(1, error_code="B")
    other = park(1, error_code="A")[0]
    ask('UPDATE test_command SET behavior = \'{"type": "timeout"}\' WHERE command_id = %s', other)
    assert found(status="IN_TROUBLESHOOTING_QUEUE", code="A", id=first) == [first]
    assert found(status=["FAILED", "IN_TROUBLESHOOTING_QUEUE"], code="A", behavior="fail_permanent") == [second, first]
    assert found(status="IN_TROUBLESHOOTING_QUEUE", code="B", attempts=1, type="TestCommand") == [third]
    assert found(status="IN_TROUBLESHOOTING_QUEUE", code="B", attempts=2) == []


def test_the_queue_lists_a_command_by_its_own_message_alone() -> None:
    command_id = send()
    ask(
        "SELECT pgmq.send('test__commands', (SELECT message FROM pgmq.q_test__commands WHERE msg_id ="
        " (SELECT msg_id FROM commandbus.command WHERE command_id = %s)))",
        command_id,
    )
    page = get(status="PENDING")
    assert (listed(page), total(page)) == ([command_id], "1")


# -- pages ------------------------------------------------------------------------------------------------------------


def test_pages_go_on_behind_the_last_row_also_when_it_is_gone() -> None:
    ids = [send() for _ in range(45)]
    address, seen = HOME, []
    while address:
        page = Client().get(address).text
        seen.append(listed(page))
        for table in ("test_command", "commandbus.command", "commandbus.audit"):
            ask(f"DELETE FROM {table} WHERE command_id = %s", seen[-1][-1])
        send()  # what comes meanwhile moves no page
        address = older(page)
    assert [len(page) for page in seen] == [20, 20, 5]
    assert [command_id for page in seen for command_id in page] == ids[::-1]


def test_what_was_parked_at_one_time_is_listed_once() -> None:
    ids = park(45)
    ask("UPDATE commandbus.parked SET parked_at = now()")
    seen = [listed(page) for page in pages(f"{HOME}?status=IN_TROUBLESHOOTING_QUEUE")]
    assert [len(page) for page in seen] == [20, 20, 5]
    assert [command_id for page in seen for command_id in page] == sorted(ids, reverse=True)


@pytest.mark.parametrize(
    "query", ["behavior=success", "status=PENDING", "status=PENDING&status=IN_PROGRESS", "id=0", "from=1h"]
)
def test_every_walk_goes_to_the_end(query: str) -> None:
    ids = [send() for _ in range(41)]
    ask("UPDATE commandbus.command SET correlation_id = %s", uuid4())
    whole = [found for page in pages(f"{HOME}?{query}") for found in listed(page)]
    assert sorted(whole) == sorted(ids)


@pytest.mark.parametrize("size", [50])
def test_a_page_has_as_many_rows_as_asked_for(size: int) -> None:
    for _ in range(size + 1):
        send()
    page = get(size=size)
    assert len(listed(page)) == size
    assert len(found(size=size, before=re.findall(r"before=(\d+)", older(page))[0])) == 1


@pytest.mark.usefixtures("few")
def test_a_look_says_how_far_it_went_and_goes_on() -> None:
    wanted = park(1, error_code="RARE")[0]
    for _ in range(6):
        send()
    page = get(code="RARE")
    assert listed(page) == []
    assert "Not among those looked at so far" in page
    assert looked(page).startswith("0 found among the newest 4, back to")
    page = Client().get(older(page)).text
    assert listed(page) == [wanted]
    assert looked(page) == "1 found, down to the oldest"
    assert not older(page)


@pytest.mark.usefixtures("few")
@pytest.mark.parametrize("query", ["code=NONE", "payload=none", "status=FAILED&code=NONE", "status=PENDING&code=NONE"])
def test_a_look_that_ends_where_the_list_does_is_the_last(query: str) -> None:
    ids = [send() for _ in range(4)]
    if "FAILED" in query:
        attempts = begin()
        for command_id in ids:
            finish(attempts[command_id], "business_rule")
    page = Client().get(f"{HOME}?{query}").text
    assert looked(page) == "0 found, down to the oldest"
    assert not older(page)


def test_counts_stop_at_ten_thousand(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command_reads, "MOST_COUNTED", 3)
    for _ in range(3):
        send()
    assert (total(get()), total(get(status="PENDING"))) == ("3", "3")
    send()
    assert (total(get()), total(get(status="PENDING"))) == ("3+", "3+")


# -- what is newer ----------------------------------------------------------------------------------------------------


def live(page: str) -> str:
    return text(Client().get(re.findall(r'hx-get="([^"]*)"', page)[0].replace("&amp;", "&")).text).strip()


def test_newer_ones_announce_themselves() -> None:
    empty = get()
    send()
    page, filtered = get(), get(status="IN_TROUBLESHOOTING_QUEUE")
    assert live(page) == live(filtered) == ""
    parked = park(2)
    assert len(parked) == 2
    assert live(empty) == "3 newer: show them"
    assert live(page) == "2 newer: show them"
    assert live(filtered) == "2 newer: show them"
    assert "hx-get" not in get(before=1)


def test_many_newer_ones_are_not_counted_to_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    page = get()
    monkeypatch.setattr(command_reads, "NEWER_COUNTED", 2)
    for _ in range(3):
        send()
    assert live(page) == "2+ newer: show them"


# -- form -------------------------------------------------------------------------------------------------------------


def test_active_filters_can_be_removed_one_by_one() -> None:
    page = get(status=["FAILED", "CANCELED"], code="A&B")
    chips = re.findall(r'class="chip" href="([^"]*)"', page)
    assert [chip.replace("&amp;", "&") for chip in chips] == [
        "/commands/?status=CANCELED&code=A%26B",
        "/commands/?status=FAILED&code=A%26B",
        "/commands/?status=FAILED&status=CANCELED",
    ]
    assert "No command matches" in page


def test_a_form_s_empty_fields_leave_the_address() -> None:
    answer = Client().get(f"{HOME}?status=FAILED&code=&payload=+&behavior=")
    assert (answer.status_code, answer["Location"]) == (302, f"{HOME}?status=FAILED")


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ({"status": "GONE"}, "status must be one of PENDING"),
        ({"id": "xyz"}, "none begins with &#x27;xyz&#x27;"),
        ({"from": "yesterday"}, "It must be a time in UTC"),
        ({"from": "1h", "to": "2h"}, "Nothing lies before this time"),
        ({"attempts": "many"}, "attempts must be a whole number from 1"),
        ({"operation": "1"}, "There is no operation 1."),
        ({"operation": "0"}, "operation must be a whole number from 1"),
        ({"correlation": "12"}, "A correlation id is a whole UUID."),
        ({"payload": "{order}"}, "Not valid JSON"),
        ({"payload": '{"a": "\\u0000"}'}, "must not hold NUL"),
        ({"payload": "x" * 201}, "has at most 200 characters"),
        ({"domain": "none"}, "There is no such domain: test."),
        ({"size": "7"}, "size must be one of 20, 50, 100."),
        ({"code": "x" * 201}, "at most 200 characters"),
    ],
)
def test_what_cannot_be_asked_is_told_at_its_field(query: dict[str, str], message: str) -> None:
    send()
    page = get(400, **query)
    assert message in page
    assert "Nothing was looked for" in page
    assert listed(page) == []


@pytest.mark.parametrize(
    "query",
    ["before=x", "before=-1", "before=1.2", "before=99999999999999999999", "status=IN_TROUBLESHOOTING_QUEUE&before=7",
     f"status=IN_TROUBLESHOOTING_QUEUE&before=9999999999999999999.{UUID(int=1)}", "id=0&before=7"],
)  # fmt: skip
def test_a_page_that_begins_nowhere_is_not_found(query: str) -> None:
    assert Client().get(f"{HOME}?{query}").status_code == 404
    assert Client().get(f"{HOME}live/?{query.replace('before', 'after')}").status_code == 404


# -- the box in the bar -----------------------------------------------------------------------------------------------


def test_an_id_in_the_box_leads_to_its_command() -> None:
    command_id = send()

    def leads_to(typed: str) -> str:
        answer = Client().get(f"{HOME}find/?{urlencode({'q': typed})}")
        assert answer.status_code == 302
        return answer["Location"]

    assert leads_to(str(command_id)) == leads_to(f" {str(command_id)[:25]} ") == f"{HOME}{command_id}/"
    ask("UPDATE commandbus.command SET command_id = %s WHERE command_id = %s", UUID(int=10), command_id)
    ask("UPDATE commandbus.command SET command_id = %s WHERE command_id = %s", UUID(int=11), send())
    assert leads_to("00") == f"{HOME}?id=00"
    assert leads_to("no id") == f"{HOME}?id=no+id"
    assert leads_to("") == HOME


# -- cost -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "query",
    ["", "status=IN_TROUBLESHOOTING_QUEUE", "status=FAILED", "status=PENDING", "behavior=success&payload=x&attempts=2",
     "from=24h&to=1h&code=E", "id=0", f"correlation={UUID(int=7)}"],
)  # fmt: skip
def test_a_page_takes_few_queries(query: str, django_assert_max_num_queries: DjangoAssertNumQueries) -> None:
    for _ in range(3):
        send()
    with django_assert_max_num_queries(8):
        assert Client().get(f"{HOME}?{query}").status_code == 200


def test_every_walk_reads_along_its_own_index() -> None:
    """And no more of it than it looks at, wherever a page begins."""
    ask("INSERT INTO test_command (command_id, behavior) SELECT gen_random_uuid(), '{}' FROM generate_series(1, 3000)")
    ask(
        "INSERT INTO commandbus.command"
        " (domain, queue_name, command_id, command_type, status, max_attempts, correlation_id)"
        " SELECT 'test', 'test__commands', command_id, 'TestCommand', 'COMPLETED', 3, %s FROM test_command",
        UUID(int=5),
    )
    ask(
        "INSERT INTO commandbus.audit (domain, command_id, event_type, details_json)"
        " SELECT 'test', command_id, e, CASE WHEN e ~ '^OP' THEN '{\"operation\": 7}'::jsonb END FROM test_command,"
        " unnest('{SENT,RECEIVED,COMPLETED,BUSINESS_RULE_FAILED,OPERATOR_CANCEL,OPERATOR_RETRY}'::text[]) e"
    )
    ask("INSERT INTO commandbus.parked (domain, command_id) SELECT 'test', command_id FROM test_command")
    ask("SET LOCAL enable_seqscan = off; SET LOCAL enable_bitmapscan = off; SET LOCAL enable_sort = off")  # few rows
    ask("ANALYZE test_command, commandbus.command, commandbus.audit, commandbus.parked")
    wanted = {
        Walk.SENT: "ix_audit_sent",
        Walk.ASKED: "test_command_pkey",
        Walk.PARKED: "ix_parked_newest",
        Walk.ENDED: "ix_audit_rare",
        Walk.IDS: "command_pkey",
        Walk.CORRELATION: "ix_command_correlation",
        Walk.OPERATION: "ix_audit_operation",
    }
    reads = {walk: _read(walk) for walk in wanted}
    assert {walk: index for walk, (index, _) in reads.items()} == wanted
    assert {walk: blocks for walk, (_, blocks) in reads.items() if blocks > 50} == {}


def _read(walk: Walk) -> tuple[str, int]:
    """The index that a look at 20 candidates walks from the middle on, and how many blocks it reads."""
    look = command_reads._part(f"look_{walk}", commands="q_test__commands")
    values: dict[str, Any] = {
        **dict.fromkeys(("since", "until", "code", "behavior", "attempts")),
        "domain": "test", "before": 1500, "after": 0, "before_at": "infinity", "after_at": "-infinity", "most": 20,
        "before_id": UUID(int=2**127), "after_id": UUID(int=0),
        "first_id": UUID(int=0), "last_id": UUID(int=2**128 - 1),
        "statuses": ["CANCELED"], "correlation": UUID(int=5), "operation": "7",
    }  # fmt: skip
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {look}", values)
        plan = cursor.fetchone()[0]
    nodes = [(plan if isinstance(plan, list) else json.loads(plan))[0]["Plan"]]
    while "Plans" in nodes[-1]:
        assert nodes[-1]["Node Type"] != "Sort", json.dumps(plan)
        nodes.append(nodes[-1]["Plans"][-1])
    blocks = nodes[0]["Shared Hit Blocks"] + nodes[0]["Shared Read Blocks"]
    return str(nodes[-1].get("Index Name", nodes[-1]["Node Type"])), blocks
