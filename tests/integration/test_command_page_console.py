"""The page of one command: what had to become of it, its story, its message, what can be done, and what to copy."""

import html
import re
from collections.abc import Callable
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from pytest_django.fixtures import Settings

from commands.bus.operators import Action, act
from commands.models import Command, TestCommand
from commands.rules.behaviors import Behavior, BehaviorType
from commands.rules.payload import parse_json
from commands.rules.words import OperationKind
from tests.integration.test_pages import ask, begin, finish, send, text, worker

pytestmark = pytest.mark.django_db

ODD_PAYLOAD = (
    '{"n": 0.1234567890123456789, "big": 12345678901234567890,'
    ' "text": "it\'s 100 % \\\\ \\"q\\"\\n \u202e \U000e0041 :x é"}'
)


@pytest.fixture(autouse=True)
def _open(settings: Settings) -> None:
    settings.PUBLIC_READ = True


def page(sent: UUID, client: Client | None = None) -> str:
    return (client or Client()).get(f"/commands/{sent}/").text


def part(page: str, key: str) -> str:
    """What a person reads of the element with that id."""
    found = re.search(rf'<(\w+)[^>]* id="{key}".*?</\1>', page, re.DOTALL)
    assert found is not None, key
    return text(found[0]).strip()


def verdict(page: str) -> str:
    return f"{part(page, 'agreement')}: {part(page, 'agreement-reason')}"


def retry(sent: UUID, **more: Any) -> None:
    acted = act(Action(kind=OperationKind.RETRY, operator="eve", reason="the disk is back", **more), [sent])
    assert acted.done == [sent]


# -- what had to happen ----------------------------------------------------------------------------------------------


def test_what_became_of_it_stands_beside_what_had_to() -> None:
    sent = send(type="fail_transient_then_succeed")
    shown = page(sent)
    assert part(shown, "expected-statuses") == "Completed with 2 attempts"
    assert "Fails once, then completes at attempt 2, after about 1 s." in text(shown)
    assert verdict(shown) == "Not yet: It waits for its first attempt."
    finish(begin()[sent], "transient", delay_ms=0)
    assert verdict(page(sent)) == "Not yet: It is on its way."
    ask("UPDATE commandbus.audit SET ts = ts - interval '1 s'")  # as long as its backoff
    finish(begin()[sent])
    assert verdict(page(sent)) == "Match: It ended as it had to."


def test_what_did_not_have_to_happen_is_said() -> None:
    sent = send()
    finish(begin()[sent], "permanent")
    assert verdict(page(sent)) == "Mismatch: It is In TSQ and had to be Completed."


def test_what_an_expectation_does_not_cover_is_said() -> None:
    slow, parked, odd = send(execution_time_ms=20_000), send(type="fail_permanent"), send()
    finish(begin()[parked], "permanent")
    retry(parked)
    assert verdict(page(parked)) == "Unknown: eve retried it: what an operator does is not to be foreseen."
    ask("UPDATE public.e2e_config SET visibility_timeout = 31, updated_by = 'ada'")
    assert verdict(page(slow)).startswith("Unknown: The settings were changed by ada since it was sent")
    assert verdict(page(odd)).startswith("Not yet")  # no setting changes what becomes of a moment's work
    ask('UPDATE public.test_command SET behavior = \'{"type": "other"}\' WHERE command_id = %s', odd)
    assert verdict(page(odd)).startswith("Unknown: Its behavior is none that the site knows: type must be one of")
    ask("UPDATE commandbus.command SET max_attempts = 2000000000 WHERE command_id = %s", slow)
    assert "It may have 2,000,000,000 attempts, and the settings allow 1 to 100." in verdict(page(slow))
    TestCommand.objects.all().delete()
    assert verdict(page(slow)) == "Unknown: Nothing says what it has to do: it has no test_command row."


