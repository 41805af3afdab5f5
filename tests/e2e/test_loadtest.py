"""``manage.py loadtest`` as a person runs it: real workers, a real queue, exit codes, and what is left behind."""

import json
import os
import signal
from collections.abc import Callable, Iterator
from typing import Any

import psutil
import pytest

from bench.loadtest.workplace import PURPOSE
from e2e_site.schema.own_database import own_database, prefix, renamed
from tests.conftest import StartManage
from tests.e2e.conftest import StartWorker
from tests.support.programs import Program
from tests.support.waiting import wait_until
from tests.support.workers import LiveBus

MIX = "success=70,fail_permanent=10,fail_transient=10,fail_transient_then_succeed=10"


@pytest.fixture
def loadtest(start_manage: StartManage, bus: LiveBus) -> Iterator[Callable[..., Program]]:
    """Starts load tests, with short pauses before retries; after the test none of their workers may be left."""
    bus.settings(base_delay_ms=100, max_delay_ms=200)
    workers: list[psutil.Process] = []

    def start(*arguments: str, until: str = "") -> Program:
        program = start_manage("loadtest", *arguments)
        if until:
            query = f"SELECT count(*) FROM load_run WHERE state = 'running' AND pid = %s AND {until}"
            wait_until(lambda: bus.value(query, [program.pid]) or program.returncode is not None, 40, until)
            assert program.returncode is None, program.output
            workers.extend(psutil.Process(program.pid).children())
        return program

    yield start
    wait_until(lambda: not any(worker.is_running() for worker in workers), 40, "the end of all workers")


def run_row(bus: LiveBus) -> dict[str, Any]:
    return bus.rows("SELECT * FROM load_run ORDER BY run_id DESC LIMIT 1")[0]


def own_databases(program: Program, bus: LiveBus) -> list[str]:
    """Those that this load test has made and not dropped."""
    begins = f"{prefix(PURPOSE)}{program.pid}_"
    return [row["datname"] for row in bus.rows("SELECT datname FROM pg_database") if row["datname"].startswith(begins)]


def workplace_of(program: Program, bus: LiveBus) -> LiveBus:
    """The bus in the database that a running load test has made."""
    (name,) = own_databases(program, bus)
    return LiveBus(renamed(bus.url, name))


def nothing_is_left(program: Program, bus: LiveBus) -> bool:
    """Neither a connection of a load test to the site's database, with whatever it holds, nor a database of its own."""
    left = bus.value(
        "SELECT count(*) FROM pg_stat_activity"
        " WHERE datname = current_database() AND starts_with(application_name, 'loadtest ')"
    )
    return not left and not own_databases(program, bus)


def test_a_mixed_load_ends_as_its_behaviors_say_and_its_figures_are_those_of_its_database(
    loadtest: Callable[..., Program], bus: LiveBus
) -> None:
    options = ("--commands=300", "--workers=2", f"--mix={MIX}", "--concurrency=50", "--seed=5", "--json")
    with own_database("test", server=bus.url, template="template0") as empty:
        program = loadtest(*options, f"--database={empty.url}")
        assert program.wait(60) == 0, program.output
        used = LiveBus(empty.url)
        statuses = used.statuses()
        attempts = used.value("SELECT count(*) FROM commandbus.audit WHERE event_type = 'RECEIVED'")
        delays = used.value("SELECT max_delay_ms FROM e2e_config")
        used.conn.close()
    assert f"works in database {empty.name}." in program.output
    printed = json.loads(program.output[program.output.index("{") :])
    row = run_row(bus)
    assert (row["state"], row["as_expected"], row["phase"]) == ("finished", True, "measuring")
    assert printed == row["summary"]
    account = printed["accounting"]
    assert {"COMPLETED": account["completed"], "IN_TROUBLESHOOTING_QUEUE": account["in_tsq"]} == statuses
    assert (account["sent"], account["left"], account["lost"]) == (300, 0, 0)
    assert sum(behavior["sent"] for behavior in printed["behaviors"]) == 300
    assert all(behavior["sent"] and not behavior["unexpected"] for behavior in printed["behaviors"])
    assert printed["attempts"]["begun"] == row["received"] == attempts
    assert printed["latency_ms"]["end_to_end"]["n"] == 300
    assert [worker["exit_code"] for worker in printed["workers"]] == [0, 0]
    assert delays == 200, "the site's setting"
    assert empty.password not in json.dumps(printed) or not empty.password
    last = bus.rows("SELECT * FROM load_sample ORDER BY number DESC LIMIT 1")[0]
    assert (last["sent"], last["ended"], last["waiting"], last["in_progress"]) == (300, 300, 0, 0)
    assert bus.statuses() == {}
    assert nothing_is_left(program, bus)


