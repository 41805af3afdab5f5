"""Each behavior through a running worker, with both engines.

Where engine ``library`` does otherwise than ``native``, `Engine` says how. What else it is known to do otherwise is
pinned in test_library_deviations.py.
"""

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from uuid import UUID

import pytest

from tests.e2e.conftest import StartWorker
from tests.support.bus import Json
from tests.support.deviations import pins
from tests.support.workers import COMPLETED, FAILED, PARKED, LiveBus

SUCCESS = {"status": "success"}


@dataclass(frozen=True, kw_only=True)
class Engine:
    name: str
    own_max_attempts: int  # attempts of a command sent with max_attempts 5 where the settings say 3 (D1)
    backoff_s: float  # least time between a failure and its retry, where the settings say 50 ms
    counts_unhandled: int  # test_command.attempts after 3 attempts for which there is no handler

    def deviates(self, pinned: AbstractContextManager[None]) -> AbstractContextManager[None]:
        """What is asserted inside is a known deviation of ``library``, and a promise that ``native`` keeps."""
        return pinned if self.name == "library" else nullcontext()


ENGINES = [
    Engine(name="native", own_max_attempts=5, backoff_s=0.05, counts_unhandled=3),
    Engine(name="library", own_max_attempts=3, backoff_s=1, counts_unhandled=0),
]


@pytest.fixture(params=ENGINES, ids=lambda engine: engine.name)
def engine(request: pytest.FixtureRequest, bus: LiveBus, start_worker: StartWorker) -> Engine:
    """The engine of the worker that runs."""
    bus.settings(base_delay_ms=50, max_delay_ms=50, poll_interval=0.2, concurrency=20)
    chosen: Engine = request.param
    start_worker("--engine", chosen.name)
    return chosen


def test_each_command_ends_as_its_behavior_says(engine: Engine, bus: LiveBus) -> None:
    success = bus.send({"type": "success"})
    slow = bus.timeout(300)
    permanent = bus.send({"type": "fail_permanent", "error_code": "NO_FUNDS", "error_message": "Nothing left"})
    rule = bus.send({"type": "business_rule", "error_code": "NO_FUNDS", "error_message": "Nothing left"})
    transient = bus.send({"type": "fail_transient"})
    recovers = bus.send({"type": "fail_transient_then_succeed", "transient_failures": 2})
    silent = bus.send({"type": "success"}, reply="")
    rowless = bus.send(row=False)
    invalid = bus.send({"type": "fly"})
    bus.wait_for_status(COMPLETED, [success, slow, recovers, silent])
    bus.wait_for_status(FAILED, [rule])
    bus.wait_for_status(PARKED, [permanent, transient, rowless, invalid])

    expect_completed(bus, success, word="SRC", result=SUCCESS)
    expect_completed(bus, slow, word="SRC", result=SUCCESS)
    expect_completed(bus, recovers, word="SRFRFRC", result={"status": "success", "attempts": 3})
    expect_failed(bus, rule, error=("BUSINESS_RULE", "NO_FUNDS", "Nothing left"))
    expect_parked(bus, permanent, word="SRT", error=("PERMANENT", "NO_FUNDS", "Nothing left"))
    expect_parked(bus, transient, word="SRFRFRT", error=("TRANSIENT", "TRANSIENT", "Simulated transient failure"))
    assert bus.events(transient)[-1]["details_json"]["reason"] == "EXHAUSTED"
    assert (bus.word(silent), bus.replies_to(silent)) == ("SRC", [])
    assert (bus.word(rowless), bus.command(rowless)["last_error_code"]) == ("SRT", "TEST_COMMAND_NOT_FOUND")
    assert (bus.word(invalid), bus.command(invalid)["last_error_code"]) == ("SRT", "INVALID_BEHAVIOR")
    assert bus.queued() == []
    assert len(bus.archived()) == 5


def expect_completed(bus: LiveBus, command_id: UUID, *, word: str, result: Json) -> None:
    assert bus.word(command_id) == word
    command, row = bus.command(command_id), bus.test_command(command_id)
    assert command["attempts"] == row["attempts"] == word.count("R")
    assert row["result"] == result
    assert row["processed_at"] is not None
    (reply,) = bus.replies_to(command_id)
    assert (reply["outcome"], reply["result"]) == ("SUCCESS", result)


def expect_failed(bus: LiveBus, command_id: UUID, *, error: tuple[str, str, str]) -> None:
    """By its own rule: no operator, and a reply that says so."""
    assert bus.word(command_id) == "SRB"
    command, row = bus.command(command_id), bus.test_command(command_id)
    assert command["attempts"] == row["attempts"] == 1
    assert (command["last_error_type"], command["last_error_code"], command["last_error_msg"]) == error
    assert (row["result"], row["processed_at"]) == (None, None)
    (reply,) = bus.replies_to(command_id)
    assert (reply["outcome"], reply["result"]["error_code"], reply["result"]["error_message"]) == ("FAILED", *error[1:])


def expect_parked(bus: LiveBus, command_id: UUID, *, word: str, error: tuple[str, str, str]) -> None:
    assert bus.word(command_id) == word
    command, row = bus.command(command_id), bus.test_command(command_id)
    assert command["attempts"] == row["attempts"] == word.count("R")
    assert (command["last_error_type"], command["last_error_code"], command["last_error_msg"]) == error
    assert (row["result"], row["processed_at"], bus.replies_to(command_id)) == (None, None, [])


def test_retries_follow_the_settings_and_the_commands_own_limit(engine: Engine, bus: LiveBus) -> None:
    transient = bus.send({"type": "fail_transient"}, max_attempts=5)
    bus.wait_for_status(PARKED, [transient])
    with engine.deviates(pins("D1")):
        assert bus.word(transient) == "S" + "RF" * (engine.own_max_attempts - 1) + "RT"
    times = [event["ts"] for event in bus.events(transient)[2:-1]]  # failed, received, failed, received, …
    for failed, received in zip(times[::2], times[1::2], strict=True):
        assert (received - failed).total_seconds() >= engine.backoff_s


def test_a_type_without_a_handler_is_parked_after_its_attempts(engine: Engine, bus: LiveBus) -> None:
    with bus.conn.transaction():
        unknown = bus.send({"type": "success"})
        bus.conn.execute("UPDATE commandbus.command SET command_type = 'Unknown' WHERE command_id = %s", [unknown])
        bus.conn.execute(
            "UPDATE pgmq.q_test__commands SET message = jsonb_set(message, '{command_type}', '\"Unknown\"')"
        )
    bus.wait_for_status(PARKED, [unknown])
    assert bus.word(unknown) == "SRFRFRT"
    assert bus.command(unknown)["last_error_code"] == "HandlerNotFoundError"
    assert bus.test_command(unknown)["attempts"] == engine.counts_unhandled
