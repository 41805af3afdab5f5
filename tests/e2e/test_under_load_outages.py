"""Connections and the server itself lost under load."""

import os
import signal
import time
from collections.abc import Callable

import pytest

from e2e_site.embedded.cluster import Cluster
from tests.conftest import StartManage
from tests.e2e.conftest import MakeLoad, StartWorker
from tests.support.load import LEAST_IN_FLIGHT, LONGEST_BACKOFF_S, Load
from tests.support.waiting import wait_until
from tests.support.workers import LiveBus

pytestmark = pytest.mark.long  # the scenarios of the bench do the same in little

# All connections of the workers end, if enough is in flight at that moment.
TERMINATE = """
    SELECT in_flight, CASE WHEN in_flight >= %s THEN (
        SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
        WHERE datname = current_database() AND starts_with(application_name, 'runworker')) ELSE 0 END AS ended
    FROM (SELECT count(*) AS in_flight FROM pgmq.q_test__commands
          WHERE vt > clock_timestamp() + make_interval(secs => %s)) q
"""
TERMINATIONS, EVERY_S = 10, 0.5


def test_connections_that_end_twice_a_second_lose_nothing(make_load: MakeLoad) -> None:
    load = make_load(lease=2)
    worker = load.worker()
    ended: list[int] = []

    def terminated() -> bool:
        row = load.bus.rows(TERMINATE, [LEAST_IN_FLIGHT, LONGEST_BACKOFF_S])[0]
        if row["ended"]:
            fault.hit(row["in_flight"])
            ended.append(row["ended"])
        return bool(row["ended"])

    with load.stream.running(), load.fault() as fault:
        load.wait_for_some_time()
        for number in range(TERMINATIONS):
            wait_until(terminated, 5, f"Termination {number}")
            due = fault.began + len(ended) * EVERY_S
            wait_until(lambda due=due: time.monotonic() >= due)  # type: ignore[misc]  # bound now, not at the end
    load.assert_kept()
    assert ended[0] >= 3, "Not all connections ended"
    assert len(worker.lines("database_lost")) > 1


def test_a_crash_of_the_server_loses_nothing_that_was_acknowledged(
    one_load_at_a_time: None,
    throwaway_cluster: Callable[[], Cluster],
    start_manage: StartManage,
    start_worker: StartWorker,
) -> None:
    server = throwaway_cluster()
    server.ensure_running()
    assert start_manage("setup", DATABASE_URL=server.url()).wait(60) == 0
    load = Load(LiveBus(server.url()), start_worker, lease=2)
    worker = load.worker()
    with load.stream.running(), load.fault() as fault:
        load.wait_for_some_time()
        postmaster = int(load.bus.value("SELECT split_part(pg_read_file('postmaster.pid'), E'\\n', 1)"))
        fault.hit(len(load.catch(worker)))
        os.kill(postmaster, signal.SIGQUIT)  # what `pg_ctl stop -m immediate` does
        worker.signal(signal.SIGCONT)
        worker.wait_for("database_lost")
        wait_until(lambda: not server.is_running())
        server.ensure_running()
        load.bus.conn.close()
        load.bus = LiveBus(server.url())
        fault.ended_at = load.bus.value("SELECT pg_postmaster_start_time()")
        wait_until(load.stream.is_on_time, 20, "The stream, made up for the time that it lost")
    load.assert_kept()
    assert len(worker.lines("database_lost")) == 1
    load.bus.conn.close()