def test_a_worker_that_died_allows_what_its_attempt_made_necessary() -> None:
    worker("gone", silence=60)
    sent = send()
    ask("SELECT commandbus.receive_commands('test', 1, 0, p_worker => worker_id) FROM public.e2e_worker")
    assert verdict(page(sent)) == ("Not yet: The worker of attempt 1 died, or gives no sign of life. It is on its way.")
    finish(begin()[sent])
    ask("UPDATE commandbus.audit SET ts = ts - interval '5 min'")
    ask("UPDATE commandbus.command SET updated_at = updated_at - interval '5 min'")
    shown = page(sent)
    assert verdict(shown) == (
        "Allowed: The worker of attempt 1 died, or gives no sign of life. With that, it ended as it may."
    )
    assert part(shown, "expected-statuses") == "Completed with 1 or 2 attempts"


def test_a_worker_with_settings_of_its_own_is_not_judged_by_those_of_all() -> None:
    worker("alpha")
    sent = send(execution_time_ms=20_000)
    ask("SELECT commandbus.receive_commands('test', 1, 30, p_worker => worker_id) FROM public.e2e_worker")
    for overrides, judged in (('{"concurrency": 9}', True), ('{"visibility_timeout": 9}', False)):
        ask("UPDATE public.e2e_worker SET overrides = %s", overrides)
        assert verdict(page(sent)).startswith("Not yet" if judged else "Unknown: A worker ran with settings of its own")


# -- its story -------------------------------------------------------------------------------------------------------


def test_the_story_says_how_much_time_lay_between_and_what_was_done_twice() -> None:
    sent = send(type="timeout", execution_time_ms=5000)
    ask("UPDATE commandbus.audit SET ts = ts - interval '90 s'")
    first = begin(lease=0)[sent]
    second = begin(lease=0)[sent]
    finish(first)
    finish(second)
    shown = page(sent)
    assert "+ 1 min 3" in part(shown, f"attempt-{first['msg_id']}-1")
    twice = part(shown, f"attempt-{first['msg_id']}-2")
    assert "Begun while attempt 1 was still at work" in twice
    assert "Its success did not count: the command had ended before." in twice
    assert re.search(r"Waited 1 min 3\d s for a worker", part(shown, "bars"))


def test_errors_are_told_in_full_with_what_the_handler_added() -> None:
    sent = send(type="fail_permanent")
    message = "no way " * 500
    finish(begin()[sent], "permanent", error_msg=message, error_details={"n": 12345678901234567890})
    shown = page(sent)
    assert message.strip() in text(shown)
    assert "Details of the error { &quot;n&quot;: 12345678901234567890 }" in text(shown)


def test_what_an_operator_changed_is_told_with_who_and_why_and_as_it_was() -> None:
    sent = send(type="fail_permanent", payload={"n": 1})
    finish(begin()[sent], "permanent")
    retry(sent, behavior=Behavior(type=BehaviorType.SUCCESS), payload=parse_json('{"n": 1.10}'), max_attempts=7)
    event = ask("SELECT max(audit_id) FROM commandbus.audit")
    told = re.search(rf'<li [^>]*id="event-{event}">.*?</li>', page(sent), re.DOTALL)
    assert told is not None
    assert "Retried by operator" in text(told[0])
    assert "at least 7 attempts from then on, by eve, the disk is back" in text(told[0])
    assert (
        "Behavior before { &quot;type&quot;: &quot;fail_permanent&quot; } "
        "Behavior from then on { &quot;type&quot;: &quot;success&quot; } "
        "Payload before { &quot;n&quot;: 1 } Payload from then on { &quot;n&quot;: 1.10 }"
    ) in text(told[0])
    assert "Attempts 0 of 7" in text(page(sent))


