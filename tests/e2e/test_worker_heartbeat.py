"""The heartbeat: while a worker lives, leases of long work are extended, where settings say so (engine ``native``)."""

import time

from tests.e2e.conftest import StartWorker
from tests.support.waiting import wait_until
from tests.support.workers import COMPLETED, LiveBus

LONG = {"type": "success", "execution_time_ms": 5000}
LONGER_THAN_A_LEASE_MS = 3000


def test_long_work_keeps_its_lease_and_a_timeout_does_not(bus: LiveBus, start_worker: StartWorker) -> None:
    bus.settings(visibility_timeout=2, concurrency=10, heartbeat=True)
    worker = start_worker()
    long, overrun = bus.send(LONG), bus.timeout(LONGER_THAN_A_LEASE_MS)
    bus.wait_for_status(COMPLETED, [long, overrun])
    bus.wait_for_word("SRRCc", overrun)
    assert bus.word(long) == "SRC"
    assert worker.stop() == 0


def test_switched_on_while_work_runs_it_holds_from_then_on(bus: LiveBus, start_worker: StartWorker) -> None:
    bus.settings(visibility_timeout=3, concurrency=10)
    worker = start_worker()
    long = bus.send(LONG)
    bus.wait_for_attempts(1, [long])
    bus.settings(heartbeat=True)
    bus.wait_for_word("SRC", long)
    assert worker.stop() == 0


def test_when_the_worker_dies_its_work_comes_again_after_one_lease(bus: LiveBus, start_worker: StartWorker) -> None:
    bus.settings(visibility_timeout=2, concurrency=10, heartbeat=True)
    first = start_worker()
    long = bus.send(LONG)
    bus.wait_for_attempts(1, [long])
    began = time.monotonic()
    wait_until(lambda: time.monotonic() >= began + 3)  # one lease and a half: it lives on by extension
    assert bus.word(long) == "SR"
    first.die()
    bus.behave(long, {"type": "success"})
    died = time.monotonic()
    second = start_worker()
    bus.wait_for_word("SRRC", long, timeout=10)
    assert time.monotonic() - died < 10
    assert second.stop() == 0