def test_a_busy_site_is_no_obstacle_and_goes_on_as_if_nothing_else_ran(
    loadtest: Callable[..., Program], bus: LiveBus, start_worker: StartWorker
) -> None:
    worker = start_worker()
    slow = [bus.timeout(3000) for _ in range(2)]
    bus.wait_for_attempts(1, slow)
    program = loadtest("--commands=200", "--workers=1", until="sent > 0")
    quick = bus.send()
    bus.wait_for_status("COMPLETED", [quick])
    assert program.wait(60) == 0, program.output
    bus.wait_for_status("COMPLETED", slow)
    assert sum(bus.statuses().values()) == 3
    bus.assert_done_once([*slow, quick], attempts=1)
    assert [row["pid"] for row in bus.rows("SELECT pid FROM e2e_worker")] == [worker.pid]
    assert worker.stop() == 0
    assert nothing_is_left(program, bus)


def test_ctrl_c_keeps_what_was_measured_and_leaves_nothing_behind(
    loadtest: Callable[..., Program], bus: LiveBus
) -> None:
    program = loadtest("--commands=5000", "--execution-time=200", "--concurrency=5", until="completed > 0")
    assert bus.value("SELECT count(*) FROM load_sample") > 0, "live"
    second = loadtest("--commands=10")
    assert second.wait() == 1
    assert f"load test {run_row(bus)['run_id']} is running, process {program.pid} on " in second.output
    os.killpg(program.pid, signal.SIGINT)  # as a terminal does: to the whole process group
    assert program.wait(60) == 3, program.output
    row = run_row(bus)
    account = row["summary"]["accounting"]
    assert (row["state"], account["lost"]) == ("interrupted", 0)
    assert 0 < account["completed"] < 5000
    assert account["left"] == 5000 - account["completed"]
    assert "Interrupted." in program.output
    # In order: all that had begun has ended.
    assert row["summary"]["attempts"]["begun"] == account["completed"]
    assert [worker["exit_code"] for worker in row["summary"]["workers"]] == [0, 0]
    assert nothing_is_left(program, bus)


def test_ctrl_c_while_its_database_is_made_ends_it_before_anything_was_sent(
    loadtest: Callable[..., Program], bus: LiveBus
) -> None:
    program = loadtest("--commands=10")
    process = psutil.Process(program.pid)
    wait_until(lambda: own_databases(program, bus) and process.children(), 20, "the set-up of its database")
    assert run_row(bus)["phase"] == "preparing"
    os.killpg(program.pid, signal.SIGINT)
    assert program.wait(60) == 3, program.output
    row = run_row(bus)
    assert (row["state"], row["phase"]) == ("interrupted", "preparing")
    assert row["verdict"] == "Interrupted before anything was sent."
    assert nothing_is_left(program, bus)


def test_a_load_test_that_is_killed_takes_its_workers_along_and_the_next_one_clears_up(
    loadtest: Callable[..., Program], bus: LiveBus
) -> None:
    killed = loadtest("--commands=2000", "--execution-time=200", "--concurrency=5", until="completed > 0")
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    dead = run_row(bus)
    assert dead["state"] == "running", "no process was left to say otherwise"
    assert len(own_databases(killed, bus)) == 1
    program = loadtest("--commands=20", "--workers=1")
    assert program.wait(60) == 0, program.output
    lost, ended = bus.rows("SELECT * FROM load_run ORDER BY run_id")
    assert (lost["run_id"], lost["state"], lost["ended_at"]) == (dead["run_id"], "lost", lost["beat_at"])
    assert (ended["state"], ended["completed"]) == ("finished", 20)
    assert nothing_is_left(killed, bus)
    assert nothing_is_left(program, bus)


