"""Workers that die or stand still in the middle of a command: nothing is lost, nothing counts twice."""

import signal

from tests.e2e.conftest import StartWorker
from tests.support.workers import COMPLETED, PARKED, LiveBus

LONG_MS = 600_000


def test_what_a_killed_worker_held_is_done_by_another(bus: LiveBus, start_worker: StartWorker) -> None:
    bus.settings(visibility_timeout=1, concurrency=4)
    killed = start_worker()
    held = [bus.timeout(LONG_MS) for _ in range(4)]
    waiting = [bus.send() for _ in range(4)]
    bus.wait_for_attempts(1, held)
    killed.die()
    for command_id in held:
        bus.behave(command_id, {"type": "success"})

    assert start_worker("--once", ready=False).wait() == 0
    bus.assert_done_once(held)
    bus.assert_done_once(waiting, attempts=1)
    assert {bus.word(command_id) for command_id in held} == {"SRRC"}
    assert bus.worker_row(killed)["stopped_at"] is None


def test_a_command_whose_worker_dies_every_time_is_parked_after_its_deliveries(
    bus: LiveBus, start_worker: StartWorker
) -> None:
    bus.settings(visibility_timeout=1, concurrency=1)
    poison = bus.timeout(LONG_MS, max_attempts=3)
    for attempt in (1, 2, 3):
        worker = start_worker()
        bus.wait_for_attempts(attempt, [poison])
        worker.die()

    last = start_worker()
    bus.wait_for_status(PARKED, [poison])
    assert bus.word(poison) == "SRRRT"
    command = bus.command(poison)
    assert (command["attempts"], command["last_error_type"]) == (3, "TRANSIENT")
    assert command["last_error_code"] == bus.events(poison)[-1]["details_json"]["reason"] == "LEASE_EXPIRED"
    assert (bus.queued(), bus.archived(), bus.replies()) == ([], [command["msg_id"]], [])
    last.wait_for("parked")
    assert last.stop() == 0
    row = bus.worker_row(last)
    assert (row["received"], row["parked"]) == (0, 1)


def test_a_worker_that_stood_still_past_its_lease_changes_nothing_when_it_goes_on(
    bus: LiveBus, start_worker: StartWorker
) -> None:
    bus.settings(visibility_timeout=1, concurrency=3)
    frozen = start_worker()
    succeeds, fails = bus.timeout(3000), bus.send({"type": "fail_permanent", "execution_time_ms": 3000})
    keeps_failing = bus.send({"type": "fail_permanent", "execution_time_ms": 3000})
    held = [succeeds, fails, keeps_failing]
    bus.wait_for_attempts(1, held)
    frozen.signal(signal.SIGSTOP)
    for command_id in (succeeds, fails):
        bus.behave(command_id, {"type": "success"})
    bus.behave(keeps_failing, {"type": "fail_permanent", "error_code": "SECOND"})
    waiting = [bus.send() for _ in range(3)]

    second = start_worker()
    bus.wait_for_status(COMPLETED, [succeeds, fails, *waiting])
    bus.wait_for_status(PARKED, [keeps_failing])
    replies = bus.replies()
    frozen.signal(signal.SIGCONT)
    bus.wait_for_word("SRRCc", succeeds)
    bus.wait_for_word("SRRCf", fails)
    bus.wait_for_word("SRRTf", keeps_failing)

    for command_id in held:
        late = bus.events(command_id)[-1]["details_json"]
        assert late["attempt"] == 1
    assert (bus.status(succeeds), bus.status(fails), bus.status(keeps_failing)) == (COMPLETED, COMPLETED, PARKED)
    assert bus.command(keeps_failing)["last_error_code"] == "SECOND"
    bus.assert_done_once([succeeds, fails], attempts=2)
    bus.assert_done_once(waiting, attempts=1)
    assert bus.replies() == replies

    assert second.stop() == 0
    after = bus.send()
    bus.wait_for_status(COMPLETED, [after])
    assert frozen.stop() == 0
    assert bus.worker_row(frozen)["late"] == 3
