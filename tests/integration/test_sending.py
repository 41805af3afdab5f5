"""``commands.bus.send``: the row and the message commit or roll back together."""

import json
from uuid import uuid4

import pytest
from commandbus import DuplicateCommandError
from django.db import connection, transaction

from commands.bus.send import send_test_command
from commands.models import AuditEvent, Command, TestCommand
from commands.rules.behaviors import Behavior, BehaviorType
from commands.rules.payload import parse_json
from commands.rules.words import EventType, Status
from settings_app.models import Configuration

pytestmark = pytest.mark.django_db


def messages() -> list[dict[str, object]]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT message FROM pgmq.q_test__commands ORDER BY msg_id")
        return [json.loads(row[0]) for row in cursor.fetchall()]


def test_a_sent_command_has_its_row_its_message_its_status_and_its_event() -> None:
    behavior = Behavior(type=BehaviorType.TIMEOUT, execution_time_ms=50)
    sent = send_test_command(behavior, payload={"amount": 7})
    assert TestCommand.objects.get(command_id=sent.command_id).behavior == {"type": "timeout", "execution_time_ms": 50}
    command = Command.objects.get(command_id=sent.command_id)
    assert (command.status, command.attempts, command.reply_queue) == (Status.PENDING, 0, "test__replies")
    (event,) = AuditEvent.objects.filter(command_id=sent.command_id)
    assert event.event_type == EventType.SENT
    (message,) = messages()
    assert (message["command_id"], message["data"]) == (str(sent.command_id), {"amount": 7})


EXACT = '{"price": 0.1234567890123456789012, "tiny": 1e-400, "big": 1e400, "kept": 1.50, "id": 12345678901234567890123}'


@pytest.mark.parametrize("text", [EXACT, '{"deep": [{"a": [1.10]}]}'])
def test_a_number_keeps_the_digits_that_were_typed_in_the_row_and_in_the_message(text: str) -> None:
    sent = send_test_command(Behavior(type=BehaviorType.SUCCESS), payload=parse_json(text))
    with connection.cursor() as cursor:
        cursor.execute("SELECT %s::jsonb::text", [text])
        (as_typed,) = cursor.fetchone()
        cursor.execute(
            "SELECT payload::text, (message -> 'data')::text, message ->> 'command_id'"
            " FROM public.test_command, pgmq.q_test__commands"
        )
        assert cursor.fetchall() == [(as_typed, as_typed, str(sent.command_id))]


def test_max_attempts_is_copied_from_the_settings_when_sent() -> None:
    Configuration.objects.update(max_attempts=7)
    sent = send_test_command(Behavior(type=BehaviorType.SUCCESS))
    Configuration.objects.update(max_attempts=2)
    assert Command.objects.get(command_id=sent.command_id).max_attempts == 7
    given = send_test_command(Behavior(type=BehaviorType.SUCCESS), max_attempts=5)
    assert Command.objects.get(command_id=given.command_id).max_attempts == 5


def test_no_reply_queue_is_named_where_no_reply_is_wanted() -> None:
    sent = send_test_command(Behavior(type=BehaviorType.SUCCESS), reply=False)
    assert Command.objects.get(command_id=sent.command_id).reply_queue == ""


def test_a_rolled_back_send_leaves_nothing() -> None:
    command_id = uuid4()
    with transaction.atomic():
        send_test_command(Behavior(type=BehaviorType.SUCCESS), command_id=command_id)
        transaction.set_rollback(True)
    assert not TestCommand.objects.filter(command_id=command_id).exists()
    assert not Command.objects.filter(command_id=command_id).exists()
    assert not AuditEvent.objects.filter(command_id=command_id).exists()
    assert messages() == []


def test_a_second_send_of_the_same_command_is_refused_and_leaves_the_first_alone() -> None:
    command_id = uuid4()
    send_test_command(Behavior(type=BehaviorType.SUCCESS), command_id=command_id)
    with pytest.raises(DuplicateCommandError):
        send_test_command(Behavior(type=BehaviorType.TIMEOUT), command_id=command_id)
    assert TestCommand.objects.get(command_id=command_id).behavior == {"type": "success"}
    assert len(messages()) == 1


def test_a_command_that_the_bus_knows_is_refused_although_its_row_is_gone() -> None:
    command_id = uuid4()
    send_test_command(Behavior(type=BehaviorType.SUCCESS), command_id=command_id)
    TestCommand.objects.filter(command_id=command_id).delete()
    with pytest.raises(DuplicateCommandError):
        send_test_command(Behavior(type=BehaviorType.SUCCESS), command_id=command_id)
    assert not TestCommand.objects.filter(command_id=command_id).exists()
    assert len(messages()) == 1
