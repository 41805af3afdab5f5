"""Faults of what is sent: messages that are no command, types that no handler performs, and what cannot be read."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any
from uuid import UUID

from psycopg import sql

from bench.faults.inject import injects, judges
from bench.faults.looks import codes_of, executions_of
from bench.faults.sending import send_extra
from bench.scenarios.faults import MalformedMessages, UnreadableData, UnregisteredType
from commands.bus.bulk import NewCommand
from commands.rules.behaviors import Behavior, BehaviorType
from commands.rules.expectation import expectation
from commands.rules.words import DOMAIN, UNREADABLE, Status, archive_table, command_queue, queue_table

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

    import psycopg

    from bench.faults.bench import Bench, Recorder
    from commands.rules.expectation import Expectation

NO_TYPE = "BenchNoSuchType"
NO_HANDLER = "HandlerNotFoundError"
_QUEUE = command_queue(DOMAIN)
_PUT = "SELECT pgmq.send(%s, %s::jsonb, 0), pg_notify(%s, '')"
_REJECTED = """
    SELECT (details_json ->> 'msg_id')::bigint, array_agg(details_json ->> 'reason') FROM commandbus.audit
    WHERE domain = %s AND event_type = 'MESSAGE_REJECTED' AND (details_json ->> 'msg_id')::bigint = ANY (%s)
    GROUP BY 1