def test_what_was_part_of_an_operation_leads_there() -> None:
    sent = send(type="fail_permanent")
    finish(begin()[sent], "permanent")
    ask("SELECT commandbus.retry_commands('test', ARRAY[%s]::UUID[], 'eve', p_operation => 17)", sent)
    assert 'href="/operations/17/"' in page(sent)
    for odd in ('"17"', "-1", "null", '"<b>"'):
        ask("UPDATE commandbus.audit SET details_json = details_json || %s", f'{{"operation": {odd}}}')
        assert not re.search(r'"/operations/[^"]', page(sent))


def test_a_story_of_a_thousand_events_costs_no_more_and_says_where_the_rest_is(
    client_of: Callable[..., Client],
) -> None:
    worker("alpha")
    sent = send(type="fail_permanent")
    ask(
        "INSERT INTO commandbus.audit (domain, command_id, event_type, details_json)"
        " SELECT 'test', %s, kind, jsonb_build_object('msg_id', n, 'attempt', 1, 'error_msg', repeat('m', 8000),"
        "   'payload', jsonb_build_object('p', repeat('p', 60000)), 'worker', w.worker_id)"
        " FROM public.e2e_worker w, generate_series(1, 400) n,"
        "   unnest(ARRAY['RECEIVED', 'MOVED_TO_TSQ', 'OPERATOR_RETRY']) WITH ORDINALITY k (kind, place)"
        " ORDER BY n, place",
        sent,
    )
    ask("UPDATE commandbus.command SET status = 'IN_TROUBLESHOOTING_QUEUE'")
    eve = client_of("eve", "operate_command", staff=False)
    with CaptureQueriesContext(connection) as captured:
        shown = page(sent, eve)
    assert len(captured) <= 12
    assert len(shown) < 600_000
    assert shown.count("Attempt 1: moved to TSQ") == 25  # and as many retries
    assert "more before that: the audit has all of them" in part(shown, "untold")
    assert "Only its first 4000 characters are shown: the event has all of it" in text(shown)


# -- its message, its links ------------------------------------------------------------------------------------------


def test_it_says_where_its_message_is() -> None:
    waits, runs, retried, parked, done, later, canceled = (send() for _ in range(7))
    assert act(Action(kind=OperationKind.CANCEL, operator="eve"), [canceled], waiting=True).done == [canceled]
    assert "in the queue until a worker meets it" in part(page(canceled), "message")
    ask("UPDATE pgmq.q_test__commands SET vt = vt + interval '1 hour' WHERE message ->> 'command_id' = %s", str(later))
    ask("UPDATE pgmq.q_test__commands SET vt = vt + interval '1 day' WHERE message ->> 'command_id' = %s", str(waits))
    attempts = begin()
    finish(attempts[retried], "transient", delay_ms=90_000)
    finish(attempts[parked], "permanent")
    finish(attempts[done])
    ask("UPDATE pgmq.q_test__commands SET vt = vt - interval '1 day' WHERE message ->> 'command_id' = %s", str(waits))

    def said(sent: UUID) -> str:
        return re.sub(r"^\d+, ", "", part(page(sent), "message"))

    assert said(waits) == "visible: the next free slot takes it"
    assert re.fullmatch(r"leased: visible again in 2\d s", said(runs))
    assert said(retried) == "delayed: visible in 1 min"
    assert said(later) == "delayed: visible in 59 min"
    assert re.fullmatch(r"archived (now|\d+ s ago)", said(parked))
    assert said(done) == "gone: it was performed"
    assert said(canceled).startswith("archived ")
    assert part(page(runs), "read-count") == "1"


def test_it_leads_to_the_commands_of_its_correlation_id_and_to_its_events() -> None:
    sent = send()
    ask("UPDATE commandbus.command SET correlation_id = NULL")
    assert 'href="/commands/?correlation=' not in page(sent)
    correlation = uuid4()
    ask("UPDATE commandbus.command SET correlation_id = %s", correlation)
    assert f'href="/commands/?correlation={correlation}"' in page(sent)
    assert f'href="/audit/?id={sent}&amp;domain=test"' in page(sent)


