"""``finish_commands``: which ends count, what they write, and what is too late."""

import random
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import UUID

import psycopg
import pytest

from tests.support.bus import HandBus, outcome


def expired_attempts(bus: HandBus, command_id: UUID, number: int) -> list[Any]:
    """Begin `number` attempts, each after the lease of the one before ran out."""
    attempts = []
    for _ in range(number):
        attempts.append(bus.begin(command_id))
        bus.expire_lease(command_id)
    return attempts


# -- ends that count -----------------------------------------------------------------------------------------


def test_a_success_completes_deletes_replies_and_stores_the_result_together(bus: HandBus) -> None:
    command_id = bus.send()
    attempt = bus.begin(command_id)
    answer = bus.finish(outcome(command_id, attempt, result={"status": "success"}))
    assert answer["accepted"] == {str(command_id): "COMPLETED"}
    assert bus.command(command_id)["status"] == "COMPLETED"
    assert (bus.queued(), bus.archived()) == ([], [])
    assert bus.word(command_id) == "SRC"
    assert bus.events(command_id)[-1]["details_json"] == {
        "msg_id": attempt["msg_id"],
        "attempt": 1,
        "reply_to": "test__replies",
        "has_result": True,
    }
    row = bus.test_command(command_id)
    assert row["result"] == {"status": "success"}
    assert row["processed_at"] is not None
    assert bus.replies() == [
        {
            "command_id": str(command_id),
            "correlation_id": None,
            "outcome": "SUCCESS",
            "result": {"status": "success"},
        }
    ]


def test_no_reply_is_sent_where_none_was_asked_for(bus: HandBus) -> None:
    command_id = bus.send(reply="")
    bus.finish(outcome(command_id, bus.begin(command_id)))
    assert bus.replies() == []


def test_a_transient_failure_is_retried_after_its_delay(bus: HandBus) -> None:
    command_id = bus.send()
    attempt = bus.begin(command_id)
    answer = bus.finish(outcome(command_id, attempt, "transient", delay_ms=50_000))
    assert answer["accepted"] == {str(command_id): "IN_PROGRESS"}
    delay = bus.value("SELECT extract(epoch FROM vt - clock_timestamp())::float FROM pgmq.q_test__commands")
    assert 40 < delay <= 50
    command = bus.command(command_id)
    assert (command["last_error_type"], command["last_error_code"], command["last_error_msg"]) == (
        "TRANSIENT",
        "E",
        "went wrong",
    )
    assert bus.word(command_id) == "SRF"
    assert bus.events(command_id)[-1]["details_json"]["delay_ms"] == 50_000
    assert bus.replies() == []


def test_a_scheduled_retry_is_notified_with_its_due_time(bus: HandBus) -> None:
    command_id = bus.send()
    attempt = bus.begin(command_id)
    with bus.connect() as listening:
        listening.autocommit = True
        listening.execute("LISTEN pgmq_notify_test__commands")
        bus.finish(outcome(command_id, attempt, "transient", delay_ms=50_000))
        (notification,) = listening.notifies(timeout=10, stop_after=1)
    due = bus.value("SELECT extract(epoch FROM vt)::float FROM pgmq.q_test__commands")
    assert float(notification.payload) == pytest.approx(due, abs=0.001)


def test_the_last_transient_failure_parks_the_command(bus: HandBus) -> None:
    command_id = bus.send(max_attempts=1)
    attempt = bus.begin(command_id)
    bus.finish(outcome(command_id, attempt, "transient", delay_ms=5))
    assert bus.command(command_id)["status"] == "IN_TROUBLESHOOTING_QUEUE"
    assert bus.word(command_id) == "SRT"
    assert bus.events(command_id)[-1]["details_json"]["reason"] == "EXHAUSTED"
    assert (bus.queued(), bus.archived()) == ([], [attempt["msg_id"]])


def test_a_permanent_failure_parks_the_command_at_once(bus: HandBus) -> None:
    command_id = bus.send()
    attempt = bus.begin(command_id)
    bus.finish(outcome(command_id, attempt, "permanent", error_details={"why": "so"}))
    command = bus.command(command_id)
    assert (command["status"], command["last_error_type"]) == ("IN_TROUBLESHOOTING_QUEUE", "PERMANENT")
    assert bus.events(command_id)[-1]["details_json"]["error_details"] == {"why": "so"}
    assert bus.archived() == [attempt["msg_id"]]
    assert bus.value("SELECT command_id FROM commandbus.parked") == command_id
    assert bus.replies() == []