"""
_ARCHIVED = f"SELECT count(*) FROM pgmq.{archive_table(_QUEUE)} WHERE msg_id = ANY (%s) AND read_ct <= 1"  # noqa: S608
_CALLED = "SELECT count(*) FROM public.bench_execution WHERE msg_id = ANY (%s)"

# What a queue may hold that is no command, and what is said of it.
_NO_COMMANDS: list[tuple[Callable[[Random], object], str]] = [
    (lambda random: "text", "not an object"),
    (lambda random: [random.randrange(100), 2], "not an object"),
    (lambda random: None, "not an object"),
    (lambda random: random.randrange(100), "not an object"),
    (lambda random: {"data": {}}, "no command_id"),
    (lambda random: {"command_id": "no-uuid"}, "bad command_id"),
    (lambda random: {"command_id": random.randrange(100)}, "bad command_id"),
    (lambda random: {"command_id": str(UUID(int=random.getrandbits(128), version=4))}, "unknown command"),
]


@injects(MalformedMessages)
def malformed_messages(fault: MalformedMessages, bench: Bench, recorder: Recorder) -> None:
    """Put them into the queue by hand, each of another kind, in an order that the seed says."""
    random = bench.random(f"malformed_messages {bench.number_of(fault)}")
    kinds = [_NO_COMMANDS[number % len(_NO_COMMANDS)] for number in range(fault.count)]
    random.shuffle(kinds)
    recorder.begin()
    with bench.connection() as conn:
        for make, reason in kinds:
            row = conn.execute(_PUT, [_QUEUE, json.dumps(make(random)), f"pgmq_notify_{_QUEUE}"]).fetchone()
            assert row is not None
            recorder.note((int(row[0]), reason))
            bench.wait(0)
    recorder.fire(f"{len(kinds)} messages")
    recorder.end()


@judges(MalformedMessages)
def _after_messages(fault: MalformedMessages, bench: Bench, recorder: Recorder) -> None:
    expected = {msg_id: [reason] for msg_id, reason in recorder.notes}
    ids = list(expected)
    with bench.connection() as conn:
        said = dict(conn.execute(_REJECTED, [DOMAIN, ids]).fetchall())
        archived, called = (_count(conn, query, ids) for query in (_ARCHIVED, _CALLED))
    right = sum(said.get(msg_id) == reasons for msg_id, reasons in expected.items())
    recorder.criterion("each was rejected once, with the reason", right == len(expected), f"{right} of {len(expected)}")
    recorder.criterion("each was archived at its first read", archived == len(ids), f"{archived} of {len(ids)}")
    recorder.criterion("no handler was called for any", called == 0, f"{called} calls")


def _count(conn: psycopg.Connection[Any], query: str, ids: list[int]) -> int:
    row = conn.execute(query.encode(), [ids]).fetchone()
    assert row is not None
    return int(row[0])


@injects(UnregisteredType)
def unregistered_type(fault: UnregisteredType, bench: Bench, recorder: Recorder) -> None:
    """Send commands of a type that no handler performs."""
    recorder.begin()
    commands = _new(bench, f"unregistered_type {bench.number_of(fault)}", fault.count)
    send_extra(bench, "unregistered_type", commands, _as(bench, BehaviorType.FAIL_TRANSIENT), command_type=NO_TYPE)
    recorder.note([command.command_id for command in commands])
    recorder.fire(f"{len(commands)} commands")
    recorder.end()


@judges(UnregisteredType)
def _after_types(fault: UnregisteredType, bench: Bench, recorder: Recorder) -> None:
    _parked(bench, recorder, NO_HANDLER, bench.plan.scenario.bus.max_attempts)


@injects(UnreadableData)
def unreadable_data(fault: UnreadableData, bench: Bench, recorder: Recorder) -> None:
    """Send commands that are spoiled in the transaction that sends them, so that no worker sees them otherwise."""
    recorder.begin()
    commands = _new(bench, f"unreadable_data {bench.number_of(fault)}", fault.count)

    def spoil(conn: psycopg.Connection[Any]) -> None:
        for number, command in enumerate(commands):
            statement, text = _SPOIL[number % len(_SPOIL)]
            changed = conn.execute(statement, {"text": text, "id": command.command_id, "domain": DOMAIN}).rowcount
            assert changed == 1

    send_extra(bench, "unreadable_data", commands, _as(bench, BehaviorType.FAIL_PERMANENT), spoil=spoil)
    recorder.note([command.command_id for command in commands])
    recorder.fire(f"{len(commands)} commands")
    recorder.end()


@judges(UnreadableData)
def _after_data(fault: UnreadableData, bench: Bench, recorder: Recorder) -> None:
    _parked(bench, recorder, UNREADABLE, 1)


_OF_MESSAGE = sql.SQL(
    "UPDATE {} SET message = jsonb_set(message, '{{data}}', %(text)s::jsonb) WHERE msg_id = ("
    "SELECT msg_id FROM commandbus.command WHERE domain = %(domain)s AND command_id = %(id)s)"
).format(sql.Identifier("pgmq", queue_table(_QUEUE)))
_OF_BEHAVIOR = sql.SQL("UPDATE public.test_command SET behavior = %(text)s::jsonb WHERE command_id = %(id)s")
_LEVELS = 1500 if sys.version_info < (3, 13) else 12_000  # too many for Python's json, and not for the server
_DEEP = "[" * _LEVELS + "]" * _LEVELS
# jsonb writes the number with its 5,001 digits: Python reads 4,300.
_SPOIL: list[tuple[sql.SQL | sql.Composed, str]] = [
    (_OF_MESSAGE, '{"n": 1e5000}'),
    (_OF_MESSAGE, _DEEP),
    (_OF_BEHAVIOR, "[1e5000]"),
    (_OF_BEHAVIOR, _DEEP),
]


def _new(bench: Bench, word: str, count: int) -> list[NewCommand]:
    """Commands that would succeed, with ids as the seed says."""
    random = bench.random(word)
    behavior = Behavior(type=BehaviorType.SUCCESS)
    ids = [UUID(int=random.getrandbits(128), version=4) for _ in range(count)]
    return [NewCommand(behavior=behavior, command_id=one) for one in ids]


def _as(bench: Bench, kind: BehaviorType) -> Expectation:
    """What becomes of a command with that behavior that takes no time."""
    return expectation(bench.plan.circumstances(Behavior(type=kind), reply=False))


def _parked(bench: Bench, recorder: Recorder, code: str, attempts: int) -> None:
    """All were parked with this code after so many attempts, and no handler was called."""
    ids: list[UUID] = recorder.notes[0]
    with bench.connection() as conn:
        found, called = codes_of(conn, ids), executions_of(conn, ids)
    wanted = (Status.IN_TROUBLESHOOTING_QUEUE, code, attempts)
    right = sum(one == wanted for one in found.values())
    recorder.criterion(
        f"each was parked with code {code} after {attempts} attempt{'s' if attempts > 1 else ''}",
        right == len(ids),
        f"{right} of {len(ids)}",
    )
    recorder.criterion("no handler was called for any", called == 0, f"{called} calls")
