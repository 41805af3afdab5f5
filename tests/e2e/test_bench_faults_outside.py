"""Faults of network and server in whole runs: real workers, a proxy, a server of the run's own."""

import json
from pathlib import Path
from typing import Any

from tests.conftest import StartManage
from tests.support.programs import StartedProgram

BUS = "bus: {visibility_timeout: 2, max_attempts: 10, base_delay_ms: 100, max_delay_ms: 200, poll_interval: 1}"
MIX = "mix: {success: {weight: 80, sleep: 100ms}, fail_transient_then_succeed: 20}"
LOSES = f"""
scenario: loses
about: Answers are lost to ends and to sends.
{BUS}
workers: [{{count: 1, concurrency: 20, through: proxy}}]
load: [{{phase: steady, for: 4s, rate: 100}}]
{MIX}
faults:
  - {{do: network, how: lose_answers, of: finish, count: 2, at: steady+500ms}}
  - {{do: network, how: lose_answers, whose: sender, count: 2, at: steady+1s}}
  - {{do: duplicate_sends, at: steady+1s}}
"""
CRASHES = f"""
scenario: crashes
about: The server crashes.
place: cluster
{BUS}
workers: [{{count: 1, concurrency: 20}}]
load: [{{phase: steady, for: 5s, rate: 100}}]
{MIX}
faults: [{{do: restart_server, at: steady+1s}}]
"""


def test_answers_that_are_lost_and_a_server_that_crashes(
    committed: str, start_manage: StartManage, tmp_path: Path
) -> None:
    runs = {name: run(start_manage, tmp_path, name, text) for name, text in (("loses", LOSES), ("crashes", CRASHES))}
    documents = {name: document(program, tmp_path / f"{name}.json") for name, program in runs.items()}

    finish, send, _ = documents["loses"]["faults"]
    assert "2 answers to finish" in finish["detail"]
    assert "2 answers to send" in send["detail"]
    account = documents["loses"]["accounting"]
    assert account["unknown"] == account["recovered"] > 0
    assert account["completed"] == account["acknowledged"]
    (crash,) = documents["crashes"]["faults"]
    assert crash["ended_s"] > crash["began_s"] > 0
    assert documents["crashes"]["accounting"]["lost"] == 0


def run(start_manage: StartManage, folder: Path, name: str, text: str) -> StartedProgram:
    file = folder / f"{name}.bench.yaml"
    file.write_text(text)
    return start_manage("bench", "run", str(file), "--json", str(folder / f"{name}.json"))


def document(program: StartedProgram, file: Path) -> Any:
    """Of a run that passed, with all its faults."""
    code = program.wait(120)
    assert code == 0, program.output
    found = json.loads(file.read_text())
    for fault in found["faults"]:
        assert fault["fired"]
        assert fault["criteria"]
        assert all(criterion["held"] for criterion in fault["criteria"])
    return found
