"""``receive_commands``: what begins an attempt, what is parked, refused or left alone."""

from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

import pytest

from tests.bus import HandBus, outcome

NIL = UUID(int=0)


def test_an_attempt_is_counted_leased_and_audited_when_it_is_received(bus: HandBus) -> None:
    command_id = bus.send({"type": "timeout"})
    attempt = bus.receive(lease=60)["commands"][command_id]
    assert attempt == {
        "msg_id": bus.queued()[0],
        "attempt": 1,
        "max_attempts": 3,
        "life": 1,
        "behavior": {"type": "timeout"},
    }
    assert bus.command(command_id)["status"] == "IN_PROGRESS"
    assert bus.test_command(command_id)["attempts"] == 1
    details = bus.events(command_id)[-1]["details_json"]
    assert details == {"msg_id": attempt["msg_id"], "attempt": 1, "max_attempts": 3}
    lease = bus.value("SELECT extract(epoch FROM vt - clock_timestamp())::float FROM pgmq.q_test__commands")
    assert 50 < lease <= 60
    assert bus.value("SELECT read_ct FROM pgmq.q_test__commands") == 1


def test_a_leased_message_is_not_received_again_before_its_lease_runs_out(bus: HandBus) -> None:
    command_id = bus.send()
    bus.begin(command_id)
    assert bus.receive()["commands"] == {}
    bus.expire_lease(command_id)
    assert bus.begin(command_id)["attempt"] == 2


def test_no_more_than_the_limit_is_taken_oldest_first(bus: HandBus) -> None:
    sent = [bus.send() for _ in range(5)]
    first = bus.receive(3)
    assert list(first["commands"]) == sent[:3]
    assert first["dry"] is False
    second = bus.receive(3)
    assert list(second["commands"]) == sent[3:]
    assert second["dry"] is True


def test_a_dry_answer_tells_when_the_next_message_becomes_visible(bus: HandBus) -> None:
    assert bus.receive()["due_ms"] is None
    command_id = bus.send()
    bus.begin(command_id, lease=100)
    assert 90_000 < bus.receive()["due_ms"] <= 100_000


def test_a_delivery_beyond_max_attempts_is_parked_and_not_handed_out(bus: HandBus) -> None:
    command_id = bus.send(max_attempts=2)
    for _ in range(2):
        bus.begin(command_id)
        bus.expire_lease(command_id)
    answer = bus.receive()
    assert (answer["commands"], answer["parked"]) == ({}, 1)
    command = bus.command(command_id)
    assert (command["status"], command["last_error_type"], command["last_error_code"]) == (
        "IN_TROUBLESHOOTING_QUEUE",
        "TRANSIENT",
        "LEASE_EXPIRED",
    )
    assert bus.word(command_id) == "SRRT"
    assert bus.events(command_id)[-1]["details_json"]["reason"] == "LEASE_EXPIRED"
    assert (bus.queued(), bus.archived()) == ([], [command["msg_id"]])
    assert bus.value("SELECT command_id FROM commandbus.parked") == command_id
    assert bus.replies() == []


def test_read_ct_decides_nothing(bus: HandBus) -> None:
    command_id = bus.send()
    bus.conn.execute("UPDATE pgmq.q_test__commands SET read_ct = 99")
    assert bus.begin(command_id)["attempt"] == 1


def test_a_message_of_a_final_command_is_archived_unexecuted(bus: HandBus) -> None:
    command_id = bus.send()
    bus.conn.execute("UPDATE commandbus.command SET status = 'COMPLETED'")
    assert bus.receive()["commands"] == {}
    assert bus.queued() == []
    assert len(bus.archived()) == 1
    assert bus.word(command_id) == "S"


def test_a_copy_of_a_message_is_archived_unexecuted_and_the_true_one_received(bus: HandBus) -> None:
    command_id = bus.send()
    copy = bus.send_message({"command_id": str(command_id)})
    answer = bus.receive()
    assert list(answer["commands"]) == [command_id]
    assert bus.archived() == [copy]


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        ([1, 2], "not an object"),
        ("text", "not an object"),
        (7, "not an object"),
        (None, "not an object"),
        ({}, "no command_id"),
        ({"command_id": None}, "no command_id"),
        ({"command_id": 12}, "bad command_id"),
        ({"command_id": "not-a-uuid"}, "bad command_id"),
        ({"command_id": str(uuid4())}, "unknown command"),
    ],
)
def test_a_message_that_is_no_command_is_rejected_at_its_first_read(bus: HandBus, message: Any, reason: str) -> None:
    msg_id = bus.send_message(message)
    good = bus.send()
    answer = bus.receive()
    assert (list(answer["commands"]), answer["rejected"]) == ([good], 1)
    (event,) = bus.events(NIL)
    assert event["event_type"] == "MESSAGE_REJECTED"
    assert event["details_json"]["msg_id"] == msg_id
    assert event["details_json"]["reason"] == reason
    assert bus.archived() == [msg_id]


def test_of_a_rejected_message_the_first_kibibyte_is_kept(bus: HandBus) -> None:
    bus.send_message({"command_id": "x" * 5000})
    bus.receive()
    assert len(bus.events(NIL)[0]["details_json"]["message"]) == 1024


def test_a_command_without_its_row_is_delivered_with_no_behavior(bus: HandBus) -> None:
    command_id = bus.send(row=False)
    attempt = bus.begin(command_id)
    assert (attempt["behavior"], attempt["life"], attempt["attempt"]) == (None, None, 1)


def test_a_row_lock_on_one_command_leaves_that_one_untouched_and_delivers_the_others(bus: HandBus) -> None:
    locked, free = bus.send(), bus.send()
    before: datetime = bus.value("SELECT vt FROM pgmq.q_test__commands ORDER BY msg_id LIMIT 1")
    with bus.connect() as other:
        other.execute("SELECT FROM commandbus.command WHERE command_id = %s FOR UPDATE", [locked])
        # A limit of one: what cannot be had does not take the place of what can.
        answer = bus.receive(1)
        assert (list(answer["commands"]), answer["busy"]) == ([free], 1)
        assert bus.value("SELECT vt FROM pgmq.q_test__commands ORDER BY msg_id LIMIT 1") == before
    assert (bus.command(locked)["attempts"], bus.word(locked)) == (0, "S")
    assert list(bus.receive()["commands"]) == [locked]


def test_two_workers_never_receive_the_same_message(bus: HandBus) -> None:
    sent = {bus.send() for _ in range(6)}
    with bus.connect() as one, bus.connect() as two:
        first = bus.receive(3, conn=one)["commands"]
        second = bus.receive(6, conn=two)["commands"]
    assert len(first) == 3
    assert first.keys() | second.keys() == sent
    assert not first.keys() & second.keys()


def test_attempts_over_the_life_go_on_after_an_operators_retry(bus: HandBus) -> None:
    command_id = bus.send()
    bus.finish(outcome(command_id, bus.begin(command_id), "permanent"))
    bus.value("SELECT commandbus.operator_retry('test', %s, 'anna')", [command_id])
    attempt = bus.begin(command_id)
    assert (attempt["attempt"], attempt["life"]) == (1, 2)
