"""What is wrong with one command or one message delays and spoils no other."""

from uuid import UUID, uuid4

from tests.e2e.conftest import StartWorker
from tests.support.workers import COMPLETED, PARKED, LiveBus

LOCK = "SELECT FROM commandbus.command WHERE command_id = %s FOR UPDATE"


def test_a_locked_command_waits_and_the_others_go_on(bus: LiveBus, start_worker: StartWorker) -> None:
    waiting = bus.send()
    with bus.connect() as other:
        other.execute(LOCK, [waiting])
        worker = start_worker("--concurrency", "4", "--poll-interval", "60")
        ending = bus.timeout(500)
        bus.wait_for_attempts(1, [ending])
        other.execute(LOCK, [ending])
        others = [bus.timeout(200) for _ in range(20)]  # longer than a second with the free slots
        bus.wait_for_status(COMPLETED, others)
        assert (bus.word(waiting), bus.word(ending)) == ("S", "SR")
    bus.wait_for_status(COMPLETED, [waiting, ending], timeout=20)
    bus.assert_done_once([waiting, ending, *others], attempts=1)
    assert worker.stop() == 0


def test_malformed_messages_are_rejected_once_and_good_ones_go_on(bus: LiveBus, start_worker: StartWorker) -> None:
    start_worker("--concurrency", "2")
    stranger = str(uuid4())
    bad = ["text", [1, 2], None, {}, {"command_id": "no-uuid"}, {"command_id": 7}, {"command_id": stranger}]
    good: list[UUID] = []
    rejected = []
    for message in bad:
        good.append(bus.send())
        rejected.append(bus.send_message(message))
    good.append(bus.send())
    bus.wait_for_status(COMPLETED, good)
    bus.assert_done_once(good, attempts=1)

    events = bus.rows("SELECT * FROM commandbus.audit WHERE event_type = 'MESSAGE_REJECTED' ORDER BY audit_id")
    assert [event["details_json"]["msg_id"] for event in events] == rejected
    assert [event["details_json"]["reason"] for event in events] == [
        *["not an object"] * 3,
        "no command_id",
        "bad command_id",
        "bad command_id",
        "unknown command",
    ]
    assert stranger in events[-1]["details_json"]["message"]
    assert (bus.queued(), bus.archived()) == ([], rejected)


def test_a_reply_queue_that_is_missing_parks_that_command_and_no_other(bus: LiveBus, start_worker: StartWorker) -> None:
    worker = start_worker("--concurrency", "10")
    with bus.conn.transaction():  # seen by the worker all at once
        good = [bus.timeout(100) for _ in range(4)]
        unanswerable = bus.send({"type": "timeout", "execution_time_ms": 100}, reply="nobody")
        good += [bus.timeout(100) for _ in range(4)]
    bus.wait_for_status(COMPLETED, good)
    bus.wait_for_status(PARKED, [unanswerable])
    bus.assert_done_once(good, attempts=1)
    command = bus.command(unanswerable)
    assert bus.word(unanswerable) == "SRT"
    assert (command["last_error_type"], command["last_error_code"]) == ("PERMANENT", "UndefinedTable")
    assert "q_nobody" in command["last_error_msg"]
    assert bus.test_command(unanswerable)["result"] is None
    assert worker.stop() == 0
    row = bus.worker_row(worker)
    assert (row["completed"], row["parked"], row["late"]) == (8, 1, 0)
