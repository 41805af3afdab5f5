"""The audit's pages: events by filter and page by page, one event, the export, what operators did, what it costs."""

import csv
import json
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.auth.models import User
from django.contrib.contenttypes.models import ContentType
from django.db import connection
from django.http import QueryDict
from django.test import Client
from django.utils.html import escape
from pytest_django import DjangoAssertNumQueries
from pytest_django.fixtures import Settings

from commands.forms.audit import AuditForm
from commands.pages import actions
from commands.reads import events
from commands.reads.events import EventFilter
from commands.reads.listing import LARGEST_NUMBER, query_of
from commands.rules.words import OPERATOR_EVENTS, EventType
from settings_app.models import Configuration

pytestmark = pytest.mark.django_db

ID = UUID(int=7)
NOON = datetime(2026, 5, 4, 12, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _open(settings: Settings) -> None:
    settings.PUBLIC_READ = True


def ask(query: str, *parameters: Any) -> Any:
    with connection.cursor() as cursor:
        cursor.execute(query, parameters)
        return cursor.fetchone()[0] if cursor.description else None


def event(
    event_type: str = "SENT",
    command_id: UUID = ID,
    *,
    at: datetime = NOON,
    domain: str = "test",
    details: dict[str, Any] | None = None,
) -> int:
    """Write an event; its number."""
    return int(
        ask(
            "INSERT INTO commandbus.audit (domain, command_id, event_type, ts, details_json)"
            " VALUES (%s, %s, %s, %s, %s) RETURNING audit_id",
            domain, command_id, event_type, at, None if details is None else json.dumps(details),
        )
    )  # fmt: skip


def operated(operator: str, event_type: str = "OPERATOR_RETRY", **details: Any) -> int:
    return event(event_type, details={"operator": operator, **details})


def operation(operator: str = "ada", **columns: Any) -> int:
    known: dict[str, Any] = {
        "kind": "retry",
        "domain": "test",
        "operator": operator,
        "spec": "{}",
        "wanted": 12,
        **columns,
    }
    names = ", ".join(known)
    marks = ", ".join(["%s"] * len(known))
    return int(
        ask(f"INSERT INTO public.e2e_operation ({names}) VALUES ({marks}) RETURNING operation_id", *known.values())
    )


def logged(user: User, message: str, *, at: datetime = NOON, model: type[Any] = Configuration) -> int:
    entry = LogEntry.objects.create(
        user=user, content_type=ContentType.objects.get_for_model(model), object_id="1", object_repr="x",
        action_flag=CHANGE, change_message=message, action_time=at,
    )  # fmt: skip
    return int(entry.pk)


def page(address: str = "/audit/", **query: Any) -> str:
    response = Client().get(address, query)
    assert response.status_code == 200
    return response.text


def numbers(html: str) -> list[int]:
    return [int(number) for number in re.findall(r'id="event-(\d+)"', html)]


def text(html: str) -> str:
    """What a person reads of a page: its text, white space made one."""
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", re.sub(r"</?bdi>", "", html)))


def more(html: str) -> str:
    """Where the way on leads; empty where there is none."""
    found = re.search(r'rel="next" href="([^"]+)"', html)
    return found[1].replace("&amp;", "&") if found else ""


def chosen(**query: Any) -> EventFilter:
    """What the form makes of an address."""
    form = AuditForm(QueryDict(query_of(query).removeprefix("?")), domains=["test", "orders"])
    assert form.is_valid(), form.errors
    return form.chosen


# -- the list --------------------------------------------------------------------------------------------------------


def test_an_audit_without_events_explains_itself() -> None:
    html = page()
    assert "Nothing happened yet" in html
    assert "Send your first command" in html


def test_events_are_listed_newest_first_with_their_command_details_and_permanent_address() -> None:
    ask('INSERT INTO public.test_command (command_id, behavior) VALUES (%s, \'{"type": "fail_permanent"}\')', ID)
    first = event()
    second = event(
        "MOVED_TO_TSQ", details={"attempt": 1, "error_code": "E", "error_msg": "<b>", "n": 12345678901234567890}
    )
    html = page()
    assert numbers(html) == [second, first]
    assert f'href="/commands/{ID}/"' in html
    assert f'href="/audit/{second}/"' in html
    read = text(html)
    assert "fail_permanent 00000000…000007" in read
    assert "attempt 1, E: &lt;b&gt;" in read
    assert "12345678901234567890" in read, "the details unfold"
    assert "<b>" not in html


def test_pages_follow_each_other_by_number_also_where_times_are_equal_or_a_row_is_gone() -> None:
    ids = [event() for _ in range(45)]
    html = page()
    assert numbers(html) == ids[:24:-1]
    assert "20 shown" in text(html)
    ask("DELETE FROM commandbus.audit WHERE audit_id = %s", ids[25])  # the row at which the next page begins
    event()
    second = page("/audit/" + more(html))
    assert numbers(second) == ids[24:4:-1]
    third = page("/audit/" + more(second))
    assert numbers(third) == ids[4::-1]
    assert more(third) == ""
    assert 'href="?"' in third, "and back to the newest"
    assert "No older event" in page(before=ids[0])


def test_a_page_has_as_many_rows_as_are_asked_for_and_the_way_on_keeps_the_size_and_the_filter() -> None:
    for _ in range(60):
        event()
    html = page(size="50", id=str(ID))
    assert len(numbers(html)) == 50
    assert re.fullmatch(rf"\?id={ID}&size=50&before=\d+", more(html))


def test_each_filter_finds_its_own_and_all_of_them_together_what_meets_all() -> None:
    other = uuid4()
    sent = event(at=NOON - timedelta(hours=2))
    parked = event("MOVED_TO_TSQ", at=NOON, details={"error_msg": 'disk "C:\\" is 100% full', "attempt": 1})
    rejected = event(
        "MESSAGE_REJECTED", UUID(int=0), at=NOON + timedelta(hours=1), details={"msg_id": 3, "reason": "no"}
    )
    retried = event("OPERATOR_RETRY", other, at=NOON + timedelta(hours=2), details={"operator": "ada", "operation": 12})
    completed = event("OPERATOR_COMPLETE", other, at=NOON + timedelta(hours=3), details={"operator": "adam"})
    foreign = event(domain="orders", at=NOON + timedelta(hours=4))
    everything = [completed, retried, rejected, parked, sent]
    for query, found in (
        ({}, everything),
        ({"domain": "orders"}, [foreign]),
        ({"event": "SENT"}, [sent]),
        ({"event": "MESSAGE_REJECTED"}, [rejected]),
        ({"event": ["SENT", "MOVED_TO_TSQ"]}, [parked, sent]),
        ({"event": ["OPERATOR_RETRY", "OPERATOR_COMPLETE"]}, [completed, retried]),
        ({"id": str(ID)}, [parked, sent]),
        ({"id": str(other).upper()}, [completed, retried]),
        ({"operator": "ada"}, [retried]),
        ({"operator": "ad"}, []),
        ({"operator": "ada", "event": "SENT"}, []),
        ({"operator": "ada", "id": str(ID)}, []),
        ({"operation": "12"}, [retried]),
        ({"operation": "1"}, []),
        ({"text": "100%"}, [parked]),
        ({"text": "1_0"}, []),
        ({"text": '"C:\\"'}, [parked]),
        ({"text": '"error_msg": "DISK'}, [parked]),
        ({"from": "2026-05-04T12:00"}, [completed, retried, rejected, parked]),
        ({"from": "2026-05-04T12:00:01"}, [completed, retried, rejected]),
        ({"to": "2026-05-04 12:00"}, [sent]),
        ({"from": "2026-05-04T14:00+02:00", "to": "2026-05-04T13:30Z"}, [rejected, parked]),
        ({"from": "2026-05-05T00:00"}, []),
        ({"to": "2020-01-01T00:00"}, []),
        ({"from": "2026-05-04T11:00", "event": "MOVED_TO_TSQ", "id": str(ID), "text": "disk"}, [parked]),
        ({"from": "2026-05-04T11:00", "event": "SENT", "id": str(ID)}, []),
    ):  # fmt: skip
        assert [row["audit_id"] for row in events.read(chosen(**query), size=20).rows] == found, query


def test_nothing_found_says_that_every_event_was_looked_at_and_how_to_clear_the_filter() -> None:
    event()
    read = page(operator="nobody")
    assert "No such event" in read
    assert "Every event was looked at that could be one." in read
    assert "Clear the filter" in read


def test_a_look_that_ends_at_its_bound_says_so_and_goes_on_from_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "MOST", 10)
    old = event("LATE_FAILED")
    near = event("LATE_FAILED")
    for _ in range(9):
        event()
    html = page(event="LATE_FAILED")
    assert numbers(html) == [near]
    assert "1 found among the newest 10, back to 2026-05-04 12:00:00.000" in text(html)
    assert "Look further back" in html
    rest = page("/audit/" + more(html))
    assert numbers(rest) == [old]
    assert "1 found , down to the oldest" in text(rest).replace("found,", "found ,")


