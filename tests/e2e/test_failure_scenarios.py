"""Commands that fail, and what operators do with them, through a running worker of each engine.

What else engine ``library`` is known to do otherwise is pinned in test_library_deviations.py.
"""

from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest

from tests.support.bus import Json
from tests.support.deviations import pins
from tests.support.engines import Engine
from tests.support.workers import COMPLETED, FAILED, PARKED, LiveBus

RETRY = "SELECT commandbus.operator_retry('test', %s, 'anna')"
CANCEL = "SELECT commandbus.operator_cancel('test', %s, 'no longer wanted', 'anna')"
COMPLETE = """SELECT commandbus.operator_complete('test', %s, '{"by": "hand"}', 'anna')"""
TOLD = {"error_code": "NO_FUNDS", "error_message": "Nothing left"}


def expect_parked(bus: LiveBus, command_id: UUID, *, word: str, error: tuple[str, str, str]) -> Json:
    """Its message archived, no reply, its error kept in the command and in its last event; that event's details."""
    assert bus.word(command_id) == word
    command, row = bus.command(command_id), bus.test_command(command_id)
    assert command["attempts"] == row["attempts"] == word.count("R")
    assert (command["last_error_type"], command["last_error_code"], command["last_error_msg"]) == error
    assert (row["result"], row["processed_at"], bus.replies_to(command_id)) == (None, None, [])
    assert command["msg_id"] in bus.archived()
    assert command["msg_id"] not in bus.queued()
    details: Json = bus.events(command_id)[-1]["details_json"]
    assert (details["error_code"], details["error_msg"]) == error[1:]
    return details


def test_a_permanent_failure_is_parked_at_once_with_its_error(engine: Engine, shared_bus: LiveBus) -> None:
    command_id = shared_bus.send({"type": "fail_permanent", **TOLD})
    shared_bus.wait_for_status(PARKED, [command_id])
    expect_parked(shared_bus, command_id, word="SRT", error=("PERMANENT", "NO_FUNDS", "Nothing left"))


def test_a_business_rule_fails_it_without_an_operator_and_replies(engine: Engine, shared_bus: LiveBus) -> None:
    command_id = shared_bus.send({"type": "business_rule", **TOLD})
    shared_bus.wait_for_status(FAILED, [command_id])
    assert shared_bus.word(command_id) == "SRB"
    command, row = shared_bus.command(command_id), shared_bus.test_command(command_id)
    assert command["attempts"] == row["attempts"] == 1
    error = command["last_error_type"], command["last_error_code"], command["last_error_msg"]
    assert error == ("BUSINESS_RULE", "NO_FUNDS", "Nothing left")
    assert (row["result"], row["processed_at"]) == (None, None)
    (reply,) = shared_bus.replies_to(command_id)
    assert (reply["outcome"], reply["result"]["error_code"]) == ("FAILED", "NO_FUNDS")
    assert reply["result"]["error_message"] == "Nothing left"


def test_a_transient_failure_is_parked_when_its_attempts_are_used_up(engine: Engine, shared_bus: LiveBus) -> None:
    command_id = shared_bus.send({"type": "fail_transient"})
    shared_bus.wait_for_status(PARKED, [command_id])
    error = ("TRANSIENT", "TRANSIENT", "Simulated transient failure")
    details = expect_parked(shared_bus, command_id, word="SRFRFRT", error=error)
    assert details["reason"] == "EXHAUSTED"
    failed = [event["details_json"] for event in shared_bus.events(command_id) if event["event_type"] == "FAILED"]
    assert [(each["error_code"], each["attempt"]) for each in failed] == [("TRANSIENT", 1), ("TRANSIENT", 2)]


def test_retries_follow_the_settings_and_the_commands_own_limit(engine: Engine, shared_bus: LiveBus) -> None:
    command_id = shared_bus.send({"type": "fail_transient"}, max_attempts=5)
    shared_bus.wait_for_status(PARKED, [command_id])
    with engine.deviates(pins("D1")):
        assert shared_bus.word(command_id) == "S" + "RF" * (engine.own_max_attempts - 1) + "RT"
    times = [event["ts"] for event in shared_bus.events(command_id)[2:-1]]  # failed, received, failed, received, …
    for failed, received in zip(times[::2], times[1::2], strict=True):
        assert (received - failed).total_seconds() >= engine.backoff_s


