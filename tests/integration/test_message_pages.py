"""The pages of messages: replies that are taken and put back, rejected ones that are sent again, and who may."""

import json
import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from pytest_django import DjangoAssertNumQueries
from pytest_django.fixtures import Settings

from commands.bus.send import send_test_command
from commands.models import AuditEvent, Command, TestCommand
from commands.reads import messages
from commands.rules.behaviors import Behavior
from tests.support.bus import HandBus
from tests.support.waiting import wait_until

pytestmark = pytest.mark.django_db

ID = UUID(int=7)
QUEUE = "test__replies"


@pytest.fixture(autouse=True)
def _open(settings: Settings) -> None:
    settings.PUBLIC_READ = True


@pytest.fixture
def operator(client_of: Callable[..., Client]) -> Client:
    return client_of("ada", "operate_command", "add_testcommand", staff=False)


def ask(query: str, *parameters: Any) -> Any:
    with connection.cursor() as cursor:
        cursor.execute(query, parameters)
        row = cursor.fetchone() if cursor.description else None
        return row[0] if row else None


def reply(outcome: str = "SUCCESS", command_id: object = ID, queue: str = QUEUE, **more: Any) -> int:
    return put(json.dumps({"command_id": str(command_id), "outcome": outcome, **more}), queue)


def put(message: str, queue: str = "test__commands") -> int:
    return int(ask("SELECT pgmq.send(%s, %s::JSONB, 0)", queue, message))


def waiting(queue: str = QUEUE) -> list[int]:
    return ask(f"SELECT coalesce(array_agg(msg_id ORDER BY msg_id), '{{}}') FROM pgmq.q_{queue}")  # type: ignore[no-any-return]


def archived(queue: str = QUEUE) -> list[int]:
    return ask(f"SELECT coalesce(array_agg(msg_id ORDER BY msg_id), '{{}}') FROM pgmq.a_{queue}")  # type: ignore[no-any-return]


def reject() -> None:
    """Let a worker look at the queue."""
    ask("SELECT commandbus.receive_commands('test', 1000, 30)")


def rejected(message: str) -> int:
    """Have a message rejected; the number of its event."""
    put(message)
    reject()
    return int(ask("SELECT max(audit_id) FROM commandbus.audit WHERE event_type = 'MESSAGE_REJECTED'"))


def page(address: str, client: Client | None = None, **query: Any) -> str:
    response = (client or Client()).get(address, query)
    assert response.status_code == 200
    return response.text


def shown(html: str, kind: str = "reply") -> list[int]:
    return [int(number) for number in re.findall(rf'<li class="[^"]*" id="{kind}-(\d+)"', html)]


