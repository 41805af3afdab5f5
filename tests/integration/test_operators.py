"""An operator's actions on a parked command: retry, cancel, complete."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from uuid import UUID

import psycopg
import pytest

from tests.support.bus import HandBus, outcome

RETRY = "SELECT commandbus.operator_retry('test', %s, 'anna')"
CANCEL = "SELECT commandbus.operator_cancel('test', %s, 'no longer wanted', 'anna')"
COMPLETE = """SELECT commandbus.operator_complete('test', %s, '{"by": "hand"}', 'anna')"""


@pytest.fixture
def parked(bus: HandBus) -> Callable[[], UUID]:
    def park() -> UUID:
        command_id = bus.send()
        bus.finish(outcome(command_id, bus.begin(command_id), "permanent"))
        return command_id

    return park


def test_a_retry_sends_a_new_message_and_starts_counting_anew(bus: HandBus, parked: Callable[[], UUID]) -> None:
    command_id = parked()
    old = bus.command(command_id)["msg_id"]
    new = bus.value(RETRY, [command_id])
    command = bus.command(command_id)
    assert (command["status"], command["attempts"], command["msg_id"]) == ("PENDING", 0, new)
    assert command["last_error_code"] is None
    assert (bus.queued(), bus.archived()) == ([new], [old])
    assert bus.value("SELECT count(*) FROM commandbus.parked") == 0
    details = bus.events(command_id)[-1]["details_json"]
    assert details == {"operator": "anna", "new_msg_id": new}
    bus.finish(outcome(command_id, bus.begin(command_id)))
    assert bus.word(command_id) == "SRTORC"


def test_a_cancel_is_final_and_replied(bus: HandBus, parked: Callable[[], UUID]) -> None:
    command_id = parked()
    bus.value(CANCEL, [command_id])
    assert bus.command(command_id)["status"] == "CANCELED"
    assert bus.word(command_id) == "SRTX"
    assert [(reply["outcome"], reply["reason"]) for reply in bus.replies()] == [("CANCELED", "no longer wanted")]


def test_a_completion_by_hand_stores_and_replies_its_result(bus: HandBus, parked: Callable[[], UUID]) -> None:
    command_id = parked()
    bus.value(COMPLETE, [command_id])
    assert bus.command(command_id)["status"] == "COMPLETED"
    assert bus.test_command(command_id)["result"] == {"by": "hand"}
    assert [(reply["outcome"], reply["result"]) for reply in bus.replies()] == [("SUCCESS", {"by": "hand"})]


@pytest.mark.parametrize("action", [RETRY, CANCEL, COMPLETE])
def test_what_is_not_parked_is_refused(bus: HandBus, action: str) -> None:
    command_id = bus.send()
    with pytest.raises(psycopg.errors.ObjectNotInPrerequisiteState, match="is not in the troubleshooting queue"):
        bus.value(action, [command_id])
    with pytest.raises(psycopg.errors.NoDataFound, match="does not exist"):
        bus.value(action, [UUID(int=1)])


def test_a_retry_without_its_archived_message_is_refused(bus: HandBus, parked: Callable[[], UUID]) -> None:
    command_id = parked()
    bus.conn.execute("DELETE FROM pgmq.a_test__commands")
    with pytest.raises(psycopg.errors.ObjectNotInPrerequisiteState, match="no longer in the archive"):
        bus.value(RETRY, [command_id])
    assert bus.command(command_id)["status"] == "IN_TROUBLESHOOTING_QUEUE"


def test_of_actions_at_the_same_time_exactly_one_wins(bus: HandBus, parked: Callable[[], UUID]) -> None:
    command_id = parked()

    def act(statement: str) -> bool:
        with bus.connect() as conn:
            try:
                conn.execute(statement, [command_id])
            except psycopg.errors.ObjectNotInPrerequisiteState:
                return False
            return True

    with ThreadPoolExecutor(6) as pool:
        won = list(pool.map(act, [RETRY, CANCEL, COMPLETE] * 2))
    assert won.count(True) == 1
    assert len(bus.queued()) == won[::3].count(True)
    assert len(bus.replies()) == won[1::3].count(True) + won[2::3].count(True)
