"""``manage.py benchmark``, from outside, in tiny sizes: what it prints, keeps and leaves behind."""

import json
import signal
import subprocess
from pathlib import Path

import psycopg
import pytest

from bench.benchmark.run import PURPOSE
from e2e_site.schema.own_database import prefix
from tests.conftest import StartManage
from tests.support.programs import StartedProgram
from tests.support.waiting import wait_until

TINY = ("--quick", "--runs", "1", "--size", "drain.commands=800", "--size", "drain.library=20")


def databases_of(program: StartedProgram, url: str) -> list[str]:
    """The databases that this benchmark has made and not dropped."""
    with psycopg.connect(url) as conn:
        rows = conn.execute(
            "SELECT datname FROM pg_database WHERE starts_with(datname, %s)", [f"{prefix(PURPOSE)}{program.pid}_"]
        )
        return [name for (name,) in rows]


@pytest.mark.long
def test_a_drain_is_measured_and_kept_and_its_database_dropped(
    start_manage: StartManage, committed: str, tmp_path: Path
) -> None:
    file = tmp_path / "results.json"
    program = start_manage("benchmark", "drain", *TINY, "--json", str(file))
    assert program.wait(90) == 0
    result = json.loads(file.read_text())["cases"]["drain"]
    rows = ["native", "ceiling", *(f"{kind}-{n}" for kind in ("library", "bare") for n in (4, 20, 50))]
    for row in rows:
        assert len(result["values"][row]) == 1
        assert result["values"][row][0] > 0
    assert result["quick"] is True
    assert result["sizes"] == {"commands": 800, "library": 20}
    assert result["environment"]["durability"]["synchronous_commit"] == "on"
    assert "engine native, one process" in program.output
    assert "left]" in program.output
    assert databases_of(program, committed) == []


def test_check_prints_each_target_that_was_measured_and_fails_where_one_is_missed(start_manage: StartManage) -> None:
    # 30 commands cannot share a batch of 200 with others: the limit per command is missed for sure.
    sizes = ("costs.native=30", "costs.library=10", "million.commands=500")
    words = [word for size in sizes for word in ("--size", size)]
    program = start_manage("benchmark", "costs", "million", "--check", "--runs", "1", *words)
    assert program.wait(60) == 1
    verdicts = {line.split("  ")[0]: line.split()[-1] for line in program.output.splitlines() if line[0] != "["}
    assert verdicts["Statements per command, full drain"] == "MISSED"
    assert verdicts["Send 1,000,000: memory of the sender"] == "OK"
    assert "Send 1,000,000" not in verdicts, "its ceiling was not measured"


@pytest.mark.long
def test_quick_figures_do_not_decide_and_the_site_s_own_data_is_left_alone(
    start_manage: StartManage, committed: str
) -> None:
    sizes = ("--size", "costs.native=30", "--size", "costs.library=10")
    with psycopg.connect(committed, autocommit=True) as conn:
        conn.execute("INSERT INTO public.test_command (command_id, behavior) VALUES (gen_random_uuid(), '{}')")
        program = start_manage("benchmark", "costs", "--check", "--quick", "--runs", "1", *sizes)
        assert program.wait(60) == 0
        assert conn.execute("SELECT count(*) FROM public.test_command").fetchone() == (1,)
        assert conn.execute("SELECT count(*) FROM commandbus.audit").fetchone() == (0,)
    assert "MISSED" in program.output
    assert "not to decide by" in program.output


def test_a_case_that_there_is_not_is_said_in_one_line(start_manage: StartManage) -> None:
    program = start_manage("benchmark", "drein")
    assert program.wait(30) == 2
    assert "There is no case drein; there are drain, defaults," in program.output
    assert len(program.output.splitlines()) == 1


def test_a_server_that_is_not_there_is_said_in_one_line(start_manage: StartManage) -> None:
    program = start_manage("benchmark", "drain", DATABASE_URL="postgres://nobody@127.0.0.1:1/nowhere")
    assert program.wait(30) == 1
    assert program.output.startswith("CommandError: The database cannot be used: connection failed")
    assert len(program.output.splitlines()) == 1


def test_a_file_that_holds_no_results_is_refused_before_anything_is_measured(
    start_manage: StartManage, tmp_path: Path
) -> None:
    file = tmp_path / "results.json"
    file.write_text("[]")
    program = start_manage("benchmark", "drain", "--json", str(file))
    assert program.wait(30) == 2
    assert "cannot be read as results" in program.output
    assert "works in database" not in program.output


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_benchmark_that_is_stopped_ends_its_programs_and_drops_its_database(
    start_manage: StartManage, committed: str, number: signal.Signals
) -> None:
    program = start_manage("benchmark", "times", "--size", "times.ms-0=50", "--size", "times.ms-10=400000")
    program.wait_for_output("0 ms each", 60)
    wait_until(lambda: databases_of(program, committed), 10, "the database")
    program.send_signal(number)
    assert program.wait(60) == 128 + number
    assert databases_of(program, committed) == []
    left = subprocess.run(
        ["pgrep", "-f", f"{prefix(PURPOSE)}{program.pid}_"], capture_output=True, text=True, check=False
    )
    assert left.stdout == ""


def test_a_case_that_fails_does_not_take_the_others_with_it(
    start_manage: StartManage, committed: str, tmp_path: Path
) -> None:
    # A backlog that is gone before the snapshot is taken cannot be measured.
    file = tmp_path / "results.json"
    sizes = ("snapshot.commands=50", "mix.commands=40", "snapshot.before_s=1")
    words = [word for size in sizes for word in ("--size", size)]
    program = start_manage("benchmark", "snapshot", "mix", *words, "--runs", "1", "--json", str(file))
    assert program.wait(90) == 1
    assert "snapshot: The backlog was worked off too early" in program.output
    assert list(json.loads(file.read_text())["cases"]) == ["mix"]
    assert databases_of(program, committed) == []
