"""``manage.py bench`` without running anything: what it refuses, lists, shows and compares."""

import json
from pathlib import Path
from typing import Any

import pytest
from django.db import connection

from bench.models import BenchRun
from bench.scenarios.model import RunVerdict
from tests.support.bench_runs import add_bench_run, document
from tests.support.command_line import CommandLine

pytestmark = pytest.mark.django_db


def run(*args: Any, **columns: Any) -> int:
    connection.ensure_connection()
    return add_bench_run(connection.connection, *args, **columns)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["run"], "Name scenarios, or say --all or --short. There are "),
        (["run", "smok"], "smok: is no file and no shipped scenario; there is "),
        (["run", "smoke", "--all"], "Name scenarios, or say --all or --short."),
        (["run", "smoke", "--seed=-1"], "--seed must be a whole number from 0 to "),
        (["run", "smoke", "--json=/no/such/folder/x.json"], "--json /no/such/folder/x.json: there is no such folder"),
        (["run", "f01_kill", "--place=site"], "Scenario f01_kill does not run like that: "),
        (["run", "smoke", "--engine=set"], "--engine: invalid choice: 'set'"),
        (["replay", "4711"], "No run has the number 4711"),
        (["show", "4711"], "No run has the number 4711"),
        (["compare", "1", "x"], "B must be a whole number from 1 to "),
        (["dance"], "WORD: invalid choice: 'dance'"),
    ],
)
def test_a_wrong_call_is_refused_before_anything_begins(words: list[str], said: str, manage_py: CommandLine) -> None:
    answer = manage_py("bench", *words)
    assert answer.code == 2
    assert said in answer.err
    assert not BenchRun.objects.exists()


def test_a_file_with_problems_is_told_all_of_them_with_their_lines(manage_py: CommandLine, tmp_path: Path) -> None:
    file = tmp_path / "own.bench.yaml"
    file.write_text("scenario: mine\nabout: x\ncommands: 5\nmix: {success: 1}\nsed: 1\nworkers: [{count: 99}]\n")
    answer = manage_py("bench", "run", file)
    assert answer.code == 2
    assert f"{file}:5: sed: " in answer.err
    assert f"{file}:6: workers[0].count: " in answer.err


def test_runs_are_listed_as_lines_and_as_json(manage_py: CommandLine) -> None:
    assert "There is no run yet" in manage_py("bench", "runs").out
    run()
    failed = run(document(verdict=RunVerdict.FAIL, why="1 command\nis lost."))
    lines = manage_py("bench", "runs").out.splitlines()
    assert len(lines) == 2, "an odd text is one line"
    assert "FAIL" in lines[0]
    assert "smoke" in lines[1]
    found = json.loads(manage_py("bench", "runs", "--json", "--verdict", "FAIL").out)
    assert [each["run_id"] for each in found] == [failed]
    assert manage_py("bench", "runs", "--scenario", "nothing").out == "There is no such run.\n"


def test_a_run_is_shown_and_written_as_files(manage_py: CommandLine, tmp_path: Path) -> None:
    number = run()
    shown = manage_py("bench", "show", number)
    assert (shown.code, "smoke" in shown.out) == (0, True)
    file = tmp_path / "report.json"
    assert manage_py("bench", "show", number, "--json", file).out == ""
    assert json.loads(file.read_text()) == BenchRun.objects.get().document
    without = manage_py("bench", "show", run(state="canceled", why="It was canceled by bob."))
    assert without.code == 1
    assert "has no report: it is canceled. It was canceled by bob." in without.out


def test_two_runs_are_compared_as_text_and_as_json(manage_py: CommandLine) -> None:
    a, b = run(document(p99=20.0)), run(document(seed=9, p99=30.0, verdict=RunVerdict.FAIL))
    said = manage_py("bench", "compare", a, b)
    assert said.code == 0
    lines = {line.strip().partition("  ")[0]: " ".join(line.split()) for line in said.out.splitlines()}
    assert lines["seed"] == "seed 1 9"
    assert lines["verdict"] == "verdict PASS FAIL"
    assert lines["End to end, p99, ms"] == "End to end, p99, ms 20 30 +50 %"
    assert {"name": "seed", "a": "1", "b": "9"} in json.loads(manage_py("bench", "compare", a, b, "--json").out)[
        "settings"
    ]
    assert manage_py("bench", "compare", a, run(state="lost")).code == 2
