"""``manage.py bench`` as a person runs it: exit codes, reports, the row, and what is left behind."""

import json
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import psutil
import pytest

from bench.runs.places import PURPOSE
from e2e_site.schema.own_database import prefix
from tests.conftest import StartManage
from tests.support.programs import StartedProgram
from tests.support.waiting import wait_until
from tests.support.workers import LiveBus

QUICK = """
scenario: quick
about: A few commands, quickly.
bus: {visibility_timeout: 10, max_attempts: 3, base_delay_ms: 100, max_delay_ms: 100}
workers: [{count: 1, concurrency: 10}]
mix: {success: 3, fail_transient_then_succeed: {weight: 1, failures: 1}}
"""
LONG = QUICK + "load: [{phase: steady, for: 60s, rate: 20}]\n"


@pytest.fixture
def bench(start_manage: StartManage, bus: LiveBus) -> Iterator[Callable[..., StartedProgram]]:
    """Starts ``manage.py bench``; after the test neither workers nor databases nor connections may be left."""
    workers: list[psutil.Process] = []

    def start(*arguments: str, until: str = "") -> StartedProgram:
        program = start_manage("bench", *arguments)
        if until:
            query = f"SELECT count(*) FROM bench_run WHERE state = 'running' AND pid = %s AND {until}"
            wait_until(lambda: bus.value(query, [program.pid]) or program.exit_code is not None, 60, until)
            assert program.exit_code is None, program.output
            workers.extend(psutil.Process(program.pid).children())
            assert workers
        return program

    yield start
    wait_until(lambda: not any(worker.is_running() for worker in workers), 10, "the end of all workers")
    left = bus.rows("SELECT datname FROM pg_database WHERE starts_with(datname, %s)", [prefix(PURPOSE)])
    assert [row["datname"] for row in left] == []
    assert bus.value("SELECT count(*) FROM pg_stat_activity WHERE starts_with(application_name, 'bench ')") == 0


@pytest.fixture
def scenario(tmp_path: Path) -> Callable[[str], str]:
    def write(text: str) -> str:
        path = tmp_path / "own.bench.yaml"
        path.write_text(text)
        return str(path)

    return write


def run_row(bus: LiveBus) -> dict[str, Any]:
    return bus.rows("SELECT * FROM bench_run ORDER BY run_id DESC LIMIT 1")[0]


def test_a_run_passes_and_every_report_is_written(
    bench: Callable[..., StartedProgram], bus: LiveBus, scenario: Callable[[str], str], tmp_path: Path
) -> None:
    files = {name: tmp_path / f"report.{name}" for name in ("json", "junit", "html", "markdown")}
    reports = [f"--{name}={path}" for name, path in files.items()]
    program = bench("run", scenario(QUICK + "commands: 30\n"), "--seed=7", *reports)
    assert program.wait(90) == 0, program.output
    assert "PASS: " in program.output
    row = run_row(bus)
    assert (row["state"], row["verdict"], row["as_asked"], row["seed"]) == ("ended", "PASS", True, 7)
    assert json.loads(files["json"].read_text()) == row["document"]
    assert ElementTree.parse(files["junit"]).getroot().tag in ("testsuite", "testsuites")  # noqa: S314  # our own
    assert "<html" in files["html"].read_text()
    assert "quick" in files["markdown"].read_text()
    assert bus.value("SELECT count(*) FROM commandbus.command") == 0, "nothing of it is in the site's database"


def test_what_a_page_asks_for_is_worked_off_and_canceled_by_its_row(
    bench: Callable[..., StartedProgram], bus: LiveBus
) -> None:
    source = json.dumps(
        {"scenario": "quick", "about": "x", "mix": {"success": 1}, "load": [{"phase": "s", "for": "60s", "rate": 20}]}
    )
    bus.conn.execute(
        "INSERT INTO bench_run (scenario, seed, source, asked_by) VALUES ('quick', 1, %s::jsonb, 'ada')", [source]
    )
    program = bench("work", "--once", until="done > 0")
    bus.conn.execute("UPDATE bench_run SET canceled_by = 'bob'")
    wait_until(lambda: run_row(bus)["state"] == "canceled", 4, "the end of the run")
    assert program.wait(10) == 0, program.output
    row = run_row(bus)
    assert (row["verdict"], row["why"]) == (None, "It was canceled by bob: it came to no verdict.")
    assert row["why"] in program.output


def test_ctrl_c_cancels_the_run_and_leaves_nothing(
    bench: Callable[..., StartedProgram], bus: LiveBus, scenario: Callable[[str], str]
) -> None:
    program = bench("run", scenario(LONG), until="done > 0")
    program.send_signal(signal.SIGINT)
    assert program.wait(5) == 130, program.output
    row = run_row(bus)
    assert (row["state"], row["canceled_by"]) == ("canceled", "Ctrl-C")


@pytest.mark.long
def test_several_run_one_by_one_and_the_worst_of_them_counts(
    bench: Callable[..., StartedProgram], bus: LiveBus, scenario: Callable[[str], str], tmp_path: Path
) -> None:
    """One that cannot work is broken and says why; one with another verdict than its file expects is marked."""
    broken = tmp_path / "broken.bench.yaml"
    broken.write_text(QUICK.replace("concurrency: 10", "handlers: no_such_module") + "commands: 5\n")
    other = scenario(QUICK + "commands: 20\nexpect: {verdict: FAIL}\n")
    program = bench("run", str(broken), other, f"--json={tmp_path / 'reports'}", "--quiet")
    assert program.wait(90) == 2, program.output
    assert "NOT AS EXPECTED (FAIL)" in program.output
    assert "0 of 2 as expected" in program.output
    assert [file.name for file in (tmp_path / "reports").iterdir()] == ["quick.json"]
    first, second = bus.rows("SELECT * FROM bench_run ORDER BY run_id")
    assert (first["state"], first["verdict"], first["document"]) == ("broken", None, None)
    assert first["why"].startswith("Worker w1 ended before it worked")
    assert first["why"] in program.output
    assert (second["state"], second["verdict"], second["as_asked"]) == ("ended", "PASS", False)
