"""Commands that succeed, through a running worker of each engine."""

from datetime import datetime, timedelta
from uuid import UUID, uuid4

from tests.support.bus import Json
from tests.support.engines import Engine
from tests.support.workers import COMPLETED, LiveBus

SUCCESS = {"status": "success"}


def expect_completed(bus: LiveBus, command_id: UUID, *, word: str = "SRC", result: Json = SUCCESS) -> None:
    """By one event, with its result stored and replied once, and nothing left in the queue."""
    assert bus.word(command_id) == word
    bus.assert_done_once([command_id], attempts=word.count("R"))
    row = bus.test_command(command_id)
    assert (row["result"], row["processed_at"] is not None) == (result, True)
    (reply,) = bus.replies_to(command_id)
    assert reply["result"] == result


def times(bus: LiveBus, command_id: UUID) -> dict[str, datetime]:
    return {event["event_type"]: event["ts"] for event in bus.events(command_id)}


def test_it_completes(engine: Engine, shared_bus: LiveBus) -> None:
    command_id = shared_bus.send({"type": "success"})
    shared_bus.wait_for_status(COMPLETED, [command_id])
    expect_completed(shared_bus, command_id)


def test_it_takes_the_time_that_it_is_told_to_work(engine: Engine, shared_bus: LiveBus) -> None:
    slow, within_its_lease = shared_bus.send({"type": "success", "execution_time_ms": 400}), shared_bus.timeout(300)
    shared_bus.wait_for_status(COMPLETED, [slow, within_its_lease])
    expect_completed(shared_bus, slow)
    expect_completed(shared_bus, within_its_lease)
    at = times(shared_bus, slow)
    assert at["COMPLETED"] - at["RECEIVED"] >= timedelta(milliseconds=400)


def test_ten_are_performed_at_the_same_time(engine: Engine, shared_bus: LiveBus) -> None:
    with shared_bus.conn.transaction():
        ten = [shared_bus.send({"type": "success", "execution_time_ms": 700}) for _ in range(10)]
    shared_bus.wait_for_status(COMPLETED, ten)
    found = [times(shared_bus, command_id) for command_id in ten]
    assert max(at["RECEIVED"] for at in found) < min(at["COMPLETED"] for at in found)
    for command_id in ten:
        expect_completed(shared_bus, command_id)


def test_payload_and_correlation_id_reach_the_handler_and_the_reply(engine: Engine, shared_bus: LiveBus) -> None:
    payload: Json = {"order": 7, "of": "Åsa", "lines": [{"item": "x", "price": 1.5}], "none": None}
    correlation_id = uuid4()
    command_id = shared_bus.send_to("Echo", correlation_id=correlation_id, **payload)
    shared_bus.wait_for_status(COMPLETED, [command_id])
    (reply,) = shared_bus.replies_to(command_id)
    assert reply["result"] == {"data": payload, "correlation_id": str(correlation_id)}
    assert (reply["outcome"], reply["correlation_id"]) == ("SUCCESS", str(correlation_id))


def test_only_who_asked_for_a_reply_gets_one(engine: Engine, shared_bus: LiveBus) -> None:
    silent, answered = shared_bus.send({"type": "success"}, reply=""), shared_bus.send({"type": "success"})
    shared_bus.wait_for_status(COMPLETED, [silent, answered])
    assert (shared_bus.word(silent), shared_bus.replies_to(silent)) == ("SRC", [])
    expect_completed(shared_bus, answered)


def test_it_succeeds_after_two_transient_failures_and_keeps_the_last_error(engine: Engine, shared_bus: LiveBus) -> None:
    command_id = shared_bus.send({"type": "fail_transient_then_succeed", "transient_failures": 2})
    shared_bus.wait_for_status(COMPLETED, [command_id])
    expect_completed(shared_bus, command_id, word="SRFRFRC", result={"status": "success", "attempts": 3})
    command = shared_bus.command(command_id)
    assert (command["last_error_code"], command["last_error_msg"]) == ("TRANSIENT", "Transient failure 2")
