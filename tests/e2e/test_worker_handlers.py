"""``--handlers``: a module of one's own beside the site's commands, in every process, and what goes wrong in it."""

import pytest

from tests.e2e.conftest import StartWorker
from tests.support.workers import COMPLETED, PARKED, LiveBus, Worker

OWN = ("--handlers", "tests.support.own_handlers")


def pids(bus: LiveBus) -> set[int]:
    return {row["pid"] for row in bus.rows("SELECT pid FROM e2e_worker WHERE stopped_at IS NULL")}


@pytest.mark.parametrize(("engine", "processes"), [("native", ["--processes", "2"]), ("library", [])])
def test_handlers_of_a_module_work_in_every_process_and_what_they_raise_ends_none(
    bus: LiveBus, start_worker: StartWorker, engine: str, processes: list[str]
) -> None:
    bus.settings(base_delay_ms=0, max_delay_ms=0, max_attempts=2, poll_interval=0.2)
    worker = start_worker("--engine", engine, *processes, "--concurrency", "2", *OWN)
    worker.wait_for("started", count=2 if processes else 1)
    before = pids(bus)
    raising = [bus.send_to("Fail", how=how) for how in ("exit", "interrupt", "cancel", "exit", "interrupt", "cancel")]
    good = [bus.send_to("Greet", name="ada"), *(bus.send() for _ in range(10))]
    bus.wait_for_status(COMPLETED, good)
    bus.wait_for_status(PARKED, raising)
    assert {bus.word(command_id) for command_id in good} == {"SRC"}
    assert [bus.command(command_id)["last_error_code"] for command_id in raising] == [
        "SystemExit", "KeyboardInterrupt", "CancelledError",
    ] * 2  # fmt: skip
    assert pids(bus) == before
    assert worker.stop() == 0


def test_a_command_that_ends_its_process_is_parked_and_takes_no_other_along(
    bus: LiveBus, start_worker: StartWorker
) -> None:
    bus.settings(visibility_timeout=2, concurrency=20, poll_interval=0.2)
    culprit = bus.send_to("Fail", how="die", max_attempts=2)
    innocent = [bus.timeout(300, max_attempts=2) for _ in range(19)]
    worker = start_worker("--processes", "2", *OWN)
    bus.wait_for_status(PARKED, [culprit], timeout=60)
    bus.wait_for_status(COMPLETED, innocent, timeout=60)
    assert bus.word(culprit) == "SRRT"
    assert bus.command(culprit)["last_error_code"] == "LEASE_EXPIRED"
    assert bus.events(culprit)[2]["details_json"]["alone"] is True
    assert {bus.word(command_id) for command_id in innocent} <= {"SRC", "SRRC"}
    bus.assert_done_once(innocent)
    after = bus.send()
    bus.wait_for_status(COMPLETED, [after])
    assert worker.stop() == 0


def test_a_code_with_a_line_end_writes_no_line_of_its_own(bus: LiveBus, start_worker: StartWorker) -> None:
    for how in ("error", "permanent", "business rule"):
        bus.send_to("Fail", how=how)
    bus.settings(base_delay_ms=0, max_delay_ms=0)
    worker = start_worker(*OWN, "--once", ready=False, LOG_FORMAT="text")
    assert worker.wait() == 0
    lines = worker.program.output.splitlines()
    assert sum(r"error=X\nINFO done" in line for line in lines) == 2
    assert {line for line in lines if line.lstrip().startswith("INFO done")} == {r"  INFO done\x00\ud800"}


def refusal(worker: Worker) -> str:
    assert worker.wait() == 2
    (line,) = worker.program.output.splitlines()
    return line


def test_a_module_that_cannot_be_used_is_said_in_one_line(committed: str, start_worker: StartWorker) -> None:
    asked = (["--handlers", "no.such.module"], ["--handlers", "tests.support", "--processes", "2"])
    one, many = [start_worker(*words, ready=False) for words in asked]
    assert refusal(one) == (
        "CommandError: --handlers no.such.module: it cannot be imported: ModuleNotFoundError: No module named 'no'"
    )
    assert refusal(many) == "CommandError: --handlers tests.support: it has no function register(registry)."