def test_a_broken_business_rule_fails_the_command_and_replies(bus: HandBus) -> None:
    command_id = bus.send()
    attempt = bus.begin(command_id)
    bus.finish(outcome(command_id, attempt, "business_rule"))
    assert bus.command(command_id)["status"] == "FAILED"
    assert bus.word(command_id) == "SRB"
    (reply,) = bus.replies()
    assert (reply["outcome"], reply["result"]["error_code"]) == ("FAILED", "E")


def test_mixed_outcomes_of_one_call_do_not_touch_each_other(bus: HandBus) -> None:
    kinds = ["success", "transient", "permanent", "business_rule"]
    sent = {kind: bus.send() for kind in kinds}
    attempts = bus.receive()["commands"]
    bus.finish(*(outcome(sent[kind], attempts[sent[kind]], kind) for kind in kinds))
    assert [bus.word(sent[kind]) for kind in kinds] == ["SRC", "SRF", "SRT", "SRB"]


# -- the fence -----------------------------------------------------------------------------------------------


def test_a_success_of_an_expired_attempt_completes_the_command(bus: HandBus) -> None:
    command_id = bus.send()
    first, _second = expired_attempts(bus, command_id, 2)
    assert bus.finish(outcome(command_id, first))["accepted"] == {str(command_id): "COMPLETED"}
    assert bus.queued() == []


def test_a_failure_of_an_expired_attempt_changes_nothing(bus: HandBus) -> None:
    for kind in ("transient", "permanent", "business_rule"):
        command_id = bus.send()
        first, second = expired_attempts(bus, command_id, 2)
        before = bus.command(command_id)
        answer = bus.finish(outcome(command_id, first, kind))
        assert (answer["accepted"], answer["late"]) == ({}, [str(command_id)])
        assert bus.command(command_id) == before
        assert second["msg_id"] in bus.queued()
        assert bus.word(command_id) == "SRRf"
    assert bus.replies() == []


def test_a_success_after_the_end_changes_nothing_and_replies_nothing(bus: HandBus) -> None:
    command_id = bus.send()
    first, second = expired_attempts(bus, command_id, 2)
    bus.finish(outcome(command_id, second, result={"from": "second"}))
    before = bus.command(command_id), bus.test_command(command_id)
    answer = bus.finish(outcome(command_id, first, result={"from": "first"}))
    assert answer["late"] == [str(command_id)]
    assert (bus.command(command_id), bus.test_command(command_id)) == before
    assert bus.word(command_id) == "SRRCc"
    assert len(bus.replies()) == 1
    late = bus.events(command_id)[-1]
    assert late["details_json"] == {"msg_id": first["msg_id"], "attempt": 1}


def test_a_success_after_parking_changes_nothing(bus: HandBus) -> None:
    command_id = bus.send(max_attempts=1)
    (only,) = expired_attempts(bus, command_id, 1)
    bus.receive()
    bus.finish(outcome(command_id, only))
    assert bus.command(command_id)["status"] == "IN_TROUBLESHOOTING_QUEUE"
    assert bus.word(command_id) == "SRTc"


def test_an_attempt_of_the_message_before_an_operators_retry_is_late(bus: HandBus) -> None:
    command_id = bus.send()
    old, newer = expired_attempts(bus, command_id, 2)
    bus.finish(outcome(command_id, newer, "permanent"))
    bus.value("SELECT commandbus.operator_retry('test', %s, 'anna')", [command_id])
    assert bus.finish(outcome(command_id, old))["late"] == [str(command_id)]
    assert bus.command(command_id)["status"] == "PENDING"
    assert len(bus.queued()) == 1


# -- an attempt ends once ------------------------------------------------------------------------------------


@pytest.mark.parametrize(("kind", "word"), [("success", "SRC"), ("transient", "SRF"), ("permanent", "SRT")])
def test_an_accepted_end_that_is_sent_again_is_written_once(bus: HandBus, kind: str, word: str) -> None:
    command_id = bus.send()
    ended = outcome(command_id, bus.begin(command_id), kind, delay_ms=60_000)
    bus.finish(ended)
    before = bus.command(command_id), bus.test_command(command_id), bus.queued(), bus.replies()
    answer = bus.finish({**ended, "again": True})
    assert (answer["accepted"], answer["late"]) == ({}, [])
    assert answer["before"] == {str(command_id): bus.events(command_id)[-1]["event_type"]}
    assert (bus.command(command_id), bus.test_command(command_id), bus.queued(), bus.replies()) == before
    assert bus.word(command_id) == word


