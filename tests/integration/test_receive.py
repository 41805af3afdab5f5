"""``receive_commands``: what begins an attempt, what is parked, refused or left alone."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any, Protocol
from uuid import UUID, uuid4

import psycopg
import pytest

from tests.support.bus import HandBus, outcome

NIL = UUID(int=0)


class Refuse(Protocol):
    def __call__(self, table: str, command_id: UUID, change: str = "TRUE", code: str = "22012") -> None: ...


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
        ({"command_id": "-0bf5df9-29a6-4c4a-bfba-3317291d3dab"}, "bad command_id"),
        ({"command_id": "00bf5df9-29a6-4c4a-bfba-3317291d3dag"}, "bad command_id"),
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


def test_thousands_of_held_commands_before_it_do_not_keep_a_command_waiting(bus: HandBus) -> None:
    _send_many(bus, 3000)
    with bus.connect() as other:
        other.execute("SELECT FROM commandbus.command FOR UPDATE")
        free = bus.send()
        answer = bus.receive(4)
        assert (list(answer["commands"]), answer["parked"], answer["rejected"]) == ([free], 0, 0)
        assert answer["busy"] > 0


def test_held_commands_are_stepped_over_without_a_write_to_them(bus: HandBus) -> None:
    _send_many(bus, 200)
    with bus.connect() as other:
        other.execute("SELECT FROM test_command FOR UPDATE")
        bus.receive(4)
        locked = bus.value("SELECT count(*) FROM pgmq.q_test__commands WHERE xmax <> 0")
        assert locked <= 8  # those of the first rounds


def _send_many(bus: HandBus, count: int) -> None:
    bus.conn.execute(
        "SELECT commandbus.send_commands('test', 'TestCommand', (SELECT jsonb_agg(jsonb_build_array("
        "gen_random_uuid(), '{\"type\": \"success\"}'::jsonb, '{}'::jsonb)) FROM generate_series(1, %s)), 3)",
        [count],
    )


def test_large_messages_are_received_a_few_at_a_time(bus: HandBus) -> None:
    sent = [bus.send() for _ in range(6)]
    bus.conn.execute(  # 1.5 MB each, not to be compressed
        "UPDATE pgmq.q_test__commands q SET message = message || jsonb_build_object('data', jsonb_build_object('x', ("
        "SELECT string_agg(md5(q.msg_id::text || i), '') FROM generate_series(1, 48000) i)))"
    )
    received: list[UUID] = []
    while (answer := bus.receive(10))["commands"]:
        assert len(answer["commands"]) <= 3
        received += answer["commands"]
        assert answer["dry"] == (len(received) == len(sent))
    assert received == sent
    small = [bus.send() for _ in range(5)]
    assert list(bus.receive(10)["commands"]) == small


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


def test_a_lock_on_a_test_command_row_leaves_that_command_untouched_and_delivers_the_others(bus: HandBus) -> None:
    held, free = bus.send(), bus.send()
    with bus.connect() as other:
        other.execute("SELECT FROM test_command WHERE command_id = %s FOR UPDATE", [held])
        answer = bus.receive()
        assert (list(answer["commands"]), answer["busy"]) == ([free], 1)
        assert (bus.word(held), bus.command(held)["attempts"], bus.command(held)["status"]) == ("S", 0, "PENDING")
    assert list(bus.receive()["commands"]) == [held]


def test_only_messages_after_the_mark_are_looked_at(bus: HandBus) -> None:
    sent = [bus.send() for _ in range(4)]
    first, second = bus.queued()[:2]
    answer = bus.value("SELECT commandbus.receive_commands('test', 1, 30, %s)", [first])
    assert [row[1] for row in answer["commands"]] == [str(sent[1])]
    assert (answer["last"], answer["dry"], answer["due_ms"]) == (second, False, None)
    answer = bus.value("SELECT commandbus.receive_commands('test', 9, 30, %s)", [second])
    assert [row[1] for row in answer["commands"]] == [str(sent[2]), str(sent[3])]
    assert answer["dry"]
    assert list(bus.receive()["commands"]) == [sent[0]]


def test_a_domain_without_an_engine_is_an_error_that_names_what_is_missing(bus: HandBus) -> None:
    with pytest.raises(psycopg.errors.UndefinedFunction, match="receive_nowhere"):
        bus.value("SELECT commandbus.receive_commands('nowhere', 1, 30)")


# -- a batch that the server refuses for what one command is


def _refuse(bus: HandBus, table: str, command_id: UUID, change: str, code: str) -> None:
    """Have the server refuse each such change of one command's row, with this SQLSTATE."""
    bus.conn.execute(
        f"""
        CREATE FUNCTION public.refuse() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN RAISE EXCEPTION 'not this one' USING ERRCODE = '{code}'; END $$;
        CREATE TRIGGER refuse BEFORE UPDATE ON {table} FOR EACH ROW
            WHEN (NEW.command_id = '{command_id}' AND ({change})) EXECUTE FUNCTION public.refuse();
        """
    )


