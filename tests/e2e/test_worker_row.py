"""The row by which the site knows a worker."""

import socket
from datetime import timedelta

from tests.e2e.conftest import StartWorker
from tests.support.waiting import wait_until
from tests.support.workers import COMPLETED, PARKED, LiveBus


def test_it_says_who_works_with_what_and_counts_what_became_of_the_attempts(
    bus: LiveBus, start_worker: StartWorker
) -> None:
    version = bus.settings(concurrency=6, base_delay_ms=50, max_delay_ms=50)
    worker = start_worker()
    row = bus.worker_row(worker)
    assert (row["host"], row["engine"], row["queue_name"]) == (socket.gethostname(), "native", "test__commands")
    assert (row["settings_version"], row["concurrency"], row["overrides"]) == (version, 6, {})
    assert (row["stopped_at"], row["received"], row["in_flight"]) == (None, 0, 0)
    assert str(row["worker_id"]) == worker.lines("started")[0]["worker"]

    ends = [bus.send(), bus.send({"type": "fail_transient_then_succeed", "transient_failures": 2})]
    parked = bus.send({"type": "fail_permanent"})
    long = bus.timeout(600_000)
    bus.wait_for_status(COMPLETED, ends)
    bus.wait_for_status(PARKED, [parked])
    counts = ("received", "completed", "retried", "parked", "failed", "late", "in_flight")
    wait_until(lambda: [bus.worker_row(worker)[name] for name in counts] == [6, 2, 2, 1, 0, 0, 1])
    assert bus.worker_row(worker)["beat_at"] > row["beat_at"]

    bus.behave(long, {"type": "success"})
    worker.die()
    assert bus.worker_row(worker)["stopped_at"] is None


def test_it_comes_back_when_it_was_deleted(bus: LiveBus, start_worker: StartWorker) -> None:
    worker = start_worker()
    started = bus.worker_row(worker)
    done = bus.send()
    bus.wait_for_status(COMPLETED, [done])
    wait_until(lambda: bus.value("SELECT clock_timestamp() - started_at > interval '1.5 s' FROM e2e_worker"))
    bus.conn.execute("DELETE FROM e2e_worker")
    wait_until(lambda: bus.rows("SELECT FROM e2e_worker"))
    row = bus.worker_row(worker)
    assert (row["worker_id"], row["completed"]) == (started["worker_id"], 1)
    assert abs(row["started_at"] - started["started_at"]) < timedelta(seconds=1)
    assert worker.stop() == 0
    assert bus.worker_row(worker)["stopped_at"] is not None


def test_a_new_worker_forgets_those_that_have_been_silent_for_a_day(bus: LiveBus, start_worker: StartWorker) -> None:
    worker = start_worker()
    worker.die()
    bus.conn.execute("UPDATE e2e_worker SET beat_at = beat_at - interval '25 hours'")
    start_worker()
    wait_until(lambda: not bus.rows("SELECT FROM e2e_worker WHERE pid = %s", [worker.pid]))
