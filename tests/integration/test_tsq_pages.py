"""The troubleshooting queue as people see it: list, groups, and what operators do to one, some, a group or all."""

import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from html import unescape
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit
from uuid import UUID, uuid4

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from psycopg.types.json import Jsonb
from pytest_django.fixtures import DjangoAssertNumQueries, Settings

from commands.forms import operating
from commands.models import Operation
from commands.reads import parked
from tests.integration.test_another_domain import pages_read
from tests.support.bus import HandBus, outcome

pytestmark = pytest.mark.django_db(transaction=True)

Park = Callable[..., list[UUID]]
Log = Callable[..., Client]


@pytest.fixture(autouse=True)
def _open(settings: Settings) -> None:
    settings.PUBLIC_READ = True


@pytest.fixture
def ada(client_of: Log) -> Client:
    """An operator."""
    return client_of("ada", "operate_command", staff=False)


@pytest.fixture
def park(bus: HandBus) -> Park:
    """Parks so many commands, one after the other."""

    def parked(count: int = 1, *, code: str = "E", message: str = "went wrong", **behavior: Any) -> list[UUID]:
        ids = [bus.send({"type": "fail_permanent", **behavior}) for _ in range(count)]
        begun = bus.receive(1000)["commands"]
        bus.finish(*[outcome(i, begun[i], "permanent", error_code=code, error_msg=message) for i in ids])
        return ids

    return parked


def shown(html: str) -> list[UUID]:
    """The commands of a list, in its order."""
    return [UUID(found) for found in re.findall(r'<tr id="command-([^"]+)"', html)]


def text(html: str) -> str:
    """What a person reads of a page: its text, white space made one."""
    return unescape(re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", html)))


def link(html: str, mark: str) -> str:
    (found,) = re.findall(rf'<a[^>]*{mark}[^>]*href="([^"]+)"', html)
    return unescape(found)


def hidden(html: str, form: str = "") -> dict[str, Any]:
    """The names and values that a form carries unseen: the confirmation's, unless another ``form`` is named."""
    (body,) = re.findall(rf'<form[^>]*id="{form or "confirm-form"}".*?</form>', html, re.DOTALL)
    fields: dict[str, Any] = {}
    for name, value in re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)"', body):
        fields.setdefault(name, []).append(unescape(value))
    return {name: values for name, values in fields.items() if name != "csrfmiddlewaretoken"}


def confirm(client: Client, asked: dict[str, Any], **typed: Any) -> Any:
    """Ask, and confirm what the page then shows."""
    page = client.post("/tsq/act/", asked)
    assert page.status_code == 200, text(page.text)
    return client.post("/tsq/act/", {**hidden(page.text), **typed})


def said(client: Client) -> str:
    """The messages that wait for a person."""
    page = client.get("/tsq/groups/").text
    return text(
        " ".join(re.findall(r'<div role="status".*?</div>\s*<div class="alert mb-4" data-typed', page, re.DOTALL))
    )


def ids_text(*ids: UUID) -> list[str]:
    return [str(command_id) for command_id in ids]


# -- the list --------------------------------------------------------------------------------------------------------


def test_a_row_says_what_failed_how_often_and_since_when(bus: HandBus, park: Park) -> None:
    (command_id,) = park(code="NET<1>", message="no route\u202e")
    page = Client().get("/tsq/").text
    row = text(page[page.index(f"command-{command_id}") :])
    for part in ("fail_permanent", "NET<1>", "PERMANENT", "no route\\u202e", "1/3"):
        assert part in row
    first, last = bus.rows(
        "SELECT (SELECT min(ts) FROM commandbus.audit WHERE event_type = 'MOVED_TO_TSQ') AS ts"
        " UNION ALL SELECT parked_at FROM commandbus.parked"
    )
    assert page.count(f"{first['ts']:%H:%M:%S}") + page.count(f"{last['ts']:%H:%M:%S}") >= 2


