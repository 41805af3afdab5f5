"""Workers behind a PgBouncer in transaction mode: their connections are another session in each transaction."""

import json
import signal
from collections.abc import Callable
from contextlib import ExitStack
from uuid import UUID

import psycopg
import pytest

from tests.conftest import StartManage
from tests.e2e.conftest import StartWorker
from tests.e2e.test_worker_refusals import refusal
from tests.support.pooler import SERVER_CONNECTIONS
from tests.support.waiting import wait_until
from tests.support.workers import COMPLETED, PARKED, LiveBus

ACTIVE = """
    SELECT count(*) FROM pg_stat_activity
    WHERE datname = current_database() AND state = 'active' AND pid <> pg_backend_pid()
"""

ENGINES = pytest.mark.parametrize("engine", ["native", "library"])

# What a session of the server would keep for the next client. A pooler itself sets what it tracks of its clients.
LEFT_BEHIND = """
    SELECT (SELECT count(*) FROM pg_prepared_statements) + (SELECT count(*) FROM pg_listening_channels())
         + (SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid())
         + (SELECT count(*) FROM pg_settings WHERE source = 'session' AND lower(name) NOT IN
              ('application_name', 'client_encoding', 'datestyle', 'standard_conforming_strings', 'timezone')),
           pg_backend_pid()
"""


def left_behind(pooled: str) -> dict[int, int]:
    """What is left in each of the server's sessions, by its process id; all of them are held for a moment."""
    with ExitStack() as stack:
        clients = [stack.enter_context(psycopg.connect(pooled)) for _ in range(SERVER_CONNECTIONS)]
        rows = [client.execute(LEFT_BEHIND).fetchone() or () for client in clients]
    return {pid: left for left, pid in rows}


def send_each(bus: LiveBus) -> dict[UUID, str]:
    """One command of each behavior, and the word that it has to come to."""
    return {
        bus.send(): "SRC",
        bus.timeout(300): "SRC",
        bus.send({"type": "fail_permanent"}): "SRT",
        bus.send({"type": "fail_transient"}): "SRFRFRT",
        bus.send({"type": "fail_transient_then_succeed", "transient_failures": 2}): "SRFRFRC",
    }


@ENGINES
def test_without_a_direct_way_it_polls_and_says_so_once(
    engine: str, bus: LiveBus, pooler: str, start_worker: StartWorker
) -> None:
    bus.settings(base_delay_ms=50, max_delay_ms=50, poll_interval=0.3, concurrency=20)
    worker = start_worker("--engine", engine, DATABASE_URL=pooler)
    words = send_each(bus)
    for command_id, word in words.items():
        bus.wait_for_word(word, command_id)
    (line,) = worker.lines("polling")
    assert "LISTEN_DATABASE_URL would name a direct way" in line["message"]
    assert bus.worker_row(worker)["polling"]
    sessions = left_behind(pooler)
    assert len(sessions) == SERVER_CONNECTIONS
    assert not any(sessions.values())
    assert worker.stop() == 0
    assert not worker.lines("database_lost")


def test_new_settings_are_taken_within_2_seconds_all_the_same(
    bus: LiveBus, pooler: str, start_worker: StartWorker
) -> None:
    worker = start_worker("--poll-interval", "60", DATABASE_URL=pooler)
    for concurrency in (5, 6):
        version = bus.settings(concurrency=concurrency)
        wait_until(lambda: bus.worker_row(worker)["settings_version"] == version, timeout=2)  # noqa: B023
        assert bus.worker_row(worker)["concurrency"] == concurrency


def test_with_a_direct_way_it_is_notified(committed: str, bus: LiveBus, pooler: str, start_worker: StartWorker) -> None:
    bus.settings(poll_interval=60)
    worker = start_worker(DATABASE_URL=pooler, LISTEN_DATABASE_URL=committed)
    for _ in range(3):
        sent = bus.send()
        bus.wait_for_status(COMPLETED, [sent], timeout=20)
    version = bus.settings(concurrency=7)
    wait_until(lambda: bus.worker_row(worker)["settings_version"] == version, timeout=2)
    assert not worker.lines("polling")
    assert not any(left_behind(pooler).values())
    assert worker.stop() == 0


def test_engine_library_polls_on_its_own_connections_even_so(
    committed: str, bus: LiveBus, pooler: str, start_worker: StartWorker
) -> None:
    bus.settings(poll_interval=0.3)
    worker = start_worker("--engine", "library", DATABASE_URL=pooler, LISTEN_DATABASE_URL=committed)
    sent = [bus.send() for _ in range(5)]
    bus.wait_for_status(COMPLETED, sent)
    assert not any(left_behind(pooler).values())
    assert worker.stop() == 0


def test_more_workers_than_the_server_has_connections_for(bus: LiveBus, pooler: str, start_worker: StartWorker) -> None:
    bus.settings(base_delay_ms=50, max_delay_ms=50, poll_interval=0.3, concurrency=10)
    worker = start_worker("--processes", "4", "--once", DATABASE_URL=pooler, ready=False)
    done = [bus.timeout(50) for _ in range(150)]
    parked = [bus.send({"type": "fail_transient"}) for _ in range(20)]
    assert worker.wait(60) == 0
    bus.wait_for_status(PARKED, parked, timeout=0)
    bus.assert_done_once(done, attempts=1)
    assert len(worker.lines("polling")) == 4


def test_it_goes_on_when_the_servers_connections_are_ended(
    bus: LiveBus, pooler: str, start_worker: StartWorker
) -> None:
    bus.settings(visibility_timeout=2, poll_interval=0.3)
    worker = start_worker(DATABASE_URL=pooler)
    running = [bus.timeout(500) for _ in range(4)]
    bus.wait_for_attempts(1, running)
    assert bus.end_connections("runworker") >= 1
    after = [bus.send() for _ in range(4)]
    bus.wait_for_status(COMPLETED, [*running, *after])
    bus.assert_done_once([*running, *after])
    assert worker.stop() == 0