def test_when_the_time_is_over_it_says_what_is_left(loadtest: Callable[..., Program], bus: LiveBus) -> None:
    program = loadtest("--commands=500", "--workers=1", "--execution-time=500", "--concurrency=1", "--max-wait=1")
    assert program.wait(60) == 3, program.output
    assert run_row(bus)["verdict"].startswith("--max-wait (1 s) was over. ")
    assert "of 500 commands had not ended." in program.output


def test_a_command_whose_message_vanished_is_lost_and_not_waited_for(
    loadtest: Callable[..., Program], bus: LiveBus
) -> None:
    options = ("--commands=40", "--workers=1", "--execution-time=400", "--concurrency=5")
    program = loadtest(*options, until="phase = 'working'")
    with workplace_of(program, bus).conn as conn:
        conn.execute("DELETE FROM pgmq.q_test__commands WHERE msg_id = (SELECT max(msg_id) FROM pgmq.q_test__commands)")
    assert program.wait(60) == 1, program.output
    row = run_row(bus)
    assert (row["state"], row["as_expected"]) == ("finished", False)
    assert (row["summary"]["accounting"]["completed"], row["summary"]["accounting"]["lost"]) == (39, 1)
    assert "1 of 40 commands were lost." in program.output


def test_a_schedule_is_followed_while_workers_come_and_go(loadtest: Callable[..., Program], bus: LiveBus) -> None:
    program = loadtest("--commands=100", "--rate=40", "--workers=2", "--concurrency=5", "--lease=2", until="sent > 10")
    psutil.Process(program.pid).children()[0].kill()
    assert program.wait(60) == 0, program.output
    assert "ended by signal 9." in program.output
    summary = run_row(bus)["summary"]
    assert summary["accounting"]["completed"] == 100
    assert summary["latency_ms"]["send_delay"]["n"] == 100
    assert 0 < summary["rates"]["sending_per_s"] < 50, "no faster than its schedule"


def _kill_the_worker(program: Program, bus: LiveBus) -> None:
    psutil.Process(program.pid).children()[0].kill()


def _break_its_connection_to_the_site(program: Program, bus: LiveBus) -> None:
    assert bus.end_connections("loadtest run") == 1


def _break_its_connection_to_its_database(program: Program, bus: LiveBus) -> None:
    place = workplace_of(program, bus)
    assert place.end_connections("loadtest watch") == 1
    place.conn.close()


@pytest.mark.parametrize(
    ("harm", "verdict"),
    [
        (_kill_the_worker, "All workers have ended."),
        (_break_its_connection_to_the_site, "The database connection was lost: "),
        (_break_its_connection_to_its_database, "The database connection was lost: "),
    ],
    ids=["no worker left", "site lost", "its database lost"],
)
def test_when_it_cannot_go_on_it_stops_counts_and_says_why(
    harm: Callable[[Program, LiveBus], None], verdict: str, loadtest: Callable[..., Program], bus: LiveBus
) -> None:
    options = ("--commands=500", "--workers=1", "--execution-time=500", "--concurrency=1")
    program = loadtest(*options, until="phase = 'working'")
    harm(program, bus)
    assert program.wait(60) == 1, program.output
    row = run_row(bus)
    assert (row["state"], row["summary"]["accounting"]["lost"]) == ("failed", 0)
    assert row["verdict"].startswith(verdict)
    assert verdict in program.output
    assert nothing_is_left(program, bus)


@pytest.mark.parametrize(
    ("argument", "problem"),
    [
        (
            "--mix=success=1,faill=2",
            "--mix: 'faill' is no behavior; there are success, fail_permanent, fail_transient, ",
        ),
        ("--commands=0", "--commands must be a whole number from 1 to 10,000,000 (commands), not '0'."),
        ("--database=mysql://u:p@h/n", "--database must name a PostgreSQL database: postgres://user:password@host:"),
    ],
)
def test_a_wrong_option_is_refused_before_anything_begins(
    argument: str, problem: str, loadtest: Callable[..., Program], bus: LiveBus
) -> None:
    program = loadtest(argument)
    assert program.wait() == 1
    assert program.output.startswith(f"CommandError: {problem}")
    assert not bus.rows("SELECT run_id FROM load_run")