def test_the_first_failure_is_that_of_the_first_attempt(bus: HandBus) -> None:
    command_id = bus.send({"type": "fail_transient"}, max_attempts=2)
    for _ in range(2):
        bus.expire_lease(command_id)
        bus.finish(outcome(command_id, bus.begin(command_id), "transient", delay_ms=1))
    bus.conn.execute("UPDATE commandbus.audit SET ts = ts - interval '1 day' WHERE event_type = 'FAILED'")
    failed = bus.value("SELECT ts FROM commandbus.audit WHERE event_type = 'FAILED'")
    assert f"{failed:%Y-%m-%d %H:%M:%S}" in text(Client().get("/tsq/").text)


def test_pages_follow_each_other_without_a_gap_also_where_times_are_equal_and_a_row_is_gone(
    bus: HandBus, park: Park
) -> None:
    park(45)
    bus.conn.execute("UPDATE commandbus.parked SET parked_at = date_trunc('day', parked_at)")
    order = [row["command_id"] for row in bus.rows("SELECT command_id FROM commandbus.parked ORDER BY command_id DESC")]
    first = Client().get("/tsq/").text
    assert shown(first) == order[:20]
    # The row at which the next page begins is retried meanwhile.
    bus.conn.execute("SELECT commandbus.operator_retry('test', %s, 'bob')", [order[19]])
    second = Client().get("/tsq/" + link(first, 'rel="next"')).text
    third = Client().get("/tsq/" + link(second, 'rel="next"')).text
    assert (shown(second), shown(third)) == (order[20:40], order[40:])
    assert 'rel="next"' not in third
    assert len(shown(Client().get("/tsq/?size=50").text)) == 44


def test_filters_alone_and_together(bus: HandBus, park: Park) -> None:
    net, disk, none = park(2, code="NET", message="No route to host"), park(2, code="DISK", message="100% full"), park()
    bus.conn.execute("UPDATE commandbus.parked SET behavior = 'timeout' WHERE command_id = %s", [disk[0]])
    bus.conn.execute(
        "UPDATE commandbus.parked SET error_code = '', error_type = 'TRANSIENT' WHERE command_id = %s", none
    )
    bus.conn.execute("UPDATE commandbus.parked SET parked_at = '2026-03-01 10:00+00' WHERE command_id = %s", [net[0]])
    for query, expected in {
        "code=NET": net,
        "code=(none)": none,
        "error_type=TRANSIENT": none,
        "behavior=timeout": disk[:1],
        "behavior=fail_permanent&code=DISK": disk[1:],
        "text=ROUTE": net,
        "text=0%25 f": disk,
        "text=%25&code=NET": [],
        "from=2026-03-01T10:00&to=2026-03-01T10:00:00": net[:1],
        "to=2026-03-01T09:59:59": [],
        "text=route&from=2026-04-01T00:00": net[1:],
    }.items():
        page = Client().get(f"/tsq/?{query}")
        assert (query, page.status_code, set(shown(page.text))) == (query, 200, set(expected))
        if not expected:
            assert "No parked command matches" in page.text


def test_a_search_in_messages_says_how_far_it_looked_and_goes_on(park: Park, monkeypatch: pytest.MonkeyPatch) -> None:
    (old,) = park(message="needle")
    park(8)
    monkeypatch.setattr(parked, "MOST_TEXTS", 5)
    first = Client().get("/tsq/?text=needle").text
    assert "None of these matches" in first
    assert "0 found among the newest 5, back to" in text(first)
    second = Client().get("/tsq/" + link(first, 'rel="next"')).text
    assert shown(second) == [old]
    assert 'rel="next"' not in second


