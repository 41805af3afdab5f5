"""The database goes away and comes back: the worker goes on by itself, nothing is lost, and it says so once."""

import os
import signal
from collections.abc import Callable

import pytest

from commands.rules.words import DOMAIN, command_queue
from commands.worker.listener import LOCK, LOCK_CLASS, engine_lock
from e2e_site.embedded.cluster import Cluster
from tests.conftest import StartManage
from tests.e2e.conftest import StartWorker
from tests.support.waiting import wait_until
from tests.support.workers import COMPLETED, LiveBus, Worker


def said(worker: Worker) -> tuple[int, int]:
    return len(worker.lines("database_lost")), len(worker.lines("database_back"))


@pytest.mark.parametrize("engine", ["native", "library"])
def test_a_crash_of_the_server_loses_nothing(
    engine: str, throwaway_cluster: Callable[[], Cluster], start_manage: StartManage, start_worker: StartWorker
) -> None:
    server = throwaway_cluster()
    server.ensure_running()
    assert start_manage("setup", DATABASE_URL=server.url()).wait(60) == 0
    bus = LiveBus(server.url())
    bus.settings(visibility_timeout=3, concurrency=4)
    worker = start_worker("--engine", engine, DATABASE_URL=server.url())
    sent = [bus.timeout(100) for _ in range(60)]
    wait_until(lambda: bus.statuses().get(COMPLETED, 0) >= 10)
    postmaster = int(bus.value("SELECT split_part(pg_read_file('postmaster.pid'), E'\\n', 1)"))
    bus.conn.close()
    os.kill(postmaster, signal.SIGQUIT)  # what `pg_ctl stop -m immediate` does
    worker.wait_for("database_lost")
    wait_until(lambda: not server.is_running())
    server.ensure_running()

    bus = LiveBus(server.url())
    assert bus.statuses()[COMPLETED] < 60
    bus.wait_for_status(COMPLETED, sent)
    after = bus.send()
    bus.wait_for_status(COMPLETED, [after])
    assert worker.stop() == 0
    assert bus.queued() == []
    assert said(worker) == (1, 1)
    if engine == "native":  # the library counts attempts apart from receiving them, and may lose count
        bus.assert_done_once([*sent, after])
    bus.conn.close()


@pytest.mark.parametrize("engine", ["native", "library"])
def test_it_goes_on_when_all_its_connections_are_ended(engine: str, bus: LiveBus, start_worker: StartWorker) -> None:
    bus.settings(visibility_timeout=2, poll_interval=0.2)
    worker = start_worker("--engine", engine)
    first = bus.send()
    bus.wait_for_status(COMPLETED, [first])
    running = [bus.timeout(500) for _ in range(4)]
    waiting = [bus.send() for _ in range(4)]
    bus.wait_for_attempts(1, running)
    assert bus.end_connections("runworker") >= 3
    bus.wait_for_status(COMPLETED, [*running, *waiting])
    after = bus.send()
    bus.wait_for_status(COMPLETED, [after])
    assert worker.stop() == 0
    if engine == "native":
        bus.assert_done_once([*running, *waiting, after], attempts=1)
        assert said(worker) == (1, 1)


def test_it_hears_again_after_it_lost_the_connection_that_listens(bus: LiveBus, start_worker: StartWorker) -> None:
    worker = start_worker("--poll-interval", "60")
    first = bus.send()
    bus.wait_for_status(COMPLETED, [first])
    assert bus.end_connections("runworker listen") == 1
    worker.wait_for("database_back")
    second = bus.send()
    bus.wait_for_status(COMPLETED, [second], timeout=20)
    version = bus.settings(concurrency=7)
    wait_until(lambda: bus.worker_row(worker)["settings_version"] == version)
    assert worker.stop() == 0
    assert said(worker) == (1, 1)


def test_what_was_sent_while_it_did_not_listen_does_not_wait_for_the_poll(
    bus: LiveBus, start_worker: StartWorker
) -> None:
    worker = start_worker("--poll-interval", "60")
    with bus.conn.transaction():  # the end of the connection and the new message become visible at once
        sent = bus.send()
        assert bus.end_connections("runworker listen") == 1
    bus.wait_for_status(COMPLETED, [sent], timeout=20)
    assert worker.stop() == 0


def test_it_gives_way_with_an_error_where_the_other_engine_came_meanwhile(
    bus: LiveBus, start_worker: StartWorker
) -> None:
    worker = start_worker()
    # What a worker of the other engine holds as long as it lives.
    bus.conn.execute(LOCK, (LOCK_CLASS, engine_lock(command_queue(DOMAIN), "library")))
    bus.end_connections("runworker listen")
    worker.wait_for("other_engine")
    assert worker.wait() == 1