@pytest.fixture
def refuse(bus: HandBus) -> Iterator[Refuse]:
    yield lambda table, command_id, change="TRUE", code="22012": _refuse(bus, table, command_id, change, code)
    bus.conn.execute("DROP FUNCTION IF EXISTS public.refuse() CASCADE")


def test_one_by_one_the_culprit_is_parked_with_the_servers_reason_and_the_others_begin(
    bus: HandBus, refuse: Refuse
) -> None:
    before, culprit, after = bus.send(), bus.send(), bus.send()
    refuse("test_command", culprit)
    with pytest.raises(psycopg.errors.DivisionByZero):
        bus.receive()
    answer = bus.value("SELECT commandbus.receive_one_by_one('test', 10, 30)")
    assert [UUID(row[1]) for row in answer["commands"]] == [before, after]
    assert (answer["parked"], answer["rejected"], answer["busy"], answer["dry"]) == (1, 0, 0, False)
    command = bus.command(culprit)
    assert (command["status"], command["attempts"]) == ("IN_TROUBLESHOOTING_QUEUE", 1)
    assert (command["last_error_type"], command["last_error_code"]) == ("PERMANENT", "22012")
    assert command["last_error_msg"] == "It cannot be received: not this one"
    assert bus.word(culprit) == "SRT"
    assert bus.events(culprit)[-1]["details_json"]["reason"] == "NOT_RECEIVABLE"
    assert bus.archived() == [command["msg_id"]]
    assert bus.value("SELECT count(*) FROM commandbus.parked") == 1


@pytest.mark.parametrize("code", ["42P01", "XX000", "54000", "53200"])
def test_whatever_the_error_a_culprit_stops_no_other(code: str, bus: HandBus, refuse: Refuse) -> None:
    parked, rejected, other = bus.send(), bus.send(), bus.send()
    refuse("test_command", parked, code=code)
    answer = bus.value("SELECT commandbus.receive_one_by_one('test', 1, 30)")
    assert (answer["commands"], answer["parked"]) == ([], 1)
    assert bus.command(parked)["last_error_code"] == code
    bus.conn.execute("DROP FUNCTION public.refuse() CASCADE")
    refuse("commandbus.command", rejected, code=code)
    answer = bus.value("SELECT commandbus.receive_one_by_one('test', 10, 30)")
    assert ([UUID(row[1]) for row in answer["commands"]], answer["rejected"]) == ([other], 1)


def test_a_command_that_cannot_be_changed_at_all_has_its_message_rejected(bus: HandBus, refuse: Refuse) -> None:
    culprit, other = bus.send(), bus.send()
    refuse("commandbus.command", culprit)
    answer = bus.value("SELECT commandbus.receive_one_by_one('test', 10, 30)")
    assert ([UUID(row[1]) for row in answer["commands"]], answer["rejected"]) == ([other], 1)
    assert bus.word(culprit) == "S"
    (rejected,) = bus.events(NIL)
    assert rejected["details_json"]["reason"] == "It cannot be received: not this one"
    assert len(bus.archived()) == 1


def test_an_operator_can_retry_a_command_that_could_not_be_received(bus: HandBus, refuse: Refuse) -> None:
    culprit = bus.send()
    refuse("test_command", culprit)
    bus.value("SELECT commandbus.receive_one_by_one('test', 10, 30)")
    bus.conn.execute("DROP FUNCTION public.refuse() CASCADE")
    bus.value("SELECT commandbus.operator_retry('test', %s, 'ann')", [culprit])
    bus.finish(outcome(culprit, bus.begin(culprit)))
    assert bus.word(culprit) == "SRTORC"


