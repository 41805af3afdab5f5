"""``manage.py loadtest`` as a person runs it: real workers, a real queue, exit codes, and what is left behind."""

import json
import os
import signal
from collections.abc import Callable, Iterator
from typing import Any

import psutil
import psycopg
import pytest

from bench.loadtest.databases import PURPOSE
from e2e_site.schema.own_database import prefix, renamed
from tests.conftest import StartManage
from tests.e2e.conftest import StartWorker
from tests.support.databases import template_name
from tests.support.programs import StartedProgram
from tests.support.waiting import wait_until
from tests.support.workers import LiveBus

MIX = "success=60,fail_permanent=10,business_rule=10,fail_transient=10,fail_transient_then_succeed=10"


@pytest.fixture
def loadtest(start_manage: StartManage, bus: LiveBus) -> Iterator[Callable[..., StartedProgram]]:
    """Starts load tests, with short pauses before retries; after the test none of their workers may be left."""
    bus.settings(base_delay_ms=100, max_delay_ms=200)
    workers: list[psutil.Process] = []

    def start(*arguments: str, until: str = "") -> StartedProgram:
        program = start_manage("loadtest", *arguments)
        if until:
            query = f"SELECT count(*) FROM load_run WHERE state = 'running' AND pid = %s AND {until}"
            wait_until(lambda: bus.value(query, [program.pid]) or program.exit_code is not None, 40, until)
            assert program.exit_code is None, program.output
            workers.extend(psutil.Process(program.pid).children())
        return program

    yield start
    wait_until(lambda: not any(worker.is_running() for worker in workers), 40, "the end of all workers")


@pytest.fixture
def given(bus: LiveBus) -> Iterator[str]:
    """The address of an empty database."""
    name = "e2e_own_given"
    bus.conn.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
    bus.conn.execute(f"CREATE DATABASE {name}")
    yield renamed(bus.url, name)
    bus.conn.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def prepared(bus: LiveBus) -> Iterator[str]:
    """The address of a database in which a load test has worked before: the next one has nothing to set up."""
    name = "e2e_own_prepared"
    bus.conn.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
    bus.conn.execute(f"CREATE DATABASE {name} TEMPLATE {template_name()}")
    url = renamed(bus.url, name)
    with psycopg.connect(url) as conn:
        conn.execute("CREATE SCHEMA commandbus_loadtest")
    yield url
    bus.conn.execute(f"DROP DATABASE {name} WITH (FORCE)")


def own_databases(bus: LiveBus) -> list[str]:
    """The databases of load tests that are there, on a server that other tests do not use."""
    rows = bus.rows("SELECT datname FROM pg_database WHERE starts_with(datname, %s)", [prefix(PURPOSE)])
    return [row["datname"] for row in rows]


def run_row(bus: LiveBus) -> dict[str, Any]:
    return bus.rows("SELECT * FROM load_run ORDER BY run_id DESC LIMIT 1")[0]


def locks(bus: LiveBus) -> int:
    """Connections of load tests that are left, with whatever they hold."""
    return int(bus.value("SELECT count(*) FROM pg_stat_activity WHERE starts_with(application_name, 'loadtest ')"))


def test_a_mixed_load_ends_as_its_behaviors_say_and_its_figures_are_those_of_the_database(
    loadtest: Callable[..., StartedProgram], bus: LiveBus
) -> None:
    program = loadtest("--commands=300", "--workers=2", f"--mix={MIX}", "--concurrency=50", "--seed=5", "--json")
    assert program.wait(60) == 0, program.output
    printed = json.loads(program.output[program.output.index("{") :])
    row = run_row(bus)
    assert (row["state"], row["as_expected"], row["phase"]) == ("finished", True, "measuring")
    assert {key: value for key, value in printed.items() if key != "workers"} == {
        key: value for key, value in row["summary"].items() if key != "workers"
    }
    account = printed["accounting"]
    assert (account["sent"], account["left"], account["lost"]) == (300, 0, 0)
    assert sum(behavior["sent"] for behavior in printed["behaviors"]) == 300
    assert all(behavior["sent"] and not behavior["unexpected"] for behavior in printed["behaviors"])
    assert printed["attempts"]["begun"] == row["received"]
    assert printed["latency_ms"]["end_to_end"]["n"] == 300
    assert [worker["exit_code"] for worker in printed["workers"]] == [0, 0]
    last = bus.rows("SELECT * FROM load_sample ORDER BY number DESC LIMIT 1")[0]
    assert (last["sent"], last["ended"], last["waiting"], last["in_progress"]) == (300, 300, 0, 0)
    assert bus.value("SELECT count(*) FROM commandbus.command") == 0, "nothing of it is in the site's database"
    assert (locks(bus), own_databases(bus)) == (0, [])