def text(html: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", re.sub(r"</?bdi>", "", html)))


def more(html: str) -> str:
    found = re.search(r'rel="next" href="([^"]+)"', html)
    return found[1].replace("&amp;", "&") if found else ""


# -- replies: the list -----------------------------------------------------------------------------------------------


def test_without_replies_each_list_says_so() -> None:
    assert "No reply waits" in page("/replies/")
    assert "No reply was taken" in page("/replies/", archived="1")


def test_replies_are_listed_newest_first_with_outcome_command_and_content() -> None:
    first = reply(result={"n": 12345678901234567890, "html": "<b>"})
    second = reply("CANCELED", uuid4(), reason="no longer wanted")
    third = put('["no object"]', QUEUE)
    ask("SELECT count(*) FROM pgmq.read(%s, 30, 1)", QUEUE)
    html = page("/replies/")
    assert shown(html) == [third, second, first]
    assert f'href="/commands/{ID}/"' in html
    read = text(html)
    assert "Success command 00000000…000007" in read
    assert "a reader has it" in read
    assert "Canceled" in read
    assert "no outcome names no command" in read
    assert "12345678901234567890" in read
    assert "<b>" not in html.replace("<bdi>", "").replace("<b class", "")


def test_pages_of_replies_follow_each_other_by_number() -> None:
    ids = [reply() for _ in range(45)]
    html = page("/replies/")
    assert shown(html) == ids[:24:-1]
    ask("SELECT pgmq.delete(%s, %s::BIGINT)", QUEUE, ids[25])
    second = page("/replies/" + more(html))
    assert shown(second) == ids[24:4:-1]
    third = page("/replies/" + more(second))
    assert (shown(third), more(third)) == (ids[4::-1], "")
    assert "No older reply" in page("/replies/", before=ids[0])


def test_replies_of_one_command_are_found_within_a_bounded_look(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(messages, "MOST", 3)
    mine = reply(command_id=ID)
    for _ in range(3):
        reply(command_id=uuid4())
    html = page("/replies/", id=str(ID))
    assert "Not among the 3 that were looked at" in html
    assert shown(page("/replies/" + more(html))) == [mine]


def test_replies_of_another_domain_stand_there() -> None:
    ask("INSERT INTO commandbus.domain (name) VALUES ('orders')")
    ours, theirs = reply(), reply(queue="orders__replies")
    assert shown(page("/replies/")) == [ours]
    assert shown(page("/replies/", domain="orders")) == [theirs]


@pytest.mark.parametrize(
    ("query", "said"),
    [({"id": "12"}, "id must be a whole command id (a UUID)."), ({"domain": "mars"}, "domain must be one of test.")],
)
def test_a_filter_of_replies_that_cannot_be_meant_is_told(query: dict[str, str], said: str) -> None:
    response = Client().get("/replies/", query)
    assert response.status_code == 400
    assert said in response.text


@pytest.mark.parametrize("before", ["x", "-1", str(2**63)])
@pytest.mark.parametrize("address", ["/replies/", "/rejected/"])
def test_a_page_that_begins_nowhere_is_not_found(address: str, before: str) -> None:
    assert Client().get(address, {"before": before}).status_code == 404


@pytest.mark.parametrize("many", [0, 30])
def test_lists_of_messages_cost_four_queries(many: int, django_assert_num_queries: DjangoAssertNumQueries) -> None:
    for _ in range(many):
        reply()
        put("{}")
    reject()
    for address in ("/replies/", "/replies/?archived=1", "/rejected/"):
        with django_assert_num_queries(4):  # is it paused, what is redacted, domains, messages
            Client().get(address)


# -- replies: taking and putting back --------------------------------------------------------------------------------


def test_the_selected_replies_are_taken_and_it_is_written_down_who_did_it(operator: Client) -> None:
    ids = [reply() for _ in range(3)]
    response = operator.post("/replies/act/", {"do": "take", "message": [ids[0], ids[2]], "domain": "test"})
    assert response["Location"] == "/replies/?domain=test"
    assert (waiting(), archived()) == ([ids[1]], [ids[0], ids[2]])
    html = page("/replies/", operator)
    assert "2 replies moved to the archive" in html
    entry = LogEntry.objects.get()
    assert entry.user.username == "ada"
    assert entry.change_message == f"Took 2 replies out of test__replies: {ids[0]}, {ids[2]}."
    assert "Messages ada Took 2 replies" in text(page("/audit/actions/"))


def test_the_button_of_a_reply_takes_this_one_whatever_else_is_selected(operator: Client) -> None:
    first, second = reply(), reply()
    operator.post("/replies/act/", {"do": "take", "message": [first], "only": second})
    assert (waiting(), archived()) == ([first], [second])


def test_a_taken_reply_is_put_back_under_a_new_number_with_its_headers(operator: Client) -> None:
    old = int(ask("SELECT pgmq.send(%s, %s::JSONB, %s::JSONB, 0)", QUEUE, '{"outcome": "SUCCESS"}', '{"h": 1}'))
    operator.post("/replies/act/", {"do": "take", "message": old})
    assert shown(page("/replies/", archived="1")) == [old]
    response = operator.post("/replies/act/", {"do": "put_back", "message": old})
    assert response["Location"] == "/replies/?archived=1"
    (new,) = waiting()
    assert new > old
    assert archived() == []
    assert json.loads(ask("SELECT message::TEXT FROM pgmq.q_test__replies")) == {"outcome": "SUCCESS"}
    assert json.loads(ask("SELECT headers::TEXT FROM pgmq.q_test__replies")) == {"h": 1}
    assert ask("SELECT count(*) FROM pgmq.read(%s, 0, 10)", QUEUE) == 1, "it can be read at once"
    said = LogEntry.objects.order_by("-id")[0].change_message
    assert said == f"Put 1 reply back into test__replies: now {new}."


def test_a_reply_that_another_reader_took_meanwhile_is_told(operator: Client) -> None:
    kept, gone = reply(), reply()
    ask("SELECT pgmq.archive(%s, %s::BIGINT)", QUEUE, gone)
    operator.post("/replies/act/", {"do": "take", "message": [kept, gone]})
    html = text(page("/replies/", operator))
    assert "1 reply moved to the archive" in html
    assert "1 of them was no longer there: another reader was faster." in html
    operator.post("/replies/act/", {"do": "take", "message": [kept]})
    assert LogEntry.objects.count() == 1, "what was not done is not written down"


def test_replies_of_another_domain_are_taken_there(operator: Client) -> None:
    ask("INSERT INTO commandbus.domain (name) VALUES ('orders')")
    ours, theirs = reply(), reply(queue="orders__replies")
    operator.post("/replies/act/", {"do": "take", "message": theirs, "domain": "orders"})
    assert (waiting(), archived("orders__replies")) == ([ours], [theirs])
    assert "Took 1 reply" in page("/audit/actions/", domain="orders")
    assert "Took 1 reply" not in page("/audit/actions/")


@pytest.mark.parametrize(
    ("form", "said"),
    [
        ({"do": "take"}, "No message was chosen."),
        ({"do": "burn", "message": "1"}, "do must be take or put_back."),
        ({"message": "1"}, "do must be take or put_back."),
        ({"do": "take", "message": "x"}, "message must be the number of a message."),
        ({"do": "take", "message": str(2**63)}, "message must be the number of a message."),
        ({"do": "take", "message": [str(number) for number in range(101)]}, "At most 100 messages at once."),
        ({"do": "take", "message": "1", "domain": "mars"}, "domain must be one of test."),
    ],
)
def test_a_post_that_cannot_be_meant_does_nothing_and_says_why(
    form: dict[str, Any], said: str, operator: Client
) -> None:
    kept = reply()
    response = operator.post("/replies/act/", form)
    assert response["Location"] == "/replies/"
    assert f"Nothing was done. {said}" in page("/replies/", operator)
    assert waiting() == [kept]


# -- rejected messages -----------------------------------------------------------------------------------------------


def test_where_nothing_was_rejected_the_page_is_glad() -> None:
    assert "No message was rejected" in page("/rejected/")


def test_rejected_messages_are_listed_with_reason_and_beginning() -> None:
    first = rejected('{"x": "<script>alert(1)</script>"}')
    second = rejected(json.dumps({"command_id": str(uuid4()), "data": "x" * 3000}))
    ask("DELETE FROM pgmq.a_test__commands WHERE message ->> 'x' IS NULL")
    html = page("/rejected/")
    assert shown(html, "rejected") == [second, first]
    read = text(html)
    assert "unknown command · message" in read
    assert "no command_id · message" in read
    assert read.count("gone from the archive") == 1
    assert "&lt;script&gt;" in html
    assert "<script>alert" not in html
    assert "Send again" not in html, "for those who may"


def test_pages_of_rejected_messages_follow_each_other() -> None:
    for _ in range(45):
        put("{}")
    reject()
    ids = sorted(AuditEvent.objects.values_list("audit_id", flat=True))
    html = page("/rejected/")
    second = page("/rejected/" + more(html))
    third = page("/rejected/" + more(second))
    assert shown(html, "rejected") + shown(second, "rejected") + shown(third, "rejected") == ids[::-1]
    assert more(third) == ""
    assert "No older message" in page("/rejected/", before=ids[0])


def damaged() -> tuple[UUID, int]:
    """A command whose message was rejected since its command_id was damaged; the number of the event."""
    sent = send_test_command(Behavior.from_json({"type": "success"}), payload={"n": 1})
    ask("UPDATE pgmq.q_test__commands SET message = jsonb_set(message, '{command_id}', '\"damaged\"')")
    reject()
    return sent.command_id, AuditEvent.objects.get(event_type="MESSAGE_REJECTED").audit_id


def test_a_mended_message_goes_to_the_command_that_lost_it_and_is_performed(operator: Client) -> None:
    command_id, number = damaged()
    form = page(f"/rejected/{number}/", operator)
    assert "&quot;damaged&quot;" in form
    message = {"domain": "test", "command_id": str(command_id), "data": {"n": 1}}
    response = operator.post(f"/rejected/{number}/", {"way": "lost", "message": json.dumps(message), "behavior": "{}"})
    assert response["Location"] == f"/commands/{command_id}/"
    command = Command.objects.get()
    assert (command.status, command.attempts, [command.msg_id]) == ("PENDING", 0, waiting("test__commands"))
    event = AuditEvent.objects.order_by("-audit_id")[0]
    assert event.event_type == "OPERATOR_RETRY"
    assert event.details_json["operator"] == "ada"
    assert re.fullmatch(r"sent rejected message \d+ again, mended", event.details_json["reason"])
    begun = json.loads(ask("SELECT commandbus.receive_commands('test', 10, 30)::jsonb"))
    assert [begun_command[1] for begun_command in begun["commands"]] == [str(command_id)]


def test_a_message_is_never_sent_beside_a_commands_own_or_after_its_end(operator: Client) -> None:
    number = rejected("{}")
    sent = send_test_command(Behavior.from_json({"type": "success"}))
    mended = {"way": "lost", "message": json.dumps({"command_id": str(sent.command_id)}), "behavior": ""}
    own = waiting("test__commands")
    response = operator.post(f"/rejected/{number}/", mended)
    assert response.status_code == 400
    assert "still has its own message in the queue" in response.text
    assert waiting("test__commands") == own
    ask(
        "SELECT commandbus.end_commands('test', ARRAY[%s]::UUID[], 'CANCELED', 'eve', p_from => 'PENDING')",
        sent.command_id,
    )
    ask("DELETE FROM pgmq.q_test__commands")
    response = operator.post(f"/rejected/{number}/", mended)
    assert response.status_code == 400
    assert "The command is Canceled: a worker would archive the message unread." in response.text
    unknown = {**mended, "message": json.dumps({"command_id": str(uuid4())})}
    response = operator.post(f"/rejected/{number}/", unknown)
    assert response.status_code == 400
    assert "No command has this command_id" in response.text
    assert waiting("test__commands") == []


def test_of_two_who_send_a_lost_message_at_once_one_does(bus: HandBus) -> None:
    command_id = bus.send()
    bus.conn.execute("DELETE FROM pgmq.q_test__commands")
    mended = json.dumps({"command_id": str(command_id)})
    call = "SELECT commandbus.send_lost_message('test', %s, %s, 'lost')"

    def send(conn: psycopg.Connection[Any], who: str) -> Any:
        return (conn.execute(call, [mended, who]).fetchone() or {})["send_lost_message"]

    with bus.connect() as first, bus.connect() as second, ThreadPoolExecutor() as pool:
        answer = send(first, "ada")
        other = pool.submit(send, second, "eve")
        wait_until(lambda: bus.waiting() == 1)
        first.commit()
        assert other.result() == {"status": "PENDING"}
    assert bus.queued() == [answer["msg_id"]] == [bus.command(command_id)["msg_id"]]
    assert bus.word(command_id) == "SO"


def test_a_mended_message_becomes_a_command_of_its_own(operator: Client) -> None:
    named = uuid4()
    number = rejected(f'{{"command_id": "{named}", "data": {{"n": 1.50}}}}')
    form = page(f"/rejected/{number}/", operator)
    assert "&quot;n&quot;: 1.50" in form, "every digit of it"
    message = f'{{"command_id": "{named}", "data": {{"n": 12345678901234567890.10}}, "reply_to": "test__replies"}}'
    asked = {"way": "new", "message": message, "behavior": '{"type": "fail_permanent"}'}
    response = operator.post(f"/rejected/{number}/", asked)
    assert response["Location"] == f"/commands/{named}/"
    assert TestCommand.objects.get().behavior == {"type": "fail_permanent"}
    assert "12345678901234567890.10" in ask("SELECT payload::TEXT FROM public.test_command")
    assert Command.objects.get().reply_queue == QUEUE
    said = LogEntry.objects.get().change_message
    assert re.fullmatch(rf"Sent rejected message \d+ again, mended, as command {named}\.", said)
    response = operator.post(f"/rejected/{number}/", asked)
    assert response.status_code == 400
    assert "A command has this command_id already" in response.text


def test_a_behavior_in_the_message_is_proposed(operator: Client) -> None:
    inside = rejected('{"data": {"type": "fail_transient_then_succeed", "transient_failures": 2}}')
    assert "&quot;transient_failures&quot;:2" in page(f"/rejected/{inside}/", operator)
    none = rejected('["no object"]')
    assert "{&quot;type&quot;: &quot;success&quot;}" in page(f"/rejected/{none}/", operator)


def test_of_a_message_that_is_gone_its_beginning_is_shown_with_a_warning(operator: Client) -> None:
    number = rejected(json.dumps({"data": "x" * 3000}))
    assert "gone from the archive" not in page(f"/rejected/{number}/", operator)
    ask("DELETE FROM pgmq.a_test__commands")
    html = page(f"/rejected/{number}/", operator)
    assert "gone from the archive" in html
    assert "x" * 900 in html


@pytest.mark.parametrize(
    ("form", "said"),
    [
        ({"way": "lost", "message": "{"}, "Not valid JSON"),
        ({"way": "lost", "message": "[]"}, "must be a JSON object"),
        ({"way": "lost", "message": "{}"}, "must be a UUID with its four dashes."),
        ({"way": "lost", "message": '{"command_id": 7}'}, "must be a UUID with its four dashes."),
        ({"way": "new", "message": '{"command_id": "7"}', "behavior": '{"type": "success"}'}, "must be a UUID"),
        ({"way": "new", "message": "{}", "behavior": '{"type": "dance"}'}, "type must be one of success"),
        ({"way": "new", "message": '{"data": []}', "behavior": '{"type": "success"}'}, "it becomes the payload"),
        ({"way": "new", "message": '{"data": "' + "x" * 70_000 + '"}', "behavior": "{}"}, "at most 65,536 bytes"),
        ({"way": "sideways", "message": "{}"}, "way must be lost or new."),
        ({}, "way must be lost or new."),
    ],
)
def test_a_mended_message_that_cannot_be_meant_is_told_and_shown_again(
    form: dict[str, str], said: str, operator: Client
) -> None:
    number = rejected("{}")
    response = operator.post(f"/rejected/{number}/", form)
    assert response.status_code == 400
    assert said in response.text.replace("&quot;", '"')
    assert "Nothing was sent" in response.text
    assert waiting("test__commands") == []


@pytest.mark.parametrize("number", [1, 2**63, 10**30])
def test_a_rejected_message_that_is_not_there_is_not_found(number: int, operator: Client) -> None:
    response = operator.get(f"/rejected/{number}/")
    assert response.status_code == 404
    assert f"No rejected message has the number {number}." in response.text


# -- who may ---------------------------------------------------------------------------------------------------------


def test_messages_are_read_by_whoever_may_read_and_moved_by_operators_alone(
    client_of: Callable[..., Client], settings: Settings
) -> None:
    kept, number = reply(), rejected("{}")
    act = {"do": "take", "message": kept}
    reader = client_of("rita", "view_command", staff=False)
    for address in ("/replies/", "/rejected/"):
        html = page(address, reader)
        assert "data-select" not in html
        assert f"/rejected/{number}/" not in html
    for refused in (
        reader.post("/replies/act/", act),
        reader.get(f"/rejected/{number}/"),
        reader.post(f"/rejected/{number}/", {"way": "new", "message": "{}", "behavior": '{"type": "success"}'}),
    ):
        assert refused.status_code == 403
        assert "You need the permission commands.operate_command" in refused.text
    assert Client().post("/replies/act/", act)["Location"].startswith("/login/")
    assert Client().get(f"/rejected/{number}/")["Location"] == f"/login/?next=/rejected/{number}/"
    settings.PUBLIC_READ = False
    assert Client().get("/replies/").status_code == 302
    assert waiting() == [kept]


def test_an_operator_who_may_not_send_sends_no_new_command(client_of: Callable[..., Client]) -> None:
    number = rejected("{}")
    client = client_of("olga", "operate_command", staff=False)
    assert "As a new test command" not in page(f"/rejected/{number}/", client)
    response = client.post(f"/rejected/{number}/", {"way": "new", "message": "{}", "behavior": '{"type": "success"}'})
    assert response.status_code == 403
    assert "You need the permission commands.add_testcommand" in response.text
    assert not TestCommand.objects.exists()


def test_moving_needs_a_post_with_the_token_of_its_form() -> None:
    kept = reply()
    client = Client(enforce_csrf_checks=True)
    client.force_login(User.objects.create(username="admin", is_superuser=True))
    assert client.post("/replies/act/", {"do": "take", "message": kept}).status_code == 403
    assert client.get("/replies/act/").status_code == 405
    assert waiting() == [kept]