# --- One engine at a time ---------------------------------------------------------------------------------------------


def test_where_no_lock_tells_the_rows_keep_two_engines_off_one_queue(
    bus: LiveBus, pooler: str, start_worker: StartWorker
) -> None:
    polling = start_worker(DATABASE_URL=pooler)
    for environment in ({"DATABASE_URL": pooler}, {}):
        line = refusal(start_worker("--engine", "library", ready=False, **environment))
        assert "1 worker(s) with engine native work on queue test__commands" in line
    assert bus.value("SELECT count(*) FROM e2e_worker") == 1

    assert polling.stop() == 0
    library = start_worker("--engine", "library")
    line = refusal(start_worker(DATABASE_URL=pooler, ready=False))
    assert "1 worker(s) with engine library work on queue test__commands" in line
    library.die()  # and its lock with it: nobody waits for its row to grow old
    start_worker(DATABASE_URL=pooler)


def test_one_that_was_silent_for_so_long_that_the_other_engine_came_gives_way(
    bus: LiveBus, pooler: str, start_worker: StartWorker
) -> None:
    worker = start_worker(DATABASE_URL=pooler)
    worker.signal(signal.SIGSTOP)
    wait_until(lambda: not bus.value(ACTIVE), message="the end of its beat, if one is under way")
    bus.conn.execute("UPDATE e2e_worker SET beat_at = beat_at - interval '11 s'")
    start_worker("--engine", "library")
    worker.signal(signal.SIGCONT)
    assert "1 worker(s) with engine library" in worker.wait_for("other_engine")["message"]
    assert worker.wait() == 1


# --- LISTEN_DATABASE_URL that is of no use ----------------------------------------------------------------------------


def test_a_direct_way_that_is_none_or_leads_elsewhere(
    committed: str, bus: LiveBus, pooler: str, start_worker: StartWorker
) -> None:
    elsewhere = committed.replace(str(psycopg.conninfo.conninfo_to_dict(committed)["dbname"]), "postgres")
    told = {
        pooler: "LISTEN_DATABASE_URL leads through a pooler",
        elsewhere: "LISTEN_DATABASE_URL names another database than DATABASE_URL",
        "mysql://user@host/name": "LISTEN_DATABASE_URL must name a PostgreSQL database",
    }
    for url, words in told.items():
        worker = start_worker(DATABASE_URL=pooler, LISTEN_DATABASE_URL=url, ready=False)
        assert worker.wait() != 0
        (line,) = worker.program.output.splitlines()
        assert words in line
    assert bus.value("SELECT count(*) FROM e2e_worker") == 0


def test_a_direct_way_without_an_address_that_it_is_the_direct_way_to(start_manage: StartManage) -> None:
    check = start_manage("check", DATABASE_URL="", LISTEN_DATABASE_URL="postgres://bus@127.0.0.1:1/bus")
    assert check.wait() == 2
    assert "LISTEN_DATABASE_URL names a direct way to the database of DATABASE_URL, which is not set" in check.output


# --- The rest of the site ---------------------------------------------------------------------------------------------

VISIT = """
import json
from django.contrib.auth.models import User
from django.test import Client
client = Client(SERVER_NAME="localhost")
client.force_login(User.objects.create_superuser("ada"))
sent = client.post("/send/", {"type": "success", "payload": "{}"})
pages = ["/", "/live/", sent.headers["Location"], "/send/", "/settings/", "/admin/commands/testcommand/"]
print(json.dumps({page: client.get(page, follow=True).status_code for page in pages}))
"""


@pytest.mark.django_db(transaction=True)
def test_pages_and_sending(bus: LiveBus, pooler: str, start_manage: StartManage) -> None:
    visit = start_manage("shell", "-v0", "-c", VISIT, DATABASE_URL=pooler)
    assert visit.wait() == 0
    statuses = json.loads(visit.output.splitlines()[-1])
    assert set(statuses.values()) == {200}, statuses
    assert bus.statuses() == {"PENDING": 1}
    assert not any(left_behind(pooler).values())


@pytest.mark.parametrize("direct", [False, True], ids=["all through the pooler", "with a direct way"])
def test_two_set_ups_at_once_do_the_work_once_and_leave_no_lock(
    direct: bool, committed: str, bus: LiveBus, pooler: str, start_manage: StartManage
) -> None:
    name = str(psycopg.conninfo.conninfo_to_dict(committed)["dbname"])
    new = f"{name}_pooled"
    to_new: Callable[[str], str] = lambda url: url.replace(name, new)  # noqa: E731
    if not direct:  # PgBouncer remembers a database that is missing for 15 s
        bus.conn.execute(f'CREATE DATABASE "{new}"')
    try:
        more = {"LISTEN_DATABASE_URL": to_new(committed)} if direct else {}
        set_ups = [start_manage("setup", DATABASE_URL=to_new(pooler), **more) for _ in range(2)]
        assert [set_up.wait(60) for set_up in set_ups] == [0, 0]
        assert sum("migrations applied" in set_up.output for set_up in set_ups) == 1
        assert (
            bus.value(
                "SELECT count(*) FROM pg_locks JOIN pg_database d ON d.oid = database"
                " WHERE locktype = 'advisory' AND datname = %s",
                [new],
            )
            == 0
        )
        assert start_manage("setup", DATABASE_URL=to_new(pooler), **more).wait(60) == 0
    finally:
        bus.conn.execute(f'DROP DATABASE IF EXISTS "{new}" WITH (FORCE)')
