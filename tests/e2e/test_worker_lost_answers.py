"""A statement that the server carried out and whose answer never came: an attempt ends once all the same.

Every finish that is sent for the first time loses its answer here.
"""

import pytest

from tests.e2e.conftest import StartWorker
from tests.support.proxy import Proxy
from tests.support.workers import COMPLETED, PARKED, LiveBus, Worker

FIRST_FINISH = b'"again":false'


@pytest.fixture
def worker(proxy: Proxy, start_worker: StartWorker) -> Worker:
    """A worker on the other side of the proxy."""
    return start_worker("--poll-interval", "60", "--concurrency", "20", DATABASE_URL=proxy.url)


def test_an_end_that_counted_is_written_once(bus: LiveBus, proxy: Proxy, worker: Worker) -> None:
    bus.settings(base_delay_ms=100, max_delay_ms=100)
    proxy.cut(FIRST_FINISH)
    successes = [bus.timeout(200 * i) for i in range(3)]
    recovers = bus.send({"type": "fail_transient_then_succeed", "transient_failures": 2})
    permanent, transient = bus.send({"type": "fail_permanent"}), bus.send({"type": "fail_transient"})
    bus.wait_for_status(COMPLETED, [*successes, recovers])
    bus.wait_for_status(PARKED, [permanent, transient])

    bus.assert_done_once([*successes, recovers])
    assert [bus.word(command_id) for command_id in successes] == ["SRC"] * 3
    assert [bus.word(command_id) for command_id in (recovers, permanent, transient)] == ["SRFRFRC", "SRT", "SRFRFRT"]
    assert proxy.cuts >= 3
    assert worker.stop() == 0
    row = bus.worker_row(worker)
    assert [row[key] for key in ("received", "completed", "retried", "parked", "late")] == [10, 4, 4, 2, 0]


def test_a_late_end_is_written_once(bus: LiveBus, proxy: Proxy, worker: Worker) -> None:
    bus.settings(visibility_timeout=1)
    worker.wait_for("settings_applied")
    proxy.cut(FIRST_FINISH)
    long = bus.timeout(1500)
    bus.wait_for_word("SRRCc", long)
    assert worker.stop() == 0
    assert bus.word(long) == "SRRCc"
    bus.assert_done_once([long], attempts=2)
    assert proxy.cuts == 2
    row = bus.worker_row(worker)
    assert (row["completed"], row["late"]) == (1, 1)


def test_a_receive_whose_answer_is_lost_costs_one_delivery(bus: LiveBus, proxy: Proxy, worker: Worker) -> None:
    bus.settings(visibility_timeout=1)
    worker.wait_for("settings_applied")
    proxy.cut(b"receive_commands", b"TestCommand")
    lost = bus.send()
    bus.wait_for_attempts(1, [lost])
    proxy.cut(b"")
    bus.wait_for_status(COMPLETED, [lost])
    assert (bus.word(lost), proxy.cuts) == ("SRRC", 1)
    bus.assert_done_once([lost])
