"""How a worker ends when it is told to: what runs is drained, what cannot be drained comes again."""

import signal

import pytest

from tests.e2e.conftest import StartWorker
from tests.support.proxy import Proxy
from tests.support.waiting import wait_until
from tests.support.workers import COMPLETED, LiveBus


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_first_signal_drains_what_runs_takes_nothing_more_and_exits_0(
    number: signal.Signals, bus: LiveBus, start_worker: StartWorker
) -> None:
    worker = start_worker("--concurrency", "3")
    running = [bus.timeout(1000) for _ in range(3)]
    waiting = bus.send()
    bus.wait_for_attempts(1, running)
    worker.signal(number)

    assert worker.wait() == 0
    bus.assert_done_once(running, attempts=1)
    assert (bus.status(waiting), bus.command(waiting)["attempts"]) == ("PENDING", 0)
    assert worker.lines("stopped")[0]["received"] == 3
    row = bus.worker_row(worker)
    assert (row["received"], row["completed"], row["in_flight"]) == (3, 3, 0)
    assert row["stopped_at"] is not None


def test_engine_library_drains_too(bus: LiveBus, start_worker: StartWorker) -> None:
    worker = start_worker("--engine", "library", "--concurrency", "2", "--poll-interval", "0.1")
    running = [bus.timeout(800) for _ in range(2)]
    bus.wait_for_attempts(1, running)
    assert worker.stop() == 0
    bus.wait_for_status(COMPLETED, running, timeout=0)


@pytest.mark.parametrize("engine", ["native", "library"])
def test_when_the_grace_runs_out_it_exits_1_with_the_number_and_the_rest_comes_again(
    engine: str, bus: LiveBus, start_worker: StartWorker
) -> None:
    bus.settings(visibility_timeout=2, concurrency=3, poll_interval=0.1)
    worker = start_worker("--engine", engine, "--grace", "0.3")
    long = [bus.timeout(600_000) for _ in range(3)]
    bus.wait_for_attempts(1, long)
    assert worker.stop() == 1
    assert worker.lines("stopped")[0]["abandoned"] == 3
    assert bus.statuses() == {"IN_PROGRESS": 3}

    for command_id in long:
        bus.behave(command_id, {"type": "success"})
    assert start_worker("--engine", engine, "--once", ready=False).wait() == 0
    bus.assert_done_once(long, attempts=2)


@pytest.mark.parametrize("engine", ["native", "library"])
def test_the_second_signal_stops_at_once(engine: str, bus: LiveBus, start_worker: StartWorker) -> None:
    worker = start_worker("--engine", engine, "--grace", "600", "--poll-interval", "0.1")
    long = [bus.timeout(600_000) for _ in range(2)]
    bus.wait_for_attempts(1, long)
    worker.signal(signal.SIGTERM)
    worker.wait_for("signal")
    worker.signal(signal.SIGINT)
    assert worker.wait() == 1
    assert worker.lines("stopped")[0]["abandoned"] == 2


@pytest.mark.parametrize(("grace", "signals"), [("1", 1), ("600", 2)])
def test_it_ends_in_time_even_where_the_server_no_longer_answers(
    grace: str, signals: int, bus: LiveBus, proxy: Proxy, start_worker: StartWorker
) -> None:
    worker = start_worker("--grace", grace, "--concurrency", "1", DATABASE_URL=proxy.url)
    bus.timeout(600_000)
    wait_until(lambda: bus.worker_row(worker)["in_flight"] == 1)
    proxy.hold()
    for count in range(1, signals + 1):
        worker.signal(signal.SIGTERM)
        worker.wait_for("signal", count=count)
    assert worker.wait(timeout=20) == 1
    assert worker.lines("stopped")[0]["abandoned"] == 1


def test_a_receive_that_gets_no_answer_counts_as_given_up_and_comes_again(
    bus: LiveBus, proxy: Proxy, start_worker: StartWorker
) -> None:
    bus.settings(visibility_timeout=1)
    worker = start_worker("--grace", "0.5", "--poll-interval", "60", DATABASE_URL=proxy.url)
    proxy.cut(b"receive_commands", b"TestCommand", silent=True)
    sent = bus.send()
    bus.wait_for_attempts(1, [sent])
    wait_until(lambda: proxy.cuts)
    assert worker.stop() == 1
    assert worker.lines("stopped")[0]["abandoned"] == 1

    assert start_worker("--once", ready=False).wait() == 0
    bus.assert_done_once([sent], attempts=2)
