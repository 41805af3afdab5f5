"""Counting by status without counting the tables: exact up to a limit, "+" or "≈" beyond it."""

from uuid import uuid4

import pytest
from django.db import connection

from commands.rules.formatting import Count
from commands.rules.words import Status
from commands.stats.counts import status_counts

pytestmark = pytest.mark.django_db

LIMIT = 5


def add(status: Status, number: int, *, event: str = "", queued: bool = False) -> None:
    """Commands as they stand in the tables."""
    with connection.cursor() as cursor:
        for _ in range(number):
            command_id = uuid4()
            cursor.execute(
                "INSERT INTO commandbus.command (domain, queue_name, command_id, command_type, status, max_attempts)"
                " VALUES ('test', 'test__commands', %s, 'TestCommand', 'PENDING', 3)",
                [command_id],
            )
            cursor.execute("UPDATE commandbus.command SET status = %s WHERE command_id = %s", [status, command_id])
            if event:
                cursor.execute(
                    "INSERT INTO commandbus.audit (domain, command_id, event_type) VALUES ('test', %s, %s)",
                    [command_id, event],
                )
            cursor.execute(
                "SELECT pgmq.send('test__commands', jsonb_build_object('command_id', %s::text))", [command_id]
            )
            if not queued:
                cursor.execute("SELECT pgmq.delete('test__commands', %s::bigint)", cursor.fetchone())


def analyze() -> None:
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE commandbus.command, pgmq.q_test__commands")


def counted(status: Status) -> Count:
    return status_counts(LIMIT).by_status[status]


@pytest.mark.parametrize("number", [0, 1, LIMIT])
def test_up_to_the_limit_every_count_is_exact(number: int) -> None:
    add(Status.IN_TROUBLESHOOTING_QUEUE, number)
    assert counted(Status.IN_TROUBLESHOOTING_QUEUE) == Count(number)
    assert counted(Status.COMPLETED) == Count(0)


@pytest.mark.parametrize(
    ("status", "event"),
    [
        (Status.IN_TROUBLESHOOTING_QUEUE, ""),
        (Status.FAILED, "BUSINESS_RULE_FAILED"),
        (Status.CANCELED, "OPERATOR_CANCEL"),
    ],
)
def test_beyond_the_limit_a_final_status_says_at_least(status: Status, event: str) -> None:
    add(status, LIMIT + 1, event=event)
    assert counted(status) == Count(LIMIT, "+")


@pytest.mark.parametrize("status", [Status.PENDING, Status.IN_PROGRESS])
def test_beyond_the_limit_the_queue_is_looked_at_no_further(status: Status) -> None:
    add(status, LIMIT, queued=True)
    assert counted(status) == Count(LIMIT)
    add(status, 1, queued=True)
    assert counted(status) == Count(LIMIT, "+")


def test_messages_that_are_no_commands_are_no_pending_ones() -> None:
    add(Status.PENDING, 1, queued=True)
    with connection.cursor() as cursor:
        for message in ("{}", "7", '{"command_id": "x"}', f'{{"command_id": "{uuid4()}"}}'):
            cursor.execute("SELECT pgmq.send('test__commands', %s::jsonb)", [message])
    assert counted(Status.PENDING) == Count(1)


def test_completed_is_what_stands_nowhere_else() -> None:
    add(Status.COMPLETED, 1)
    add(Status.PENDING, 1, queued=True)
    add(Status.FAILED, 1, event="BUSINESS_RULE_FAILED")
    add(Status.CANCELED, 1, event="OPERATOR_CANCEL")
    add(Status.IN_TROUBLESHOOTING_QUEUE, 1)
    assert counted(Status.COMPLETED) == Count(1)


def test_beyond_the_limit_completed_is_estimated() -> None:
    add(Status.COMPLETED, 20)
    add(Status.PENDING, 10, queued=True)
    analyze()
    assert counted(Status.COMPLETED) == Count(20, "≈")


def test_before_the_first_estimate_completed_says_at_least() -> None:
    with connection.cursor() as cursor:
        # A table made anew has no statistics; so has one just truncated.
        cursor.execute("TRUNCATE commandbus.command")
    add(Status.COMPLETED, 20)
    assert counted(Status.COMPLETED) == Count(LIMIT, "+")


def test_rejected_messages_are_counted_up_to_the_limit_too() -> None:
    with connection.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO commandbus.audit (domain, command_id, event_type) VALUES ('test', %s, 'MESSAGE_REJECTED')",
            [[uuid4()]] * (LIMIT + 1),
        )
    assert status_counts(LIMIT).rejected == Count(LIMIT, "+")