def test_a_failure_sent_again_after_the_next_attempt_began_is_not_late_but_known(bus: HandBus) -> None:
    command_id = bus.send()
    ended = outcome(command_id, bus.begin(command_id), "transient", delay_ms=0)
    bus.finish(ended)
    bus.begin(command_id)
    assert bus.finish({**ended, "again": True})["before"] == {str(command_id): "FAILED"}
    assert bus.word(command_id) == "SRFR"


def test_a_late_end_that_is_sent_again_is_written_once(bus: HandBus) -> None:
    command_id = bus.send()
    first, second = expired_attempts(bus, command_id, 2)
    bus.finish(outcome(command_id, second))
    bus.finish(outcome(command_id, first))
    answer = bus.finish(outcome(command_id, first, again=True))
    assert answer["before"] == {str(command_id): "LATE_COMPLETED"}
    assert bus.word(command_id) == "SRRCc"


def test_parking_by_an_expired_lease_is_not_taken_for_the_end_of_the_last_attempt(bus: HandBus) -> None:
    command_id = bus.send(max_attempts=1)
    (only,) = expired_attempts(bus, command_id, 1)
    bus.receive()
    assert bus.finish(outcome(command_id, only, again=True))["late"] == [str(command_id)]
    assert bus.word(command_id) == "SRTc"


def test_an_end_that_never_arrived_is_written_when_sent_again(bus: HandBus) -> None:
    command_id = bus.send()
    attempt = bus.begin(command_id)
    assert bus.finish(outcome(command_id, attempt, again=True))["accepted"] == {str(command_id): "COMPLETED"}


# -- locks ---------------------------------------------------------------------------------------------------


def test_a_row_lock_on_one_command_makes_that_one_busy_and_finishes_the_others(bus: HandBus) -> None:
    locked, free = bus.send(), bus.send()
    attempts = bus.receive()["commands"]
    both = [outcome(command_id, attempts[command_id]) for command_id in (locked, free)]
    with bus.connect() as other:
        other.execute("SELECT FROM commandbus.command WHERE command_id = %s FOR UPDATE", [locked])
        answer = bus.finish(*both)
        assert (answer["busy"], answer["accepted"]) == ([str(locked)], {str(free): "COMPLETED"})
        assert bus.word(locked) == "SR"
    assert bus.finish(both[0])["accepted"] == {str(locked): "COMPLETED"}


@pytest.mark.parametrize(
    "row",
    ["test_command WHERE command_id = %s", "pgmq.q_test__commands WHERE (message ->> 'command_id')::uuid = %s"],
    ids=["test_command", "queue"],
)
def test_a_lock_on_another_row_of_one_command_makes_that_one_busy_too(bus: HandBus, row: str) -> None:
    held, failing, free = bus.send(), bus.send(), bus.send()
    attempts = bus.receive()["commands"]
    outcomes = [
        outcome(held, attempts[held]), outcome(failing, attempts[failing], "transient"), outcome(free, attempts[free]),
    ]  # fmt: skip
    with bus.connect() as other:
        for command_id in (held, failing):
            other.execute(f"SELECT FROM {row} FOR UPDATE", [command_id])
        answer = bus.finish(*outcomes)
        assert (answer["accepted"], set(answer["busy"])) == ({str(free): "COMPLETED"}, {str(held), str(failing)})
        assert (bus.word(held), bus.word(failing)) == ("SR", "SR")
    assert bus.finish(*outcomes[:2])["accepted"] == {str(held): "COMPLETED", str(failing): "IN_PROGRESS"}


def test_an_outcome_sent_again_while_its_row_is_held_is_busy_and_not_written_twice(bus: HandBus) -> None:
    command_id = bus.send()
    attempt = bus.begin(command_id)
    bus.finish(outcome(command_id, attempt))
    with bus.connect() as other:
        other.execute("SELECT FROM commandbus.command WHERE command_id = %s FOR UPDATE", [command_id])
        answer = bus.finish(outcome(command_id, attempt, again=True))
        assert (answer["busy"], answer["late"], answer["before"]) == ([str(command_id)], [], {})
    assert bus.finish(outcome(command_id, attempt, again=True))["before"] == {str(command_id): "COMPLETED"}
    assert bus.word(command_id) == "SRC"


