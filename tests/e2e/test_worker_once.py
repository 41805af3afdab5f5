"""``--once`` and ``--max-wait``: a worker that ends by itself, and what its exit code says."""

import pytest

from tests.e2e.conftest import StartWorker
from tests.support.proxy import Proxy
from tests.support.workers import COMPLETED, PARKED, LiveBus

ENGINES = pytest.mark.parametrize("engine", ["native", "library"])


@ENGINES
def test_once_waits_for_retries_and_for_what_others_hold_and_exits_0(
    engine: str, bus: LiveBus, start_worker: StartWorker
) -> None:
    bus.settings(base_delay_ms=500, max_delay_ms=500, poll_interval=0.2)
    quick = bus.send()
    slow = bus.timeout(700)
    retried = bus.send({"type": "fail_transient_then_succeed", "transient_failures": 2})
    parked = bus.send({"type": "fail_permanent"})
    held = bus.send()
    bus.value("SELECT pgmq.set_vt('test__commands', %s, 2)::text", [bus.command(held)["msg_id"]])
    worker = start_worker("--engine", engine, "--once", ready=False)
    assert worker.wait() == 0
    assert bus.queued() == []
    bus.assert_done_once([quick, slow, held], attempts=1)
    bus.assert_done_once([retried], attempts=3)
    assert bus.status(parked) == PARKED


@ENGINES
def test_once_on_an_empty_queue_ends_at_once(engine: str, bus: LiveBus, start_worker: StartWorker) -> None:
    bus.settings(poll_interval=60)
    assert start_worker("--engine", engine, "--once", ready=False).wait(timeout=15) == 0


@ENGINES
def test_when_max_wait_is_over_it_exits_3_with_the_number_left(
    engine: str, bus: LiveBus, start_worker: StartWorker
) -> None:
    bus.settings(base_delay_ms=3_600_000, max_delay_ms=3_600_000, poll_interval=60)
    done = bus.send()
    waiting = [bus.send({"type": "fail_transient"}) for _ in range(2)]
    worker = start_worker("--engine", engine, "--once", "--max-wait", "1.5", ready=False)
    assert worker.wait() == 3
    assert worker.lines("stopped")[0]["left"] == 2
    bus.wait_for_status(COMPLETED, [done], timeout=0)
    bus.wait_for_status("IN_PROGRESS", waiting, timeout=0)


def test_when_max_wait_is_over_and_nothing_is_left_it_exits_0(bus: LiveBus, start_worker: StartWorker) -> None:
    worker = start_worker("--max-wait", "1", ready=False)
    sent = bus.send()
    assert worker.wait() == 0
    assert bus.status(sent) == COMPLETED


def test_what_runs_when_max_wait_is_over_may_end(bus: LiveBus, start_worker: StartWorker) -> None:
    running = bus.timeout(2500)
    worker = start_worker("--once", "--max-wait", "1", ready=False)
    assert worker.wait() == 0
    bus.assert_done_once([running], attempts=1)


def test_when_nobody_can_tell_what_is_left_it_does_not_claim_that_nothing_is(
    bus: LiveBus, proxy: Proxy, start_worker: StartWorker
) -> None:
    worker = start_worker("--once", "--max-wait", "2", "--grace", "0", DATABASE_URL=proxy.url, ready=False)
    bus.timeout(600_000)
    worker.wait_for("started")
    proxy.hold()
    assert worker.wait() == 3
    assert worker.lines("stopped")[0]["left"] == "unknown"
