"""What PostgreSQL stores and Python cannot read: every page shows its text, cut, as it is stored."""

from typing import Any
from uuid import UUID

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client

from commands.bus.send import send_test_command
from commands.models import TestCommand
from commands.rules.behaviors import Behavior

pytestmark = pytest.mark.django_db

# As jsonb writes them: a number of 5,001 digits, and more levels than json reads or prints wherever it is called from.
LONG = '{"n": 1' + "0" * 5000 + "}"
DEEP, LESS_DEEP = ('{"n": ' + "[" * levels + "]" * levels + "}" for levels in (1500, 700))
HUGE = '{"msg_id": 1' + "0" * 400 + ', "attempt": [1], "max_attempts": {"a": 1}, "delay_ms": 1' + "0" * 400 + "}"


@pytest.fixture
def admin_client() -> Client:
    client = Client()
    client.force_login(User.objects.create(username="admin", is_staff=True, is_superuser=True))
    return client


def execute(query: str, *parameters: Any) -> None:
    with connection.cursor() as cursor:
        cursor.execute(query, parameters)


def pages(command_id: UUID) -> dict[str, str]:
    """Every page that shows something of a command, by a name for it."""
    row = TestCommand.objects.get(command_id=command_id)
    return {
        "detail": f"/commands/{command_id}/",
        "dashboard": "/",
        "another like it": f"/send/?like={command_id}",
        "test commands": "/admin/commands/testcommand/",
        "test command": f"/admin/commands/testcommand/{row.pk}/change/",
        "commands": "/admin/commands/command/",
        "events": f"/admin/commands/auditevent/?q={command_id}",
    }


@pytest.mark.parametrize("stored", [LONG, DEEP, LESS_DEEP], ids=["long", "deep", "less deep"])
def test_values_that_cannot_be_read_are_shown_by_their_beginning(admin_client: Client, stored: str) -> None:
    sent = send_test_command(Behavior.from_json({"type": "success"}), reply=True).command_id
    execute(
        "UPDATE test_command SET behavior = %s, payload = %s, result = %s WHERE command_id = %s",
        *[stored] * 3,
        sent,
    )
    execute("UPDATE commandbus.command SET status = 'COMPLETED' WHERE command_id = %s", sent)
    execute(
        "INSERT INTO commandbus.audit (domain, command_id, event_type, details_json)"
        " SELECT 'test', %s, unnest(ARRAY['RECEIVED', 'FAILED', 'OPERATOR_RETRY', 'COMPLETED']), %s",
        sent,
        stored,
    )
    execute(
        "SELECT pgmq.send('test__replies', jsonb_build_object('command_id', %s::text, 'result', %s::jsonb))",
        str(sent),
        stored,
    )
    beginning = stored[100:160]  # the levels before it may have lines of their own
    seen = {}
    for name, address in pages(sent).items():
        response = admin_client.get(address)
        assert response.status_code == 200, name
        seen[name] = response.content.decode()
        assert len(seen[name]) < 100_000, name
    assert {name: seen[name].count(beginning) > 0 for name in seen} == {
        name: name not in ("commands", "test commands") for name in seen
    }
    for anchor in ("result", "behavior", "payload", "reply-"):
        shown = seen["detail"].partition(f'id="{anchor}')[2].partition("</pre>")[0]
        assert beginning in shown, anchor


@pytest.mark.parametrize("stored", ["[1, 2]", '"text"', "7", HUGE], ids=["array", "text", "number", "odd numbers"])
def test_details_of_any_form_are_shown(admin_client: Client, stored: str) -> None:
    sent = send_test_command(Behavior.from_json({"type": "success"}), reply=True).command_id
    execute(
        "INSERT INTO commandbus.audit (domain, command_id, event_type, details_json)"
        " SELECT 'test', %s, unnest(ARRAY['RECEIVED', 'FAILED', 'MOVED_TO_TSQ', 'LATE_FAILED']), %s",
        sent,
        stored,
    )
    execute("UPDATE test_command SET behavior = %s WHERE command_id = %s", stored, sent)
    for name, address in pages(sent).items():
        assert admin_client.get(address).status_code == 200, name


@pytest.mark.parametrize("moment", ["infinity", "-infinity", "0044-03-15 BC", "12026-01-01"])
def test_a_time_that_python_does_not_know_is_the_nearest_that_it_knows(admin_client: Client, moment: str) -> None:
    sent = send_test_command(Behavior.from_json({"type": "success"}), reply=True).command_id
    execute("UPDATE commandbus.command SET created_at = %s, updated_at = %s", moment, moment)
    execute("UPDATE commandbus.audit SET ts = %s", moment)
    execute("UPDATE test_command SET created_at = %s, processed_at = %s", moment, moment)
    for name, address in pages(sent).items():
        assert admin_client.get(address).status_code == 200, name
    created = TestCommand.objects.get().created_at
    assert created is not None
    assert created.year == (100 if moment in ("-infinity", "0044-03-15 BC") else 9900)