def test_in_a_database_that_is_given_its_commands_stay_and_the_settings_are_the_sites(
    loadtest: Callable[..., StartedProgram], bus: LiveBus, start_worker: StartWorker, given: str
) -> None:
    worker = start_worker()  # the site's own goes on meanwhile
    options = ("--commands=60", "--workers=1", f"--mix={MIX}", "--concurrency=20", "--json", f"--database={given}")
    for _ in range(2):
        program = loadtest(*options)
        assert program.wait(60) == 0, program.output
    account = run_row(bus)["summary"]["accounting"]
    with psycopg.connect(given) as conn:
        rows = conn.execute("SELECT status, count(*) FROM commandbus.command GROUP BY 1").fetchall()
        assert conn.execute("SELECT base_delay_ms, max_delay_ms FROM e2e_config").fetchone() == (100, 200)
    ends = {"completed": "COMPLETED", "failed": "FAILED", "in_tsq": "IN_TROUBLESHOOTING_QUEUE"}
    assert dict(rows) == {status: account[name] for name, status in ends.items()}
    assert account["sent"] == 60, "those of the run before are gone"
    assert bus.worker_row(worker)["received"] == 0


def test_ctrl_c_keeps_what_was_measured_and_leaves_nothing_running(
    loadtest: Callable[..., StartedProgram], bus: LiveBus
) -> None:
    program = loadtest("--commands=5000", "--execution-time=200", "--concurrency=5", until="completed > 0")
    second = loadtest("--commands=10")
    assert second.wait() == 1
    assert f"load test {run_row(bus)['run_id']} is running, process {program.pid} on " in second.output
    os.killpg(program.pid, signal.SIGINT)  # as a terminal does: to the whole process group
    assert program.wait(60) == 130, program.output
    row = run_row(bus)
    account = row["summary"]["accounting"]
    assert (row["state"], account["lost"]) == ("interrupted", 0)
    assert 0 < account["completed"] < 5000
    assert account["left"] == 5000 - account["completed"]
    assert "Interrupted." in program.output
    assert [worker["exit_code"] for worker in row["summary"]["workers"]] == [0, 0], "drained"
    assert (locks(bus), own_databases(bus)) == (0, [])


def test_ctrl_c_while_its_database_is_made_ends_it_before_anything_was_sent(
    loadtest: Callable[..., StartedProgram], bus: LiveBus
) -> None:
    program = loadtest("--commands=10")
    process = psutil.Process(program.pid)
    wait_until(lambda: own_databases(bus) and process.children(), 20, "the set-up of its database")
    assert run_row(bus)["phase"] == "preparing"
    os.killpg(program.pid, signal.SIGINT)
    assert program.wait(60) == 130, program.output
    row = run_row(bus)
    assert (row["state"], row["phase"]) == ("interrupted", "preparing")
    assert row["verdict"] == "Interrupted before anything was sent."
    assert (locks(bus), own_databases(bus)) == (0, [])


@pytest.mark.long
def test_a_load_test_that_is_killed_takes_its_workers_along_and_the_next_one_clears_up(
    loadtest: Callable[..., StartedProgram], bus: LiveBus
) -> None:
    killed = loadtest("--commands=2000", "--execution-time=200", "--concurrency=5", until="completed > 0")
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    dead = run_row(bus)
    assert dead["state"] == "running", "it could not say otherwise"
    assert len(own_databases(bus)) == 1
    program = loadtest("--commands=20", "--workers=1")
    assert program.wait(60) == 0, program.output
    lost, ended = bus.rows("SELECT * FROM load_run ORDER BY run_id")
    assert (lost["run_id"], lost["state"], lost["ended_at"]) == (dead["run_id"], "lost", lost["beat_at"])
    assert ended["state"] == "finished"
    assert own_databases(bus) == []