def test_a_reply_that_was_taken_is_shown_as_taken() -> None:
    sent = send()
    finish(begin()[sent], result={"answer": 42})
    ask("SELECT pgmq.archive('test__replies', msg_id) FROM pgmq.q_test__replies")
    assert "&quot;answer&quot;: 42" in text(page(sent))
    assert "; taken " in text(page(sent))


@pytest.mark.parametrize("name", ["behavior", "payload", "result"])
def test_what_is_stored_can_be_had_raw_and_whole(name: str) -> None:
    sent = send()
    stored = '{"a": "' + "x" * 300_000 + '", "n": 1.10}'
    ask(f"UPDATE public.test_command SET {name} = %s::jsonb", stored)
    address = f"/commands/{sent}/raw/{name}/"
    assert f'href="{address}"' in page(sent)
    answer = Client().get(address)
    assert answer["Content-Type"].startswith("application/json")
    assert answer.text == stored


def test_what_is_not_there_or_too_long_cannot_be_had_raw(monkeypatch: pytest.MonkeyPatch) -> None:
    sent = send(payload={"text": "x" * 100})
    for address, why in (
        (f"/commands/{sent}/raw/result/", "has no result"),
        (f"/commands/{uuid4()}/raw/payload/", "has no payload"),
        (f"/commands/{sent}/raw/secrets/", "404"),
    ):
        answer = Client().get(address)
        assert answer.status_code == 404
        assert why in answer.text
    monkeypatch.setattr("commands.reads.queries.RAW_SHOWN", 100)
    answer = Client().get(f"/commands/{sent}/raw/payload/")
    assert answer.status_code == 404
    assert "This payload has more than 100 characters: read it in SQL." in answer.text


# -- what can be done ------------------------------------------------------------------------------------------------


def forms(page: str) -> list[tuple[str, str, bool]]:
    """The action and the address of each form that acts on the command, and whether its button can be pressed."""
    found = re.findall(r'<form method="(?:post|get)" action="([^"]*)"[^>]*id="act-(\w+)">(.*?)</form>', page, re.DOTALL)
    return [(action, address, "disabled" not in inside) for address, action, inside in found]


def test_an_operator_is_offered_what_the_status_allows(client_of: Callable[..., Client]) -> None:
    eve = client_of("eve", "operate_command", staff=False)
    sent = send(type="fail_permanent")
    assert forms(page(sent, eve)) == [("cancel", f"/queue/{sent}/cancel/", True)]
    assert f'name="ids" value="{sent}"' not in page(sent, eve)  # a page that asks for a reason
    attempt = begin()[sent]
    assert forms(page(sent, eve)) == []
    assert (
        part(page(sent, eve), "actions-why") == "Nothing while a worker has it: a running attempt is never disturbed."
    )
    finish(attempt, "permanent")
    shown = page(sent, eve)
    assert forms(shown) == [(action, "/tsq/act/", True) for action in ("retry", "cancel", "complete")]
    assert (
        shown.count(f'name="ids" value="{sent}"') == shown.count("csrfmiddlewaretoken") - 2 == 3
    )  # and to log out, and times
    assert re.findall(r'name="action" value="(\w+)"', shown) == ["retry", "cancel", "complete"]
    ask("SELECT commandbus.operator_cancel('test', %s, 'why', 'ada')", sent)
    assert forms(page(sent, eve)) == []
    assert "Nothing: it is at its end." in part(page(sent, eve), "actions-why")


def test_who_may_not_act_reads_why(client_of: Callable[..., Client]) -> None:
    sent = send(type="fail_permanent")
    finish(begin()[sent], "permanent")
    shown = page(sent, client_of("mallory", staff=False))
    assert [can for *_, can in forms(shown)] == [False] * 3
    assert part(shown, "actions-why") == "You need the permission commands.operate_command to act on commands."
    shown = page(sent)
    assert [can for *_, can in forms(shown)] == [False] * 3
    assert part(shown, "actions-why") == "Log in to act on commands."
    assert f'href="/login/?next=%2Fcommands%2F{sent}%2F"' in shown


