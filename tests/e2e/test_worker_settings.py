"""Settings reach a running worker, at once and without a restart."""

import time

from tests.e2e.conftest import StartWorker
from tests.support.waiting import wait_until
from tests.support.workers import COMPLETED, LiveBus

LONG_MS = 600_000
LEASE = "SELECT extract(epoch FROM vt - clock_timestamp())::float FROM pgmq.q_test__commands WHERE msg_id = %s"


def test_a_saved_setting_is_acknowledged_within_2_seconds(bus: LiveBus, start_worker: StartWorker) -> None:
    workers = [start_worker("--poll-interval", "60") for _ in range(2)]

    def acknowledged() -> bool:
        newest = {
            (row["version"], row["concurrency"]) for row in bus.rows("SELECT version, concurrency FROM e2e_config")
        }
        rows = [bus.worker_row(worker) for worker in workers]
        return {(row["settings_version"], row["concurrency"]) for row in rows} == newest

    began = time.monotonic()
    for concurrency in (5, 6, 7, 8):
        bus.settings(concurrency=concurrency)
        wait_until(acknowledged, timeout=2)
    # By notification: by the beats alone, one each 2 s, all four would take 6 s or more.
    assert time.monotonic() - began < 4


def test_with_more_slots_more_starts_at_once(bus: LiveBus, start_worker: StartWorker) -> None:
    bus.settings(concurrency=2, poll_interval=60)
    start_worker()
    sent = [bus.timeout(LONG_MS) for _ in range(4)]
    bus.wait_for_attempts(1, sent[:2])
    bus.settings(concurrency=4)
    bus.wait_for_attempts(1, sent, timeout=20)


def test_with_fewer_slots_nothing_starts_until_enough_have_ended(bus: LiveBus, start_worker: StartWorker) -> None:
    bus.settings(concurrency=3)
    worker = start_worker()
    running = [bus.timeout(ms) for ms in (600, 900, 1200)]
    bus.wait_for_attempts(1, running)
    bus.settings(concurrency=1)
    worker.wait_for("settings_applied")
    after = [bus.timeout(200) for _ in range(3)]
    bus.wait_for_status(COMPLETED, [*running, *after])

    *_, last_running, first, second, third = (bus.events(command_id)[1]["ts"] for command_id in (*running, *after))
    assert (first - last_running).total_seconds() >= 1.2
    assert (second - first).total_seconds() >= 0.2
    assert (third - second).total_seconds() >= 0.2


def test_options_of_the_command_line_win_over_saved_settings(bus: LiveBus, start_worker: StartWorker) -> None:
    worker = start_worker("--concurrency", "2", "--visibility-timeout", "40", "--no-heartbeat")
    version = bus.settings(concurrency=9, visibility_timeout=50, base_delay_ms=10, heartbeat=True)
    wait_until(lambda: bus.worker_row(worker)["settings_version"] == version)
    row = bus.worker_row(worker)
    own = {"concurrency": 2, "visibility_timeout": 40, "heartbeat": False}
    assert (row["concurrency"], row["overrides"]) == (2, own)
    sent = [bus.timeout(LONG_MS) for _ in range(4)]
    bus.wait_for_attempts(1, sent[:2])
    assert round(bus.value(LEASE, [bus.command(sent[0])["msg_id"]]), -1) == 40
    assert bus.statuses() == {"IN_PROGRESS": 2, "PENDING": 2}


def test_a_new_lease_counts_from_the_next_read_and_a_new_backoff_from_the_next_attempt(
    bus: LiveBus, start_worker: StartWorker
) -> None:
    bus.settings(visibility_timeout=500, base_delay_ms=100_000, max_delay_ms=100_000)
    worker = start_worker()
    before, fails_before = bus.timeout(LONG_MS), bus.send({"type": "fail_transient", "execution_time_ms": 1000})
    bus.wait_for_attempts(1, [before, fails_before])
    bus.settings(visibility_timeout=1000, base_delay_ms=200_000, max_delay_ms=200_000)
    worker.wait_for("settings_applied")
    after, fails_after = bus.timeout(LONG_MS), bus.send({"type": "fail_transient"})
    bus.wait_for_attempts(1, [after])
    bus.wait_for_word("SRF", fails_before)
    bus.wait_for_word("SRF", fails_after)

    seconds = [bus.value(LEASE, [bus.command(each)["msg_id"]]) for each in (before, fails_before, after, fails_after)]
    assert [round(value, -2) for value in seconds] == [500, 100, 1000, 200]


def test_engine_library_takes_new_settings_too(bus: LiveBus, start_worker: StartWorker) -> None:
    worker = start_worker("--engine", "library")
    version = bus.settings(concurrency=9, poll_interval=0.2)
    wait_until(lambda: bus.worker_row(worker)["settings_version"] == version, timeout=2)
    sent = [bus.timeout(LONG_MS) for _ in range(9)]
    bus.wait_for_attempts(1, sent)