def test_work_that_outlives_its_lease_is_delivered_again(engine: Engine, shared_bus: LiveBus) -> None:
    command_id = shared_bus.timeout(3000)
    shared_bus.wait_for_word(engine.overrun, command_id)
    assert shared_bus.status(command_id) == COMPLETED
    with engine.deviates(pins("D4")):
        assert len(shared_bus.replies_to(command_id)) == engine.overrun_replies


@pytest.mark.parametrize(
    ("spoilt", "code"),
    [({"row": False}, "TEST_COMMAND_NOT_FOUND"), ({"behavior": {"type": "fly"}}, "INVALID_BEHAVIOR")],
)
def test_what_is_no_test_command_is_parked_at_once(
    engine: Engine, shared_bus: LiveBus, spoilt: dict[str, Any], code: str
) -> None:
    command_id = shared_bus.send(**spoilt)
    shared_bus.wait_for_status(PARKED, [command_id])
    assert (shared_bus.word(command_id), shared_bus.command(command_id)["last_error_code"]) == ("SRT", code)


def test_a_type_without_a_handler_is_parked_after_its_attempts(engine: Engine, shared_bus: LiveBus) -> None:
    bus = shared_bus
    with bus.conn.transaction():
        unknown = bus.send({"type": "success"})
        bus.conn.execute("UPDATE commandbus.command SET command_type = 'Unknown' WHERE command_id = %s", [unknown])
        bus.conn.execute(
            "UPDATE pgmq.q_test__commands SET message = jsonb_set(message, '{command_type}', '\"Unknown\"')"
            " WHERE message ->> 'command_id' = %s",
            [str(unknown)],
        )
    bus.wait_for_status(PARKED, [unknown])
    assert bus.word(unknown) == "SRFRFRT"
    assert bus.command(unknown)["last_error_code"] == "HandlerNotFoundError"
    assert bus.test_command(unknown)["attempts"] == engine.counts_unhandled


# -- an operator ------------------------------------------------------------------------------------------------------


@pytest.fixture
def parked(engine: Engine, shared_bus: LiveBus) -> Callable[[], UUID]:
    """Parks a command by a worker."""

    def park() -> UUID:
        command_id = shared_bus.send({"type": "fail_permanent", **TOLD})
        shared_bus.wait_for_status(PARKED, [command_id])
        return command_id

    return park


def test_an_operators_retry_is_performed_anew(shared_bus: LiveBus, parked: Callable[[], UUID]) -> None:
    mended, hopeless = parked(), parked()
    shared_bus.behave(mended, {"type": "success"})
    for command_id in (mended, hopeless):
        shared_bus.value(RETRY, [command_id])
    shared_bus.wait_for_word("SRTORC", mended)
    shared_bus.wait_for_word("SRTORT", hopeless)
    assert (shared_bus.status(mended), shared_bus.command(mended)["attempts"]) == (COMPLETED, 1)
    assert [reply["outcome"] for reply in shared_bus.replies_to(mended)] == ["SUCCESS"]
    assert (shared_bus.status(hopeless), shared_bus.replies_to(hopeless)) == (PARKED, [])
    assert shared_bus.command(hopeless)["last_error_code"] == "NO_FUNDS"


@pytest.mark.parametrize(
    ("action", "ends"),
    [(CANCEL, ("SRTX", "CANCELED", "CANCELED")), (COMPLETE, ("SRTK", "COMPLETED", "SUCCESS"))],
    ids=["cancel", "complete"],
)
def test_what_an_operator_ends_is_answered_and_no_worker_takes_it_again(
    shared_bus: LiveBus, parked: Callable[[], UUID], action: str, ends: tuple[str, str, str]
) -> None:
    word, status, reply = ends
    command_id = parked()
    shared_bus.value(action, [command_id])
    after = shared_bus.send()
    shared_bus.wait_for_status(COMPLETED, [after])
    assert (shared_bus.word(command_id), shared_bus.status(command_id)) == (word, status)
    assert [found["outcome"] for found in shared_bus.replies_to(command_id)] == [reply]
    assert shared_bus.command(command_id)["last_error_code"] == "NO_FUNDS"