# -- what can be copied ----------------------------------------------------------------------------------------------


def copied(sent: UUID, key: str) -> str:
    """What a person copies: the text of the element."""
    found = re.search(rf'<pre [^>]*id="copy-{key}"[^>]*>(.*?)</pre>', page(sent), re.DOTALL)
    assert found is not None
    return html.unescape(found[1])


def asked(command_id: UUID) -> dict[str, Any]:
    """All that was asked of a command, but its id; its message too."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT c.domain, c.command_type, c.max_attempts, c.reply_queue, c.correlation_id, c.status, c.queue_name,"
            "   t.behavior::text, t.payload::text, q.message -> 'data' = t.payload, q.message ->> 'correlation_id',"
            "   q.message ->> 'reply_to'"
            " FROM commandbus.command c JOIN public.test_command t USING (command_id)"
            " JOIN pgmq.q_test__commands q USING (msg_id) WHERE command_id = %s",
            [command_id],
        )
        return dict(zip([column.name for column in cursor.description], cursor.fetchone(), strict=False))


def run_sql(copy: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(copy)
        assert cursor.fetchone() == (1,)


def run_python(copy: str) -> None:
    exec(compile(copy, "copied", "exec"), {})  # noqa: S102  # what a person would paste


@pytest.mark.parametrize("run", [run_sql, run_python])
@pytest.mark.parametrize("reply", [True, False])
def test_what_is_copied_sends_the_same_again(run: Callable[[str], None], reply: bool) -> None:
    behavior = {"type": "fail_permanent", "error_code": "it's \\ \u202e", "execution_time_ms": 5}
    sent = send(reply=reply, payload=parse_json(ODD_PAYLOAD), **behavior)
    ask("UPDATE commandbus.command SET max_attempts = 9")
    run(copied(sent, "sql" if run is run_sql else "python"))
    (again,) = Command.objects.exclude(command_id=sent).values_list("command_id", flat=True)
    assert asked(again) == asked(sent)


def test_what_is_copied_keeps_the_correlation_id() -> None:
    sent = send()
    ask("UPDATE commandbus.command SET correlation_id = %s", uuid4())
    ask(
        "UPDATE pgmq.q_test__commands q"
        " SET message = jsonb_set(message, '{correlation_id}', to_jsonb(c.correlation_id))"
        " FROM commandbus.command c WHERE c.msg_id = q.msg_id"
    )
    for run, key in ((run_sql, "sql"), (run_python, "python")):
        run(copied(sent, key))
    everything = [asked(command_id) for command_id in Command.objects.values_list("command_id", flat=True)]
    assert len(everything) == 3
    assert all(one == everything[0] for one in everything)


def test_where_nothing_can_be_copied_the_page_says_why() -> None:
    sent = send()
    ask('UPDATE public.test_command SET behavior = \'{"type": "other"}\'')
    assert "Its behavior or payload is none that the site sends; the SQL statement sends it." in text(page(sent))
    run_sql(copied(sent, "sql"))
    ask("UPDATE public.test_command SET payload = jsonb_build_object('a', repeat('x', 100000))")
    assert text(page(sent)).count("Its payload has more than 100,000 characters.") == 2
    TestCommand.objects.all().delete()
    assert text(page(sent)).count("Nothing says what this command was asked to do") == 2


def test_the_fragment_has_all_of_it_too() -> None:
    sent = send()
    begin()
    fragment = Client().get(f"/commands/{sent}/live/").text
    for key in ("agreement", "bars", "copy-sql", "message"):
        assert f'id="{key}"' in fragment
    assert not re.search(r"\sstyle=", fragment)
    keys = re.findall(r'\sid="([^"]+)"', fragment)
    assert len(keys) == len(set(keys))
