"""SIGTERM, and SIGSTOP past the lease, of a worker under load."""

import signal

from tests.e2e.conftest import MakeLoad
from tests.support.load import LEAST_IN_FLIGHT
from tests.support.waiting import wait_until

STOPS = 3


def test_a_worker_that_is_told_to_stop_loses_no_attempt(make_load: MakeLoad) -> None:
    load = make_load(lease=20)
    worker = load.worker()
    with load.stream.running(), load.fault() as fault:
        for _ in range(STOPS):
            load.wait_for_some_time()
            fault.hit(len(load.catch(worker)))
            worker.signal(signal.SIGTERM)
            worker.signal(signal.SIGCONT)
            assert worker.wait() == 0
            fault.ended_at = load.now()
            worker = load.worker()
    load.assert_kept(exact=True)


def test_a_worker_that_stood_still_past_its_lease_changes_nothing_and_goes_on(make_load: MakeLoad) -> None:
    load = make_load(lease=2)
    frozen = load.worker()
    with load.stream.running():
        with load.fault() as fault:
            load.wait_for_some_time()
            held = load.catch(frozen, idle=True)
            fault.hit(len(held))
            load.worker()
            wait_until(lambda: load.are_final(held), 20, "What it held, done by the second worker")
            received = load.bus.worker_row(frozen)["received"]
            frozen.signal(signal.SIGCONT)
        wait_until(lambda: load.bus.worker_row(frozen)["received"] > received, 10, "It goes on receiving")
    verdict = load.assert_kept()
    assert verdict.redelivered >= LEAST_IN_FLIGHT
    assert verdict.late >= load.bus.worker_row(frozen)["late"] >= LEAST_IN_FLIGHT