def test_a_look_whose_bound_is_exactly_the_last_event_leads_no_further(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "MOST", 10)
    for _ in range(10):
        event()
    assert more(page(event="LATE_FAILED")) == ""
    event()
    assert more(page(event="LATE_FAILED")) != ""


def test_text_is_searched_in_fewer_events(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "MOST_TEXTS", 3)
    event(details={"n": "needle"})
    for _ in range(3):
        event(details={"n": "hay"})
    html = page(text="NEEDLE")
    assert "Not among the 3 events that were looked at" in html
    assert len(numbers(page("/audit/" + more(html)))) == 1


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ({"event": "SENT_TO_MARS"}, "event must be one of SENT, RECEIVED"),
        ({"id": "1234"}, "id must be a whole command id (a UUID)."),
        ({"from": "yesterday"}, "from must be a time such as 2026-05-01T14:30"),
        ({"to": "2026-99-01T00:00"}, "to must be a time such as"),
        ({"from": "2026-05-04T12:00", "to": "2026-05-04T12:00"}, "to must be later than from."),
        ({"operator": "x" * 151}, "operator must be a user name of at most 150 characters."),
        ({"operation": "x"}, "operation must be the number of an operation."),
        ({"operation": str(2**63)}, "operation must be the number of an operation."),
        ({"text": "x" * 201}, "text must have at most 200 characters."),
        ({"domain": "mars"}, "domain must be one of test."),
    ],
)
@pytest.mark.parametrize("address", ["/audit/", "/audit/export/"])
def test_a_filter_that_cannot_be_meant_is_told_and_shown_again(address: str, query: dict[str, str], said: str) -> None:
    response = Client().get(address, query)
    assert response.status_code == 400
    assert said in response.text
    assert escape(next(iter(query.values())))[:50] in response.text
    assert "Nothing was looked for" in response.text