def test_a_reply_goes_to_the_queue_that_the_sender_named(bus: HandBus) -> None:
    bus.conn.execute("SELECT pgmq.create('elsewhere')")
    try:
        here, there = bus.send(), bus.send(reply="elsewhere")
        attempts = bus.receive()["commands"]
        bus.finish(outcome(here, attempts[here]), outcome(there, attempts[there], result={"a": 1}))
        (reply,) = bus.rows("SELECT message FROM pgmq.q_elsewhere")
        assert (reply["message"]["command_id"], reply["message"]["outcome"]) == (str(there), "SUCCESS")
        assert reply["message"]["result"] == {"a": 1}
        assert [reply["command_id"] for reply in bus.replies()] == [str(here)]
    finally:
        bus.conn.execute("SELECT pgmq.drop_queue('elsewhere')")


def test_two_outcomes_of_one_command_in_one_call_are_refused(bus: HandBus) -> None:
    command_id = bus.send()
    first, second = expired_attempts(bus, command_id, 2)
    with pytest.raises(psycopg.errors.InvalidParameterValue, match="one outcome per command"):
        bus.finish(outcome(command_id, first), outcome(command_id, second))
    assert bus.word(command_id) == "SRR"


@pytest.mark.parametrize("change", [{"kind": "odd"}, {"kind": None}, {"msg_id": None}, {"attempt": None}])
def test_an_outcome_that_lacks_something_is_refused(bus: HandBus, change: dict[str, Any]) -> None:
    command_id = bus.send()
    ended = outcome(command_id, bus.begin(command_id))
    with pytest.raises(psycopg.errors.InvalidParameterValue, match="outcome needs"):
        bus.finish({**ended, **change})


def test_an_outcome_of_an_unknown_command_writes_nothing(bus: HandBus) -> None:
    unknown = UUID(int=5)
    answer = bus.finish(outcome(unknown, {"msg_id": 1, "attempt": 1}))
    assert answer == {"accepted": {}, "late": [], "busy": [], "before": {}}
    assert bus.events(unknown) == []


def test_a_batch_counts_its_members_as_they_end(bus: HandBus) -> None:
    batch_id = UUID(int=9)
    bus.conn.execute("INSERT INTO commandbus.batch (domain, batch_id, total_count) VALUES ('test', %s, 2)", [batch_id])
    done, parked = bus.send(), bus.send(max_attempts=1)
    bus.conn.execute("UPDATE commandbus.command SET batch_id = %s", [batch_id])
    attempts = bus.receive()["commands"]
    bus.finish(outcome(done, attempts[done]))
    bus.expire_lease(parked)
    bus.receive()
    (batch,) = bus.rows("SELECT * FROM commandbus.batch")
    assert (batch["status"], batch["completed_count"], batch["in_troubleshooting_count"]) == ("IN_PROGRESS", 1, 1)
    bus.value("SELECT commandbus.operator_complete('test', %s, '{}', 'anna')", [parked])
    (batch,) = bus.rows("SELECT * FROM commandbus.batch")
    assert (batch["status"], batch["completed_count"], batch["in_troubleshooting_count"]) == ("COMPLETED", 2, 0)
    assert [event["event_type"] for event in bus.events(batch_id)] == ["BATCH_STARTED", "BATCH_COMPLETED"]


def test_workers_whose_attempts_expire_under_each_other_never_deadlock(bus: HandBus) -> None:
    """Receive and finish take their locks in one order; the opposite order deadlocks within a second of this."""
    sent = [bus.send(max_attempts=100) for _ in range(40)]

    def work(seed: int) -> int:
        turns = random.Random(seed)  # noqa: S311  # shuffles, and the seed makes it repeatable
        with HandBus(bus.url).conn as conn:
            for _ in range(40):
                answer = bus.receive(10, lease=0, conn=conn)["commands"]
                ended = [
                    outcome(command_id, attempt, turns.choice(["transient", "transient", "success"]), delay_ms=0)
                    for command_id, attempt in answer.items()
                ]
                turns.shuffle(ended)
                bus.finish(*ended, conn=conn)
        return seed

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(work, range(4))) == [0, 1, 2, 3]
    for command_id in sent:
        word = bus.word(command_id)
        assert word.count("C") <= 1
        assert word.count("R") == bus.command(command_id)["attempts"]
