"""A paused worker takes nothing, finishes what it has, and goes on when it is resumed."""

import pytest

from tests.e2e.conftest import StartWorker
from tests.support.waiting import wait_until
from tests.support.workers import COMPLETED, LiveBus


@pytest.mark.parametrize("engine", ["native", "library"])
def test_a_pause_lets_attempts_end_and_nothing_begin_until_it_is_over(
    engine: str, bus: LiveBus, start_worker: StartWorker
) -> None:
    bus.settings(poll_interval=0.2)
    worker = start_worker("--engine", engine)
    running = bus.timeout(1000)
    bus.wait_for_attempts(1, [running])
    version = bus.settings(paused=True)
    wait_until(lambda: bus.worker_row(worker)["settings_version"] == version, timeout=2)
    waiting = bus.send()
    bus.wait_for_status(COMPLETED, [running])  # it ended after the other could have begun
    assert bus.word(waiting) == "S"
    assert worker.lines("paused")

    bus.settings(paused=False)
    bus.wait_for_status(COMPLETED, [waiting], timeout=5)
    assert worker.stop() == 0


def test_once_does_not_wait_for_the_end_of_a_pause(bus: LiveBus, start_worker: StartWorker) -> None:
    bus.settings(paused=True)
    assert start_worker("--once", ready=False).wait() == 0  # nothing is left in an empty queue
    sent = bus.send()
    worker = start_worker("--once", "--max-wait", "60", ready=False)
    assert worker.wait(timeout=20) == 3
    (stopped,) = worker.lines("stopped")
    assert (stopped["message"], stopped["left"]) == ("stopped: the queue is paused", 1)
    assert bus.word(sent) == "S"
