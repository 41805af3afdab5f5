"""commands/bus/bulk.py: many commands at once, as complete as one that is sent alone."""

import json
from collections.abc import Iterator
from uuid import UUID, uuid4

import psycopg
import pytest
from commandbus import DuplicateCommandError

from commands.bus.bulk import NewCommand, send_chunk, send_many
from commands.bus.send import send_test_command
from commands.rules.behaviors import Behavior, BehaviorType
from commands.rules.payload import PayloadError
from tests.support.bus import HandBus

SUCCESS = Behavior(type=BehaviorType.SUCCESS)
PARKS = Behavior(type=BehaviorType.FAIL_PERMANENT, error_code="NO_FUNDS")


@pytest.fixture
def conn(committed: str) -> Iterator[psycopg.Connection[tuple[object, ...]]]:
    with psycopg.connect(committed, autocommit=True) as conn:
        yield conn


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("reply", [True, False])
def test_a_command_of_a_chunk_is_what_a_command_sent_alone_is(
    bus: HandBus, conn: psycopg.Connection[tuple[object, ...]], reply: bool
) -> None:
    alone = send_test_command(PARKS, payload={"a": [1, "ä"]}, reply=reply).command_id
    new = NewCommand(behavior=PARKS, payload={"a": [1, "ä"]})
    assert send_chunk(conn, "test", [new], max_attempts=3, reply=reply) == 1

    def story(command_id: UUID) -> object:
        """All of it, with what is particular to one command taken out."""
        text = json.dumps(
            [
                bus.rows("SELECT * FROM commandbus.command WHERE command_id = %s", [command_id]),
                bus.rows("SELECT * FROM test_command WHERE command_id = %s", [command_id]),
                bus.rows("SELECT * FROM commandbus.audit WHERE command_id = %s", [command_id]),
                bus.rows(
                    "SELECT read_ct, vt <= clock_timestamp() AS visible, message FROM pgmq.q_test__commands "
                    "WHERE message ->> 'command_id' = %s",
                    [str(command_id)],
                ),
            ],
            default=str,
        )
        command = bus.command(command_id)
        for own in (str(command_id), str(command["correlation_id"])):
            text = text.replace(own, "its own")
        found = json.loads(text)
        for row in (row for rows in found for row in rows):
            for name in ("created_at", "updated_at", "ts", "id", "audit_id", "msg_id"):
                row.pop(name, None)
            (row.get("details_json") or {}).pop("msg_id", None)
        return found

    assert story(new.command_id) == story(alone)
    assert bus.events(new.command_id)[0]["details_json"]["msg_id"] == bus.command(new.command_id)["msg_id"]


def test_a_chunk_is_notified_once(conn: psycopg.Connection[tuple[object, ...]], committed: str, orders: str) -> None:
    with psycopg.connect(committed, autocommit=True) as listener:
        listener.execute("LISTEN pgmq_notify_orders__commands")
        send_chunk(conn, orders, [NewCommand(behavior=SUCCESS) for _ in range(100)], max_attempts=3)
        listener.execute("SELECT 1")
        assert len(list(listener.notifies(timeout=0))) == 1


def test_a_chunk_with_a_known_command_is_refused_whole(
    bus: HandBus, conn: psycopg.Connection[tuple[object, ...]]
) -> None:
    known = bus.send()
    with pytest.raises(DuplicateCommandError, match=str(known)):
        send_chunk(
            conn, "test", [NewCommand(behavior=SUCCESS), NewCommand(behavior=SUCCESS, command_id=known)], max_attempts=3
        )
    assert bus.value("SELECT count(*) FROM commandbus.command") == 1
    assert len(bus.queued()) == 1


def test_a_payload_that_is_none_is_refused_before_anything_is_sent(
    bus: HandBus, conn: psycopg.Connection[tuple[object, ...]]
) -> None:
    with pytest.raises(PayloadError, match="payload must not hold nan"):
        send_chunk(conn, "test", [NewCommand(behavior=SUCCESS, payload={"a": float("nan")})], max_attempts=3)
    assert bus.queued() == []


def test_a_stream_is_sent_whole_in_chunks_over_two_connections(bus: HandBus, committed: str) -> None:
    sizes: list[int] = []
    stream = (NewCommand(behavior=SUCCESS) for _ in range(1050))
    params = {"conninfo": committed}
    assert send_many(params, "test", stream, max_attempts=5, chunk_size=100, on_sent=sizes.append) == 1050
    assert sorted(sizes) == [50] + [100] * 10
    assert bus.value("SELECT count(DISTINCT command_id) FROM commandbus.command WHERE max_attempts = 5") == 1050
    assert len(bus.queued()) == 1050


def test_an_error_in_a_stream_ends_the_sending_and_is_raised(bus: HandBus, committed: str) -> None:
    twice = uuid4()

    def stream() -> Iterator[NewCommand]:
        for number in range(1_000_000):
            yield NewCommand(behavior=SUCCESS, command_id=twice if number in (15, 42) else uuid4())

    with pytest.raises(DuplicateCommandError):
        send_many({"conninfo": committed}, "test", stream(), max_attempts=3, chunk_size=10)
    assert len(bus.queued()) < 10_000