WRONG_ADDRESSES = (
    ("from=yesterday", 400, "from must be a time such as 2026-05-01T14:30"),
    ("to=0001-01-01T00:00", 400, "to must be a time such as"),
    ("from=2026-05-02T00:00&to=2026-05-01T00:00", 400, "to must not be before from."),
    ("code=" + "x" * 101, 400, "code must be at most 100 characters."),
    ("text=" + "x" * 201, 400, "text must be at most 200 characters."),
    ("before=nowhere", 404, "This page begins nowhere."),
    ("before=2026-05-01T00:00:00%2B00:00~x", 404, "This page begins nowhere."),
    ("before=0001-01-01T00:00:00%2B23:00~00000000-0000-0000-0000-000000000000", 404, "This page begins nowhere."),
)


def test_a_wrong_address_is_told_what_is_wrong() -> None:
    for query, status, problem in WRONG_ADDRESSES:
        page = Client().get(f"/tsq/?{query}")
        assert (page.status_code, query, problem in text(page.text)) == (status, query, True)


def test_the_empty_list_says_why_it_is_empty(bus: HandBus, park: Park) -> None:
    assert "No command was ever sent" in Client().get("/tsq/").text
    assert "No command was ever sent" in Client().get("/tsq/groups/").text
    bus.send()
    for address in ("/tsq/", "/tsq/groups/"):
        assert "Nothing is in the troubleshooting queue" in Client().get(address).text
    park()
    page = text(Client().get("/tsq/?code=<X>").text)
    assert "No parked command matches" in page
    assert "Looked for: error code <X>, in the whole queue." in page


