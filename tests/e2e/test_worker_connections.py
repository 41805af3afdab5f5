"""A worker's connections: few, and the same number whatever its concurrency."""

import pytest

from tests.e2e.conftest import StartWorker
from tests.support.waiting import wait_until
from tests.support.workers import COMPLETED, LiveBus

IN_USE = """
    SELECT application_name, count(*) AS n FROM pg_stat_activity
    WHERE datname = current_database() AND application_name LIKE 'runworker%%' GROUP BY 1 ORDER BY 1
"""


@pytest.mark.parametrize("concurrency", [1, 500])
def test_engine_native_uses_three(concurrency: int, bus: LiveBus, start_worker: StartWorker) -> None:
    worker = start_worker("--concurrency", str(concurrency), "--batch-size", "1000", "--no-sampler")
    done = bus.send()
    bus.wait_for_status(COMPLETED, [done])
    running = [bus.timeout(600_000) for _ in range(concurrency)]
    bus.wait_for_attempts(1, running)
    assert bus.worker_row(worker)["concurrency"] == concurrency
    assert worker.connections() == 3
    assert {row["application_name"]: row["n"] for row in bus.rows(IN_USE)} == {
        "runworker finish": 1,
        "runworker listen": 1,
        "runworker receive": 1,
    }


def test_the_one_that_samples_has_one_more(bus: LiveBus, start_worker: StartWorker) -> None:
    worker = start_worker()
    worker.wait_for("sampling")
    bus.wait_for_status(COMPLETED, [bus.send()])
    wait_until(lambda: worker.connections() == 4)
    names = {row["application_name"] for row in bus.rows(IN_USE)}
    assert "runworker sample" in names
    beside = start_worker()
    assert beside.connections() <= 3


def test_engine_library_uses_at_most_eight(bus: LiveBus, start_worker: StartWorker) -> None:
    worker = start_worker("--engine", "library", "--concurrency", "100", "--poll-interval", "0.1", "--no-sampler")
    sent = [bus.send() for _ in range(100)]
    most = 0
    while bus.statuses().get(COMPLETED, 0) < len(sent):
        most = max(most, worker.connections())
    assert 3 <= most <= 8
