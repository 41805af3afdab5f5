"""A worker that cannot work says why in one line and does not start."""

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace

import psycopg

from e2e_site.embedded.cluster import Cluster
from tests.conftest import StartManage
from tests.e2e.conftest import StartWorker
from tests.support.workers import LiveBus, Worker


def refusal(worker: Worker, *, code: int = 2) -> str:
    """The one line with which it refused to start; `code` 1: later it may start all the same."""
    assert worker.wait() == code
    (line,) = worker.program.output.splitlines()
    assert line.startswith("CommandError: ")
    return line


def test_a_bad_value_of_an_option(committed: str, start_worker: StartWorker) -> None:
    line = refusal(start_worker("--concurrency=0", ready=False))
    assert "--concurrency must be a whole number from 1 to 500 (commands), not '0'" in line


def test_a_database_that_does_not_answer(start_worker: StartWorker) -> None:
    worker = start_worker(DATABASE_URL="postgres://nobody@127.0.0.1:1/nowhere", ready=False)
    line = refusal(worker, code=1)
    assert "The database cannot be used" in line
    assert "DATABASE_URL" in line


def test_a_database_without_the_schema(committed: str, start_worker: StartWorker) -> None:
    name = psycopg.conninfo.conninfo_to_dict(committed)["dbname"]
    with psycopg.connect(committed, autocommit=True) as server:
        server.execute(f'CREATE DATABASE "{name}_empty"')
        try:
            url = committed.replace(str(name), f"{name}_empty")
            worker = start_worker(DATABASE_URL=url, ready=False)
            assert worker.wait() == 2
        finally:
            server.execute(f'DROP DATABASE "{name}_empty" WITH (FORCE)')
    first, *others = worker.program.output.splitlines()
    assert first.startswith("CommandError: The schema is missing")
    assert all(line.endswith('Run "manage.py setup".') for line in (first, *others))


def test_a_domain_that_there_is_not(committed: str, start_worker: StartWorker) -> None:
    assert "--domain must be one of test, not 'live'" in refusal(start_worker("--domain", "live", ready=False))


def test_a_live_worker_of_the_other_engine_on_the_queue(bus: LiveBus, start_worker: StartWorker) -> None:
    first, also_first = start_worker(), start_worker()
    line = refusal(start_worker("--engine", "library", ready=False))
    assert "2 worker(s) with engine native work on queue test__commands" in line
    assert bus.value("SELECT count(*) FROM e2e_worker WHERE engine = 'library'") == 0

    assert first.stop() == 0
    also_first.die()
    library = start_worker("--engine", "library")
    assert "engine library" in refusal(start_worker("--engine", "native", ready=False))
    assert library.stop() == 0


def test_a_server_without_room_for_its_connections(
    throwaway_cluster: Callable[[], Cluster], start_manage: StartManage, start_worker: StartWorker
) -> None:
    server = replace(throwaway_cluster(), options={"max_connections": "12", "superuser_reserved_connections": "3"})
    server.ensure_running()
    url = server.url()
    assert start_manage("setup", DATABASE_URL=url).wait(60) == 0
    with ExitStack() as held:
        for _ in range(7):
            held.enter_context(psycopg.connect(url))
        line = refusal(start_worker(DATABASE_URL=url, ready=False), code=1)
        assert "this worker needs 3 connections; max_connections is 12, 3 are reserved, 7 are in use" in line
        line = refusal(start_worker("--processes", "2", DATABASE_URL=url, ready=False), code=1)
        assert "these 2 workers need 6 connections; max_connections is 12" in line
        for _ in range(5):
            held.enter_context(psycopg.connect(url))
        line = refusal(start_worker(DATABASE_URL=url, ready=False), code=1)
        assert "this worker needs 3 connections" in line
        assert "too many clients" in line
    assert start_worker("--once", DATABASE_URL=url, ready=False).wait() == 0