@pytest.mark.parametrize("before", ["x", "-1", "1.5", "²", "9" * 30, str(2**63)])
def test_a_page_that_begins_nowhere_is_not_found(before: str) -> None:
    for address in ("/audit/", "/audit/export/", "/audit/actions/"):
        assert Client().get(address, {"before": before}).status_code == 404


@pytest.mark.parametrize("rows", [0, 3, 100])
def test_a_page_of_the_audit_costs_the_same_queries_whatever_it_shows(
    rows: int, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    for _ in range(rows):
        event(details={"a": 1})
    with django_assert_num_queries(
        5 + bool(rows)
    ):  # is it paused, what is redacted, domains, events, how far they go, their behaviors
        Client().get("/audit/", {"size": "100"})
    with django_assert_num_queries(8 + bool(rows)):  # and where two times are; whether a text may be searched
        Client().get("/audit/", {"size": "100", "from": "2020-01-01T00:00", "to": "2030-01-01T00:00", "text": "a"})


@pytest.mark.parametrize(
    ("chosen", "index"),
    [
        (EventFilter(), "audit_pkey"),
        (EventFilter(types=("COMPLETED",)), "audit_pkey"),
        (EventFilter(command_id=ID), "ix_audit_command_id"),
        (EventFilter(operator="ada"), "ix_audit_operator"),
        (EventFilter(operation=3), "ix_audit_operation"),
        (EventFilter(types=OPERATOR_EVENTS), "ix_audit_action"),
        (EventFilter(types=(EventType.MESSAGE_REJECTED,)), "ix_audit_rare"),
    ],
    ids=lambda value: value if isinstance(value, str) else value.walk,
)
def test_each_filter_is_answered_by_its_index(chosen: EventFilter, index: str) -> None:
    ask(
        """
        INSERT INTO commandbus.audit (domain, command_id, event_type, details_json)
        SELECT 'test', CASE WHEN n %% 50 = 0 THEN '00000000-0000-0000-0000-000000000000' ELSE gen_random_uuid() END,
            CASE n %% 50 WHEN 0 THEN 'MESSAGE_REJECTED' WHEN 1 THEN 'OPERATOR_RETRY' ELSE 'SENT' END,
            CASE n %% 50 WHEN 1 THEN '{"operator": "ada", "operation": 3}'::JSONB END
        FROM generate_series(1, 10000) n
        """
    )
    ask("ANALYZE commandbus.audit")
    parameters = {**events.parameters_of(chosen), "from": 0, "before": LARGEST_NUMBER, "limit": 21}
    if chosen.command_id is not None:
        parameters["command_id"] = UUID(int=0)  # the one with most events
    with connection.cursor() as cursor:
        # What tests before rolled back is still in the indexes, and makes a sort of these few rows look cheap.
        cursor.execute("SET LOCAL enable_sort = off")
        cursor.execute("EXPLAIN (ANALYZE, TIMING OFF) " + events.statement("page", chosen), parameters)
        plan = "\n".join(line for (line,) in cursor.fetchall())
    assert re.search(rf"(using|on) {index} ", plan)
    assert "Seq Scan" not in plan


# -- one event -------------------------------------------------------------------------------------------------------


def test_an_event_has_a_page_of_its_own_with_all_its_details() -> None:
    number = event("OPERATOR_CANCEL", details={"operator": "ada", "reason": "<why>", "big": "x" * 5000})
    html = page(f"/audit/{number}/")
    read = text(html)
    assert f"Event {number}" in read
    assert "2026-05-04 12:00:00.000" in read
    assert "Operator ada Reason &lt;why&gt;" in read
    assert "x" * 5000 in html
    assert f'href="/commands/{ID}/"' in html
    assert "Only the beginning" in page()


def test_an_event_without_details_and_one_of_a_rejected_message_have_pages_too() -> None:
    assert "None." in page(f"/audit/{event()}/")
    html = page(f"/audit/{event('MESSAGE_REJECTED', UUID(int=0), details={'msg_id': 9, 'reason': 'no command_id'})}/")
    assert 'href="/rejected/"' in html
    assert f"/commands/{UUID(int=0)}/" not in html


@pytest.mark.parametrize("number", ["7", str(2**63 - 1), str(2**63), "9" * 30])
def test_an_event_that_is_not_there_is_not_found(number: str) -> None:
    response = Client().get(f"/audit/{number}/")
    assert response.status_code == 404
    assert f"No event has the number {number}." in response.text


# -- the export ------------------------------------------------------------------------------------------------------


def exported(form: str, **query: Any) -> str:
    response: Any = Client().get("/audit/export/", {"format": form, **query})
    assert response.status_code == 200
    assert response["Content-Disposition"] == f'attachment; filename="audit.{form}"'
    assert response.streaming
    return b"".join(response.streaming_content).decode()


def test_the_export_has_all_that_the_filter_meets_in_both_formats(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "CHUNK", 4)
    monkeypatch.setattr(events, "MOST", 5)
    ids = []
    for number in range(25):
        event("COMPLETED")
        ids.append(event("OPERATOR_CANCEL", details={"operator": "=ada", "n": number, "amount": 1.10}))
    lines = [json.loads(line) for line in exported("jsonl", event="OPERATOR_CANCEL").splitlines()]
    assert [line["audit_id"] for line in lines] == ids[::-1]
    assert lines[-1] == {
        "audit_id": ids[0], "at": NOON.isoformat(), "domain": "test", "event": "OPERATOR_CANCEL",
        "command_id": str(ID), "operator": "=ada", "details": {"operator": "=ada", "n": 0, "amount": 1.1},
    }  # fmt: skip
    table = list(csv.DictReader(exported("csv").splitlines()))
    assert len(table) == 50
    assert table[0]["operator"] == "'=ada"
    assert table[0]["details"].startswith('{"n": 24')
    assert '"amount": 1.1' in table[0]["details"]
    below = exported("jsonl", event="OPERATOR_CANCEL", before=ids[1]).splitlines()
    assert [json.loads(line)["audit_id"] for line in below] == [ids[0]]


def test_an_export_of_nothing_has_the_names_of_the_columns_alone() -> None:
    assert exported("csv").strip() == '"audit_id","at","domain","event","command_id","operator","details"'
    assert exported("jsonl") == ""


def test_a_format_that_there_is_not_is_told() -> None:
    response = Client().get("/audit/export/", {"format": "xlsx"})
    assert response.status_code == 400
    assert "format must be one of csv, jsonl." in response.text


# -- what operators did ----------------------------------------------------------------------------------------------


def rows(html: str) -> list[str]:
    return re.findall(r'<tr role="row" id="(\w+-\d+)"', html)


def test_without_actions_the_page_says_what_will_be_there() -> None:
    assert "No operator did anything yet" in page("/audit/actions/")


def test_single_actions_operations_and_settings_stand_together_newest_first() -> None:
    ada = User.objects.create(username="ada")
    changed = logged(ada, "Concurrency 4 → 8.", at=NOON - timedelta(minutes=3))
    logged(ada, "another model's", model=User)
    retried = event("OPERATOR_RETRY", at=NOON, details={"operator": "eve", "reason": "<again>"})
    many = operation("ada", reason="a new release", created_at=NOON + timedelta(minutes=1), done=7)
    for _ in range(7):
        event("OPERATOR_RETRY", at=NOON + timedelta(minutes=2), details={"operator": "ada", "operation": many})
    html = page("/audit/actions/")
    assert rows(html) == [f"operations-{many}", f"events-{retried}", f"log-{changed}"]
    read = text(html)
    assert f"Retry many ada operation {many} : 7 of 12 commands, waiting" in read
    assert "a new release" in read
    assert "Retried by operator eve command 00000000…000007 &lt;again&gt;" in read
    assert "Settings changed ada Concurrency 4 → 8." in read
    assert f'href="/audit/?operation={many}&amp;domain=test"' in html
    assert len(numbers(page(operation=str(many)))) == 7


def test_actions_are_filtered_by_operator_whoever_began_or_stopped_them() -> None:
    ada, eve = User.objects.create(username="ada"), User.objects.create(username="eve")
    his = [f"log-{logged(ada, 'a')}", f"events-{operated('ada')}", f"operations-{operation('ada')}"]
    stopped = operation("eve", state="canceled", stopped_by="ada", ended_at=NOON)
    logged(eve, "b")
    operated("eve")
    operation("eve")
    html = page("/audit/actions/", operator="ada")
    assert set(rows(html)) == {*his, f"operations-{stopped}"}
    assert "canceled by ada" in text(html)
    assert "No such action" in page("/audit/actions/", operator="nobody")


def test_actions_of_another_domain_stand_there() -> None:
    ask("INSERT INTO commandbus.domain (name) VALUES ('orders')")
    ours = [f"events-{operated('ada')}", f"operations-{operation()}"]
    theirs = [
        f"events-{event('OPERATOR_CANCEL', domain='orders', details={'operator': 'ada'})}",
        f"operations-{operation(domain='orders')}",
    ]
    assert set(rows(page("/audit/actions/"))) == set(ours)
    assert set(rows(page("/audit/actions/", domain="orders"))) == set(theirs)


def test_pages_of_actions_show_each_once_while_more_come() -> None:
    ada = User.objects.create(username="ada")
    made: list[str] = []
    for number in range(25):
        at = NOON + timedelta(seconds=number // 2)  # some at the same time
        made.append(f"events-{event('OPERATOR_RETRY', at=at, details={'operator': 'ada'})}")
        if number % 3 == 0:
            made.append(f"operations-{operation(created_at=at)}")
        if number % 4 == 0:
            made.append(f"log-{logged(ada, 'x', at=at)}")
    seen: list[str] = []
    address = "/audit/actions/"
    while address:
        html = page(address)
        seen += rows(html)
        assert len(rows(html)) <= 20
        address = f"/audit/actions/{more(html)}" if more(html) else ""
        operated("late")
        operation(created_at=NOON + timedelta(days=1))
    assert sorted(seen) == sorted(made)


def test_a_bounded_look_at_actions_goes_on_where_it_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "MOST_TEXTS", 5)
    monkeypatch.setattr(actions, "MOST", 5)
    old = operated("ada")
    older_operation = operation(created_at=NOON - timedelta(minutes=1))
    for _ in range(6):
        event("OPERATOR_RETRY", at=NOON + timedelta(minutes=1), details={"operator": "ada", "operation": 1})
    html = page("/audit/actions/")
    assert rows(html) == [], "an action that is newer than the operation may be among what nobody looked at"
    assert rows(page("/audit/actions/" + more(html))) == [f"events-{old}", f"operations-{older_operation}"]


@pytest.mark.parametrize(
    ("query", "said"),
    [({"operator": "x" * 151}, "operator must be a user name"), ({"domain": "mars"}, "domain must be one of test.")],
)
def test_a_filter_of_actions_that_cannot_be_meant_is_told(query: dict[str, str], said: str) -> None:
    response = Client().get("/audit/actions/", query)
    assert response.status_code == 400
    assert said in response.text


@pytest.mark.parametrize("before", ["1", "1.2", "1.2.3.4", "1..3", "a.b.c", f"1.2.{2**63}"])
def test_actions_that_begin_nowhere_are_not_found(before: str) -> None:
    assert Client().get("/audit/actions/", {"before": before}).status_code == 404


@pytest.mark.parametrize("many", [0, 30])
def test_a_page_of_actions_costs_the_same_queries(many: int, django_assert_num_queries: DjangoAssertNumQueries) -> None:
    for _ in range(many):
        operated("ada")
        operation()
    with django_assert_num_queries(5 + (many == 0)):  # paused, domains, events (how far), operations, log
        Client().get("/audit/actions/", {"operator": "ada"})


# -- who may ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("address", ["/audit/", "/audit/export/", "/audit/actions/"])
def test_whoever_may_read_reads_the_audit_and_nobody_writes_it(
    address: str, settings: Settings, client_of: Callable[..., Client]
) -> None:
    settings.PUBLIC_READ = False
    assert Client().get(address).status_code == 302
    reader = client_of("rita", staff=False)
    assert reader.get(address).status_code == 200
    assert reader.post(address).status_code == 405