def test_when_the_time_is_over_it_says_what_is_left(
    loadtest: Callable[..., StartedProgram], bus: LiveBus, prepared: str
) -> None:
    options = ("--commands=500", "--workers=1", "--execution-time=500", "--concurrency=1", f"--database={prepared}")
    program = loadtest(*options, "--max-wait=1")
    assert program.wait(60) == 3, program.output
    assert run_row(bus)["verdict"].startswith("--max-wait (1 s) was over. ")
    assert "of 500 commands had not ended." in program.output


def test_a_command_whose_message_vanished_is_lost_and_not_waited_for(
    loadtest: Callable[..., StartedProgram], bus: LiveBus, prepared: str
) -> None:
    options = ("--commands=40", "--workers=1", "--execution-time=400", "--concurrency=5", f"--database={prepared}")
    program = loadtest(*options, until="phase = 'working'")
    with psycopg.connect(prepared) as own:
        own.execute("DELETE FROM pgmq.q_test__commands WHERE msg_id = (SELECT max(msg_id) FROM pgmq.q_test__commands)")
    assert program.wait(60) == 1, program.output
    row = run_row(bus)
    assert (row["state"], row["as_expected"]) == ("finished", False)
    assert (row["summary"]["accounting"]["completed"], row["summary"]["accounting"]["lost"]) == (39, 1)
    assert "1 of 40 commands were lost." in program.output


def test_a_schedule_is_followed_while_workers_come_and_go(
    loadtest: Callable[..., StartedProgram], bus: LiveBus, prepared: str
) -> None:
    options = ("--commands=100", "--rate=40", "--workers=2", "--concurrency=5", "--lease=2", f"--database={prepared}")
    program = loadtest(*options, until="sent > 10")
    psutil.Process(program.pid).children()[0].kill()
    assert program.wait(60) == 0, program.output
    assert "ended by signal 9." in program.output
    summary = run_row(bus)["summary"]
    assert summary["accounting"]["completed"] == 100
    assert summary["latency_ms"]["send_delay"]["n"] == 100
    assert 0 < summary["rates"]["sending_per_s"] < 50, "no faster than its schedule"


def _kill_the_worker(program: StartedProgram, bus: LiveBus) -> None:
    psutil.Process(program.pid).children()[0].kill()


def _break_its_connection(program: StartedProgram, bus: LiveBus) -> None:
    assert bus.rows("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'loadtest run'")


@pytest.mark.parametrize(
    ("harm", "verdict"),
    [(_kill_the_worker, "All workers have ended."), (_break_its_connection, "The database connection was lost: ")],
    ids=["no worker left", "connection lost"],
)
def test_when_it_cannot_go_on_it_stops_counts_and_says_why(
    harm: Callable[[StartedProgram, LiveBus], None],
    verdict: str,
    loadtest: Callable[..., StartedProgram],
    bus: LiveBus,
    prepared: str,
) -> None:
    options = ("--commands=500", "--workers=1", "--execution-time=500", "--concurrency=1", f"--database={prepared}")
    program = loadtest(*options, until="phase = 'working'")
    harm(program, bus)
    assert program.wait(60) == 1, program.output
    row = run_row(bus)
    assert (row["state"], row["summary"]["accounting"]["lost"]) == ("failed", 0)
    assert row["verdict"].startswith(verdict)
    assert verdict in program.output
    assert locks(bus) == 0


def test_a_wrong_option_is_refused_before_anything_begins(
    loadtest: Callable[..., StartedProgram], bus: LiveBus
) -> None:
    program = loadtest("--mix=success=1,faill=2")
    assert program.wait() == 2
    problem = "--mix: 'faill' is no behavior; there are success, fail_permanent, business_rule, "
    assert program.output.startswith(f"CommandError: {problem}")
    assert not bus.rows("SELECT run_id FROM load_run")


def test_a_database_that_it_may_not_use_is_refused_and_the_page_says_why(
    loadtest: Callable[..., StartedProgram], bus: LiveBus
) -> None:
    program = loadtest("--commands=5", f"--database={bus.url}")
    assert program.wait() == 2, program.output
    assert "--database names the database of this site" in program.output
    row = run_row(bus)
    assert (row["state"], row["phase"]) == ("failed", "preparing")
    assert row["verdict"].startswith("--database names the database of this site")
