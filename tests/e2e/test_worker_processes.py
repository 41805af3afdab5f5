"""``--processes``: several workers under one supervisor that replaces what dies and passes a stop on."""

import os
import signal
from contextlib import suppress

import psutil

from commands.rules.words import DOMAIN, command_queue
from commands.worker.listener import LOCK, LOCK_CLASS, engine_lock
from tests.e2e.conftest import StartWorker
from tests.support.waiting import wait_until
from tests.support.workers import COMPLETED, LiveBus, Worker

WORKERS = "SELECT pid, engine, overrides, stopped_at FROM e2e_worker ORDER BY pid"


def children(worker: Worker) -> list[int]:
    """The process ids that it said it started."""
    return [line["pid"] for line in worker.lines("process_started")]


def gone(pids: list[int]) -> bool:
    """Whether none of them runs; nobody may have waited for one that ended."""
    with suppress(psutil.NoSuchProcess):
        return all(psutil.Process(pid).status() == psutil.STATUS_ZOMBIE for pid in pids if psutil.pid_exists(pid))
    return False


def test_a_killed_process_is_replaced_and_every_command_ends(bus: LiveBus, start_worker: StartWorker) -> None:
    bus.settings(visibility_timeout=4, concurrency=2, poll_interval=0.5)
    worker = start_worker("--processes", "3")
    worker.wait_for("started", count=3)
    running = [bus.timeout(2000) for _ in range(6)]
    bus.wait_for_attempts(1, running)
    victim = children(worker)[1]
    os.kill(victim, signal.SIGKILL)
    after = [bus.send() for _ in range(20)]

    ended = worker.wait_for("process_ended")
    assert ended["pid"] == victim
    assert "ended by signal 9; it is started again in 1 s" in ended["message"]
    worker.wait_for("started", count=4)
    bus.wait_for_status(COMPLETED, [*running, *after])
    assert sum(bus.command(command_id)["attempts"] for command_id in running) == 6 + 2  # two were in its slots
    bus.assert_done_once([*running, *after])

    # Each line says whose it is, by the process id of the worker's row.
    pids = {row["pid"] for row in bus.rows(WORKERS)}
    assert {line["pid"] for line in worker.lines("completed")} <= pids == set(children(worker))
    assert worker.stop() == 0
    assert all(row["stopped_at"] for row in bus.rows(WORKERS) if row["pid"] != victim)


def test_one_that_died_and_is_not_started_again_yet_is_no_failure_of_a_stop(
    bus: LiveBus, start_worker: StartWorker
) -> None:
    worker = start_worker("--processes", "2")
    worker.wait_for("started", count=2)
    os.kill(children(worker)[0], signal.SIGKILL)
    worker.wait_for("process_ended")
    assert worker.stop() == 0
    assert len(children(worker)) == 2, "it was stopped before it was started again"


def test_a_ctrl_c_reaches_each_process_once_and_each_drains(bus: LiveBus, start_worker: StartWorker) -> None:
    worker = start_worker("--processes", "2", "--concurrency", "2")
    worker.wait_for("started", count=2)
    running = [bus.timeout(1500) for _ in range(4)]
    bus.wait_for_attempts(1, running)
    os.killpg(worker.pid, signal.SIGINT)  # as a terminal does: to the whole group
    assert worker.wait() == 0
    assert sorted(line["pid"] for line in worker.lines("signal")) == sorted(children(worker))
    assert {line["message"] for line in worker.lines("signal")} == {"draining"}
    bus.assert_done_once(running, attempts=1)
    assert worker.lines("processes_ended")[0]["exit_code"] == 0


def test_the_second_signal_ends_all_at_once(bus: LiveBus, start_worker: StartWorker) -> None:
    worker = start_worker("--processes", "2", "--concurrency", "1", "--grace", "600")
    worker.wait_for("started", count=2)
    bus.wait_for_attempts(1, [bus.timeout(600_000) for _ in range(2)])
    worker.signal(signal.SIGTERM)
    worker.wait_for("signal", count=2)
    worker.signal(signal.SIGTERM)
    assert worker.wait() == 1
    assert [line["abandoned"] for line in worker.lines("stopped")] == [1, 1]


def test_when_it_is_killed_itself_its_processes_drain_and_end(bus: LiveBus, start_worker: StartWorker) -> None:
    worker = start_worker("--processes", "2", "--concurrency", "1")
    worker.wait_for("started", count=2)
    running = [bus.timeout(1000) for _ in range(2)]
    bus.wait_for_attempts(1, running)
    worker.die()
    wait_until(lambda: gone(children(worker)))
    bus.assert_done_once(running, attempts=1)
    assert all(row["stopped_at"] for row in bus.rows(WORKERS))


def test_once_ends_when_the_queue_is_empty_and_restarts_nobody(bus: LiveBus, start_worker: StartWorker) -> None:
    bus.settings(base_delay_ms=300, max_delay_ms=300, poll_interval=0.2)
    sent = [bus.send() for _ in range(20)]
    retried = bus.send({"type": "fail_transient_then_succeed", "transient_failures": 1})
    worker = start_worker("--processes", "2", "--once", "--no-heartbeat", "--batch-size", "3", ready=False)
    assert worker.wait(60) == 0
    bus.assert_done_once([*sent, retried])
    assert len(children(worker)) == len(worker.lines("stopped")) == 2
    assert [row["overrides"] for row in bus.rows(WORKERS)] == [{"batch_size": 3, "heartbeat": False}] * 2


def test_when_max_wait_is_over_it_exits_3(bus: LiveBus, start_worker: StartWorker) -> None:
    bus.settings(base_delay_ms=3_600_000, max_delay_ms=3_600_000)
    delayed = bus.send({"type": "fail_transient"})
    worker = start_worker("--processes", "2", "--once", "--max-wait", "4", ready=False)
    bus.wait_for_word("SRF", delayed)
    assert worker.wait() == 3
    assert [line["left"] for line in worker.lines("stopped")] == [1, 1]


def test_it_does_not_start_beside_the_other_engine_and_ends_with_it_when_one_cannot_start_again(
    bus: LiveBus, start_worker: StartWorker
) -> None:
    library = start_worker("--engine", "library")
    refused = start_worker("--processes", "2", ready=False)
    assert refused.wait() == 2
    (line,) = refused.program.output.splitlines()
    assert "1 worker(s) with engine library work on queue test__commands" in line
    assert library.stop() == 0

    worker = start_worker("--processes", "1")
    (only,) = children(worker)
    # What a worker of the other engine holds as long as it lives.
    bus.conn.execute(LOCK, (LOCK_CLASS, engine_lock(command_queue(DOMAIN), "library")))
    os.kill(only, signal.SIGKILL)
    assert worker.wait() == 2
    assert "1 worker(s) with engine library work on queue test__commands" in worker.program.output
    assert len(children(worker)) == 2


def test_what_it_sends_to_its_processes_is_their_whole_command_line(
    bus: LiveBus, start_worker: StartWorker, orders: str
) -> None:
    worker = start_worker("--processes", "1", "--domain", orders, "--poll-interval", "0.5", "--concurrency", "7")
    row = bus.rows("SELECT queue_name, concurrency, overrides FROM e2e_worker")[0]
    assert (row["queue_name"], row["concurrency"]) == ("orders__commands", 7)
    assert row["overrides"] == {"concurrency": 7, "poll_interval": 0.5}
    assert worker.stop() == 0