def test_a_page_costs_as_many_queries_as_it_has_parts(
    park: Park, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    park(30, code="NET")
    with django_assert_num_queries(4):  # is it paused, the clock, the rows, how many
        Client().get("/tsq/?code=NET")
    with django_assert_num_queries(4):  # is it paused, the clock, the rows, how far it looked
        Client().get("/tsq/?text=nothing")
    with django_assert_num_queries(3):  # is it paused, the clock, the groups
        Client().get("/tsq/groups/")


@pytest.mark.parametrize("analysed", [False, True])
def test_a_page_reads_little_however_many_are_parked(analysed: bool, bus: HandBus, ada: Client) -> None:
    bus.conn.execute(
        """
        WITH ids AS (SELECT gen_random_uuid() AS id, i FROM generate_series(1, 6000) i), parked AS (
            INSERT INTO commandbus.parked (domain, command_id, error_code, behavior, parked_at)
            SELECT 'test', id, 'E', 'b', clock_timestamp() - i * interval '1 s' FROM ids ORDER BY i DESC
        ), event AS (
            INSERT INTO commandbus.audit (domain, command_id, event_type) SELECT 'test', id, 'MOVED_TO_TSQ' FROM ids
        )
        INSERT INTO commandbus.command
            (domain, queue_name, command_id, command_type, status, max_attempts, last_error_msg)
        SELECT 'test', 'q', id, 't', 'IN_TROUBLESHOOTING_QUEUE', 3, 'm' FROM ids
        """
    )
    if analysed:
        bus.conn.execute("ANALYZE commandbus.parked, commandbus.command, commandbus.audit")
    first = ada.get("/tsq/").text
    deep = "/tsq/?before=" + quote(f"{datetime.now(UTC) - timedelta(seconds=3000)}~{UUID(int=0)}")
    assert len(shown(first)) == len(shown(ada.get(deep).text)) == 20
    for address in ("/tsq/", deep, "/tsq/?code=none", "/tsq/?text=m", "/tsq/groups/"):
        assert (address, pages_read(bus, ada, address) < 1000) == (address, True)
    # Where messages are searched, each command that is looked at is looked up: 4 pages each.
    assert pages_read(bus, ada, "/tsq/?text=nothing") < parked.MOST_TEXTS * 4 + 1000


# -- groups ----------------------------------------------------------------------------------------------------------


def test_groups_count_say_how_old_they_are_and_lead_to_their_commands(bus: HandBus, park: Park) -> None:
    net = park(3, code="N&T")
    (other,) = park(code="")
    bus.conn.execute("UPDATE commandbus.parked SET error_code = '', behavior = '' WHERE command_id = %s", [other])
    bus.conn.execute(
        "UPDATE commandbus.parked SET parked_at = parked_at - interval '2 days' WHERE command_id = %s", net[:1]
    )
    page = Client().get("/tsq/groups/").text
    assert 'aria-label="Age: 1 to 7 days: 1, within 1 minute: 2"' in page
    leads = [unescape(found) for found in re.findall(r'<a class="link" href="(/tsq/\?[^"]+)"', page)]
    assert [set(shown(Client().get(address).text)) for address in leads] == [set(net), {other}]
    assert [parse_qs(urlsplit(address).query) for address in leads] == [
        {"code": ["N&T"], "behavior": ["fail_permanent"]},
        {"code": ["(none)"], "behavior": ["(none)"]},
    ]


# -- one, and the selected -------------------------------------------------------------------------------------------


def test_one_is_sent_again_at_once_and_leads_back_to_its_page(bus: HandBus, park: Park, ada: Client) -> None:
    (command_id,) = park()
    page = ada.post("/tsq/act/", {"action": "retry", "ids": str(command_id)})
    assert bus.command(command_id)["status"] == "IN_TROUBLESHOOTING_QUEUE"  # nothing happens before it is confirmed
    assert "Retry 1 command?" in text(page.text)
    assert re.search(r'<textarea name="payload"[^>]*>\s*</textarea>', page.text)
    done = ada.post("/tsq/act/", {**hidden(page.text), "reason": "fixed"})
    assert (done.status_code, done["Location"]) == (302, f"/commands/{command_id}/")
    details = bus.events(command_id)[-1]["details_json"]
    assert (details["operator"], details["reason"]) == ("ada", "fixed")
    assert bus.command(command_id)["status"] == "PENDING"
    assert "1 command was sent again." in said(ada)


def test_the_selected_are_retried_as_success_with_another_payload_and_more_attempts(
    bus: HandBus, park: Park, ada: Client
) -> None:
    ids, rest = park(2), park()
    asked = {"action": "retry", "ids": ids_text(*ids), "back": "/tsq/?code=E"}
    typed = {"type": "success", "execution_time_ms": "5", "payload": '{"n": 1.10}', "max_attempts": "7"}
    assert confirm(ada, asked, **typed)["Location"] == "/tsq/?code=E"
    for command_id in ids:
        row = bus.test_command(command_id)
        assert (row["behavior"], bus.command(command_id)["max_attempts"]) == (
            {"type": "success", "execution_time_ms": 5}, 7,
        )  # fmt: skip
    assert bus.value("SELECT payload::text FROM test_command WHERE command_id = %s", ids[:1]) == '{"n": 1.10}'
    assert bus.command(rest[0])["status"] == "IN_TROUBLESHOOTING_QUEUE"


def test_a_cancel_needs_a_reason_which_the_sender_hears(bus: HandBus, park: Park, ada: Client) -> None:
    ids = park(2)
    asked = {"action": "cancel", "ids": ids_text(*ids)}
    refused = confirm(ada, asked, reason="  ")
    assert (refused.status_code, bus.replies()) == (400, [])
    assert "A reason is needed" in refused.text
    again = ada.post("/tsq/act/", {**hidden(refused.text), "reason": "not wanted"})
    assert again["Location"] == "/tsq/"
    assert [(reply["outcome"], reply["reason"]) for reply in bus.replies()] == [("CANCELED", "not wanted")] * 2


@pytest.mark.parametrize(("typed", "result"), [('{"by": "hand"}', {"by": "hand"}), ("", None), ("[1]", [1])])
def test_a_completion_stores_its_result_and_replies_it(
    typed: str, result: Any, bus: HandBus, park: Park, ada: Client
) -> None:
    (command_id,) = park()
    confirm(ada, {"action": "complete", "ids": str(command_id)}, result=typed, reason="by hand")
    assert bus.command(command_id)["status"] == "COMPLETED"
    assert bus.test_command(command_id)["result"] == result
    assert [(reply["outcome"], reply["result"]) for reply in bus.replies()] == [("SUCCESS", result)]


WRONG: tuple[tuple[str, dict[str, str], str], ...] = (
    ("retry", {"type": "sucess"}, "type must be empty or one of success,"),
    ("retry", {"type": "success", "error_code": "X"}, "does not apply to success"),
    ("retry", {"execution_time_ms": "5"}, "execution_time_ms is for another behavior"),
    ("retry", {"payload": "[1]"}, "payload must be a JSON object, not a list."),
    ("retry", {"payload": "{"}, "Not valid JSON"),
    ("retry", {"max_attempts": "101"}, "max_attempts must be a whole number from 1 to 100."),
    ("retry", {"rate": "0"}, "rate must be a whole number from 1 to 100,000."),
    ("retry", {"canary": "100"}, "canary must be a whole number from 0 to 99."),
    ("retry", {"reason": "x" * 1001}, "At most 1,000 characters."),
    ("retry", {"reason": "a\0b"}, "Null characters are not allowed."),
    ("retry", {"key": "x"}, "This page was not complete."),
    ("retry", {"seen": "0"}, "They are more by now: 1."),
    ("cancel", {"reason": " "}, "A reason is needed"),
    ("complete", {"result": "nope"}, "Not valid JSON"),
    ("complete", {"result": '"\\ud800"'}, "result must not hold NUL characters"),
)


def test_what_is_wrong_is_said_and_nothing_is_changed(bus: HandBus, park: Park, ada: Client) -> None:
    (command_id,) = park()
    for action, typed, problem in WRONG:
        refused = confirm(ada, {"action": action, "ids": str(command_id)}, **typed)
        assert (refused.status_code, problem, problem in text(refused.text)) == (400, problem, True)
    assert bus.word(command_id) == "SRT"


IMPOSSIBLE = (
    ({"action": "retry"}, "No command is selected"),
    ({"action": "retry", "scope": "selected"}, "No command is selected"),
    ({"action": "retry", "scope": "matching"}, "The filter is empty: choose all explicitly"),
    ({"action": "retry", "scope": "matching", "text": " "}, "The filter is empty"),
    ({"action": "retry", "scope": "matching", "from": "x"}, "from must be a time"),
    ({"action": "destroy", "ids": str(uuid4())}, "action must be one of retry, cancel, complete"),
    ({"action": "retry", "ids": "1"}, "ids must be command ids, not “1”."),
    ({"action": "retry", "ids": str(uuid4()), "until": "soon"}, "until must be a time such as"),
)


def test_what_cannot_be_done_is_told_on_the_list(bus: HandBus, park: Park, ada: Client) -> None:
    (command_id,) = park()
    for asked, problem in IMPOSSIBLE:
        refused = ada.post("/tsq/act/", asked)
        assert (refused.status_code, problem, problem in text(refused.text)) == (400, problem, True)
        assert "Troubleshooting queue" in refused.text
    assert bus.word(command_id) == "SRT"


def test_another_site_is_no_way_back(park: Park, ada: Client) -> None:
    (command_id,) = park()
    done = confirm(ada, {"action": "retry", "ids": str(command_id), "back": "//elsewhere.example/"})
    assert done["Location"] == f"/commands/{command_id}/"


# -- many ------------------------------------------------------------------------------------------------------------


def test_a_group_is_an_operation_of_that_group_alone(bus: HandBus, park: Park, ada: Client) -> None:
    net, disk = park(3, code="NET"), park(code="DISK")
    page = ada.get("/tsq/groups/").text
    (form,) = re.findall(r"<form(?:(?!</form>).)*?value=\"NET\".*?</form>", page, re.DOTALL)
    fields = {name: unescape(value) for name, value in re.findall(r'name="([^"]+)" value="([^"]*)"', form)}
    done = confirm(ada, {**fields, "action": "retry"}, type="success", canary="10", rate="50", reason="fixed")
    operation = Operation.objects.get()
    assert done["Location"] == f"/operations/{operation.operation_id}/"
    assert (operation.kind, operation.operator, operation.reason, operation.wanted) == ("retry", "ada", "fixed", 3)
    assert (operation.rate, operation.canary, operation.spec["behavior"]) == (50, 10, {"type": "success"})
    bus.conn.execute("UPDATE e2e_operation SET canary = NULL, rate = NULL")
    bus.value("SELECT commandbus.work_operation()")
    assert [bus.word(i) for i in [*net, *disk]] == ["SRTO"] * 3 + ["SRT"]


def test_all_of_the_list_has_to_be_said_and_leaves_what_is_parked_later(bus: HandBus, park: Park, ada: Client) -> None:
    seen = park(2)
    page = ada.get("/tsq/").text
    fields = hidden(page, "act")
    assert fields["all"] == ["yes"]
    later = park()
    asked = ada.post("/tsq/act/", {**fields, "scope": "matching", "action": "cancel"})
    assert "the whole troubleshooting queue" in text(asked.text)
    assert "Cancel 2 commands?" in text(asked.text)
    ada.post("/tsq/act/", {**hidden(asked.text), "reason": "gone"})
    bus.value("SELECT commandbus.work_operation()")
    assert [bus.word(i) for i in [*seen, *later]] == ["SRTX", "SRTX", "SRT"]


def test_of_a_filtered_list_only_what_matches_is_meant(bus: HandBus, park: Park, ada: Client) -> None:
    park(2, message="full disk")
    park()
    fields = hidden(ada.get("/tsq/?text=DISK&code=E").text, "act")
    assert "all" not in fields
    page = ada.post("/tsq/act/", {**fields, "scope": "matching", "action": "complete"})
    assert "error code E, message contains “DISK”" in text(page.text)
    ada.post("/tsq/act/", {**hidden(page.text), "result": "{}"})
    assert Operation.objects.get().wanted == 2


def test_over_the_bound_the_number_has_to_be_typed(park: Park, ada: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    park(3)
    monkeypatch.setattr(operating, "TYPED_FROM", 2)
    asked = {"action": "retry", "scope": "matching", "code": "E"}
    for typed in ({}, {"typed": "2"}, {"typed": "x"}):
        refused = confirm(ada, asked, **typed)
        assert (refused.status_code, "The number of commands is 3: type it" in refused.text) == (400, True)
    assert confirm(ada, asked, typed="3").status_code == 302


def test_many_selected_or_a_rate_make_an_operation_of_these(bus: HandBus, park: Park, ada: Client) -> None:
    ids = park(101)
    confirm(ada, {"action": "cancel", "ids": ids_text(*ids[:2])}, reason="slowly", rate="10")
    confirm(ada, {"action": "cancel", "ids": ids_text(*ids)}, reason="many")
    assert [operation.wanted for operation in Operation.objects.order_by("operation_id")] == [2, 101]
    while bus.value("SELECT commandbus.work_operation()")["operation"]:
        pass
    assert {bus.command(i)["status"] for i in ids} == {"CANCELED"}


def test_an_operation_on_the_selected_leaves_what_was_parked_again(bus: HandBus, park: Park, ada: Client) -> None:
    again, rest = park(2)
    confirm(ada, {"action": "cancel", "ids": ids_text(again, rest)}, reason="slowly", rate="1000")
    bus.conn.execute("SELECT commandbus.operator_retry('test', %s, 'bob')", [again])
    bus.finish(outcome(again, bus.begin(again), "permanent"))
    bus.value("SELECT commandbus.work_operation()")
    operation = Operation.objects.get()
    assert (operation.done, operation.skipped, operation.state) == (1, 1, "done")
    assert (bus.word(again), bus.word(rest)) == ("SRTORT", "SRTX")


# -- others at the same time -----------------------------------------------------------------------------------------


def test_the_second_operator_is_told_who_was_first_and_when(
    bus: HandBus, park: Park, ada: Client, client_of: Log
) -> None:
    first, second = park(2)
    bob = client_of("bob", "operate_command")
    page = bob.post("/tsq/act/", {"action": "retry", "ids": ids_text(first, second)})
    confirm(ada, {"action": "cancel", "ids": str(first)}, reason="no")
    done = bob.post("/tsq/act/", hidden(page.text))
    assert done.status_code == 302
    at = bus.events(first)[-1]["ts"]
    told = said(bob)
    assert "1 command was sent again." in told
    assert f"{first} was canceled by ada at {at:%H:%M:%S} UTC, and is Canceled now." in told
    assert (bus.word(first), bus.word(second)) == ("SRTX", "SRTO")
    # And who comes when all is done is told it before there is anything to confirm.
    late = bob.post("/tsq/act/", {"action": "retry", "ids": str(first)})
    assert (late.status_code, "was canceled by ada at" in late.text) == (409, True)


def test_what_was_parked_again_meanwhile_is_left_alone(bus: HandBus, park: Park, ada: Client) -> None:
    (command_id,) = park()
    page = ada.post("/tsq/act/", {"action": "cancel", "ids": str(command_id)})
    bus.conn.execute("SELECT commandbus.operator_retry('test', %s, 'bob')", [command_id])
    bus.finish(outcome(command_id, bus.begin(command_id), "permanent", error_code="NEW"))
    again = ada.post("/tsq/act/", {**hidden(page.text), "seen": "1", "reason": "no"})
    assert again.status_code == 302
    assert "was parked again at" in said(ada)
    assert bus.word(command_id) == "SRTORT"


def test_one_whose_message_is_lost_is_told_and_can_still_be_canceled(bus: HandBus, park: Park, ada: Client) -> None:
    (command_id,) = park()
    bus.conn.execute("DELETE FROM pgmq.a_test__commands")
    confirm(ada, {"action": "retry", "ids": str(command_id)})
    assert "has no message in the archive any more: it cannot be sent again" in said(ada)
    confirm(ada, {"action": "cancel", "ids": str(command_id)}, reason="lost")
    assert bus.word(command_id) == "SRTX"


def test_one_that_another_transaction_holds_is_left_without_waiting(bus: HandBus, park: Park, ada: Client) -> None:
    (command_id,) = park()
    with bus.connect() as other:
        other.execute("SELECT FROM commandbus.command WHERE command_id = %s FOR UPDATE", [command_id])
        confirm(ada, {"action": "retry", "ids": str(command_id)})
    assert "is being changed by another right now" in said(ada)
    assert bus.word(command_id) == "SRT"


def _at_once(client: Client, sent: dict[str, Any], times: int = 4) -> list[str]:
    """Where the same form leads to when it is sent several times at once."""

    def post(_: int) -> str:
        other = Client()
        other.cookies = client.cookies
        try:
            return str(other.post("/tsq/act/", sent).get("Location", ""))
        finally:
            connection.close()

    with ThreadPoolExecutor(times) as pool:
        return list(pool.map(post, range(times)))


def test_a_confirmation_that_is_sent_several_times_acts_once(bus: HandBus, park: Park, ada: Client) -> None:
    ids = park(5)
    page = ada.post("/tsq/act/", {"action": "retry", "ids": ids_text(*ids)})
    assert _at_once(ada, hidden(page.text)) == ["/tsq/"] * 4
    assert {bus.word(i) for i in ids} == {"SRTO"}
    assert len(bus.queued()) == 5


def test_an_operation_is_asked_for_once_also_when_it_is_done_before_the_form_comes_again(
    bus: HandBus, park: Park, ada: Client
) -> None:
    park(3)
    page = ada.post("/tsq/act/", {"action": "retry", "scope": "matching", "code": "E"})
    (address,) = set(_at_once(ada, hidden(page.text)))
    bus.value("SELECT commandbus.work_operation()")
    assert Operation.objects.get().done == 3
    assert ada.post("/tsq/act/", hidden(page.text))["Location"] == address
    assert Operation.objects.count() == 1


# -- who may ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("who", ["anonymous", "user"])
def test_who_may_not_operate_sees_the_lists_without_buttons_and_why(
    who: str, bus: HandBus, park: Park, client_of: Log
) -> None:
    (command_id,) = park()
    # Other rights than the one to operate help nobody.
    client = Client() if who == "anonymous" else client_of("eve", "add_testcommand", "view_command")
    for address in ("/tsq/", "/tsq/groups/"):
        page = client.get(address).text
        assert "commands.operate_command" in text(page)
        assert "<button" not in page[page.index("no-rights") : page.index("</main>")]
    answer = client.post("/tsq/act/", {"action": "cancel", "ids": str(command_id), "confirm": "yes", "reason": "x"})
    assert answer.status_code == (302 if who == "anonymous" else 403)
    if who == "anonymous":
        assert answer["Location"] == "/login/?next=/tsq/act/"
    else:
        assert "You need the permission commands.operate_command to retry, cancel or complete" in text(answer.text)
    assert bus.word(command_id) == "SRT"


def test_a_form_without_its_token_does_nothing(bus: HandBus, park: Park) -> None:
    (command_id,) = park()
    client = Client(enforce_csrf_checks=True)
    client.force_login(User.objects.create(username="root", is_superuser=True))
    assert client.post("/tsq/act/", {"action": "cancel", "ids": str(command_id)}).status_code == 403
    assert bus.word(command_id) == "SRT"


def test_a_login_on_the_way_leads_to_the_list(ada: Client) -> None:
    assert ada.get("/tsq/act/")["Location"] == "/tsq/"


def test_another_domain_has_lists_and_actions_of_its_own(bus: HandBus, orders: str, park: Park, ada: Client) -> None:
    (ours,) = park()
    command: list[Any] = [["0193a5b0-7c1e-7abc-8def-0123456789ab", None, {}]]
    bus.conn.execute("SELECT commandbus.send_commands('orders', 'Ship', %s, 3, '')", [Jsonb(command)])
    (begun,) = bus.value("SELECT commandbus.receive_commands('orders', 9, 30)")["commands"]
    ended = [{"command_id": begun[1], "msg_id": begun[0], "attempt": begun[7], "kind": "permanent", "error_code": "X"}]
    bus.conn.execute("SELECT commandbus.finish_commands('orders', %s)", [Jsonb(ended)])
    theirs = UUID(begun[1])
    assert shown(Client().get("/tsq/").text) == [ours]
    assert shown(ada.get("/tsq/?domain=orders").text) == [theirs]
    assert "code=X" in ada.get("/tsq/groups/?domain=orders").text
    # From the page of the command, which names its domain.
    fields = hidden(ada.get(f"/commands/{theirs}/").text, "act-cancel")
    assert confirm(ada, fields, reason="no")["Location"] == f"/commands/{theirs}/"
    assert (bus.word(theirs), bus.word(ours)) == ("SRTX", "SRT")
    assert shown(ada.get("/tsq/?domain=orders").text) == []
    nowhere = ada.get("/tsq/?domain=nowhere")
    assert (nowhere.status_code, "There is no domain 'nowhere': test or orders." in text(nowhere.text)) == (404, True)


def test_texts_of_strangers_are_harmless_in_the_lists(bus: HandBus, park: Park, ada: Client) -> None:
    (command_id,) = park(code="<script>alert(1)</script>", message='"><img src=x onerror=alert(1)>')
    bus.conn.execute("UPDATE commandbus.parked SET behavior = '<b>bold</b>'")
    for address in ("/tsq/", "/tsq/groups/", "/tsq/?behavior=<b>bold</b>"):
        page = ada.get(address).text
        assert not re.search(r"<script>alert|<img src=x|<b>bold", page)
    assert shown(ada.get("/tsq/?behavior=<b>bold</b>").text) == [command_id]