def test_where_the_server_refuses_every_message_none_is_blamed(bus: HandBus) -> None:
    sent = [bus.send(), bus.send()]
    with bus.connect() as other:
        other.execute(
            """
            CREATE FUNCTION pg_temp.refuse() RETURNS trigger LANGUAGE plpgsql AS $$
            BEGIN RAISE EXCEPTION 'closed for today'; END $$;
            CREATE TRIGGER refuse BEFORE UPDATE ON commandbus.command FOR EACH ROW EXECUTE FUNCTION pg_temp.refuse()
            """
        )
        with pytest.raises(psycopg.errors.RaiseException, match="closed for today"):
            other.execute("SELECT commandbus.receive_one_by_one('test', 10, 30)")
        other.rollback()
    assert [bus.word(command_id) for command_id in sent] == ["S", "S"]
    assert bus.archived() == []


def test_a_try_of_the_engine_succeeds_and_leaves_nothing(bus: HandBus) -> None:
    assert bus.value("SELECT commandbus.try_engine('test')") is True
    for table in ("commandbus.command", "commandbus.audit", "commandbus.parked", "public.test_command"):
        assert bus.value(f"SELECT count(*) FROM {table}") == 0
    assert (bus.queued(), bus.archived(), bus.replies()) == ([], [], [])


def test_a_try_of_the_engine_fails_where_an_outcome_cannot_be_written(bus: HandBus) -> None:
    with bus.connect() as other:
        other.execute("ALTER TABLE commandbus.parked RENAME TO away")
        with pytest.raises(psycopg.errors.UndefinedTable):
            other.execute("SELECT commandbus.try_engine('test')")
        other.rollback()


def test_an_error_of_the_moment_parks_nobody(bus: HandBus) -> None:
    command_id = bus.send()
    with bus.connect() as other:
        other.execute("ALTER TABLE test_command RENAME COLUMN behavior TO behaviour")  # as a deployment gone wrong
        other.execute("SAVEPOINT before")
        with pytest.raises(psycopg.errors.UndefinedColumn):
            other.execute("SELECT commandbus.receive_one_by_one('test', 10, 30)")
        other.rollback()
    assert bus.word(command_id) == "S"


# -- leases that are extended


def _lease(bus: HandBus) -> float:
    return float(bus.value("SELECT extract(epoch FROM vt - clock_timestamp())::float FROM pgmq.q_test__commands"))


def test_a_lease_is_extended_from_now_and_counts_no_attempt(bus: HandBus) -> None:
    command_id = bus.send()
    attempt = bus.begin(command_id, lease=5)
    assert bus.extend_lease(command_id, attempt, lease=60) == [str(command_id)]
    assert 50 < _lease(bus) <= 60
    assert (bus.word(command_id), bus.command(command_id)["attempts"]) == ("SR", 1)


def test_only_the_current_attempt_of_a_command_that_is_not_final_extends_its_lease(bus: HandBus) -> None:
    command_id = bus.send()
    first = bus.begin(command_id)
    bus.expire_lease(command_id)
    second = bus.begin(command_id, lease=5)
    assert bus.extend_lease(command_id, first, lease=60) == []
    assert _lease(bus) <= 5
    assert bus.extend_lease(command_id, second, lease=60) == [str(command_id)]
    bus.finish(outcome(command_id, second))
    assert bus.extend_lease(command_id, second, lease=60) == []


def test_a_lease_is_extended_while_the_commands_row_is_held_and_without_a_wait(bus: HandBus) -> None:
    command_id = bus.send()
    attempt = bus.begin(command_id, lease=5)
    with bus.connect() as other:
        other.execute("SELECT FROM commandbus.command WHERE command_id = %s FOR UPDATE", [command_id])
        other.execute("SELECT FROM test_command WHERE command_id = %s FOR UPDATE", [command_id])
        assert bus.extend_lease(command_id, attempt, lease=60) == [str(command_id)]
    with bus.connect() as other:
        other.execute("SELECT FROM pgmq.q_test__commands FOR UPDATE")
        assert bus.extend_lease(command_id, attempt, lease=60) == []


def test_the_backoff_of_an_attempt_that_ended_is_no_lease_to_extend(bus: HandBus) -> None:
    command_id = bus.send()
    attempt = bus.begin(command_id)
    bus.finish(outcome(command_id, attempt, "transient", delay_ms=3000))
    assert bus.extend_lease(command_id, attempt, lease=60) == []
    assert _lease(bus) <= 3
