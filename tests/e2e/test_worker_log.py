"""What a worker prints: one line per outcome, readable or as JSON."""

import json

from tests.conftest import StartManage
from tests.e2e.conftest import StartWorker
from tests.support.workers import COMPLETED, PARKED, LiveBus


def test_json_has_one_object_per_line_and_one_line_per_outcome(bus: LiveBus, start_worker: StartWorker) -> None:
    bus.settings(base_delay_ms=50, max_delay_ms=50)
    worker = start_worker("--no-sampler")
    success, recovers = bus.send(), bus.send({"type": "fail_transient_then_succeed", "transient_failures": 2})
    parked = bus.send({"type": "fail_permanent", "error_code": "NO_FUNDS"})
    bus.send_message("no command")
    bus.wait_for_status(COMPLETED, [success, recovers])
    bus.wait_for_status(PARKED, [parked])
    bus.settings(concurrency=3)
    worker.wait_for("settings_applied")
    assert worker.stop() == 0

    lines = [json.loads(line) for line in worker.program.output.splitlines()]
    assert all({"ts", "level", "logger", "message", "action"} <= line.keys() for line in lines)
    outcomes = [
        (line["command_id"], line["action"], line["attempt"], line.get("error"), line["level"])
        for line in lines
        if "command_id" in line
    ]
    assert sorted(outcomes) == sorted(
        [
            (str(success), "completed", "1/3", None, "INFO"),
            (str(recovers), "retry", "1/3", "TRANSIENT", "INFO"),
            (str(recovers), "retry", "2/3", "TRANSIENT", "INFO"),
            (str(recovers), "completed", "3/3", None, "INFO"),
            (str(parked), "parked", "1/3", "NO_FUNDS", "INFO"),
        ]
    )
    (rejected,) = worker.lines("rejected")
    assert rejected["messages"] == 1
    assert [line["action"] for line in lines if "command_id" not in line] == [
        "started", "rejected", "settings_applied", "signal", "stopped",
    ]  # fmt: skip


def test_text_has_one_readable_line_per_outcome(bus: LiveBus, start_manage: StartManage) -> None:
    success, parked = bus.send(), bus.send({"type": "fail_permanent", "error_code": "NO_FUNDS"})
    worker = start_manage("runworker", "--once", "--no-sampler")
    assert worker.wait() == 0
    lines = worker.output.splitlines()
    (completed,) = [line for line in lines if str(success) in line]
    assert " INFO    completed  " in completed
    assert " attempt=1/3 " in completed
    (failed,) = [line for line in lines if str(parked) in line]
    assert " parked  " in failed
    assert failed.endswith(" error=NO_FUNDS")
    assert len(lines) == 4
