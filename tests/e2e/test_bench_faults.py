"""Runs whose faults are done to processes, rows and messages: each has really fired, and what it asks for holds."""

import json
from pathlib import Path
from typing import Any

from tests.conftest import StartManage
from tests.support.stream import SEED

BUS = "{visibility_timeout: 2, max_attempts: 3, base_delay_ms: 50, max_delay_ms: 50, poll_interval: 0.5}"


def run(start_manage: StartManage, folder: Path, load: str, *faults: str) -> dict[str, Any]:
    """The document of a run with these faults."""
    scenario, document = folder / "tried.bench.yaml", folder / "document.json"
    scenario.write_text(
        f"scenario: tried\nabout: Tried.\nbus: {BUS}\nworkers: [{{count: 2, concurrency: 10}}]\n"
        f"load: [{{phase: steady, {load}}}]\nmix: {{success: {{weight: 1, sleep: 50ms}}}}\n"
        f"faults: [{', '.join(faults)}]\n"
    )
    program = start_manage("bench", "run", str(scenario), "--seed", str(SEED), "--json", str(document))
    code = program.wait(110)
    assert code == 0, f"seed {SEED}:\n{program.output}"
    read: dict[str, Any] = json.loads(document.read_text())
    return read


def test_what_is_sent_and_cannot_be_performed_is_settled_and_takes_nothing_along(
    start_manage: StartManage, tmp_path: Path
) -> None:
    faults = [
        "{do: malformed_messages, at: 200ms, count: 16}",
        "{do: unregistered_type, at: 300ms, count: 4}",
        "{do: unreadable_data, at: 400ms, count: 4}",
        "{do: odd_text, at: 500ms, count: 2}",
        "{do: hold_row, at: 600ms, rows: 3, for: 1s, p99: 2s}",
        "{do: lose_notifications, at: 600ms, for: 1s}",
    ]
    document = run(start_manage, tmp_path, "for: 2s, rate: 120", *faults)
    assert [fault["fired"] for fault in document["faults"]] == [True] * len(faults)
    assert all(fault["criteria"] for fault in document["faults"])
    accounting = document["accounting"]
    assert accounting["attempted"] == accounting["acknowledged"] == 240 + 4 + 4 + 18
    assert (accounting["parked"], accounting["failed"]) == (4 + 4 + 14, 2)


def test_processes_that_die_lose_nothing(start_manage: StartManage, tmp_path: Path) -> None:
    faults = [
        "{do: kill_worker, which: 0, at: 300ms, in_flight: 1}",
        "{do: crash_at, at: 1s, point: finishing, share: 0.1, for: 500ms}",
    ]
    document = run(start_manage, tmp_path, "for: 2s, rate: 80", *faults)
    assert [fault["fired"] for fault in document["faults"]] == [True] * len(faults)
    assert document["accounting"]["completed"] == document["accounting"]["attempted"] == 160
    codes = [ending["exit_code"] for ending in document["fleet"]]
    assert -9 in codes, "Killed"
    assert 70 in codes, "Ended at a program point"
