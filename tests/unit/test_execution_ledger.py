"""bench/ledgers/executions.py: what a worker process says of its handlers is read again, however the process ended."""

import errno
import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path
from uuid import UUID, uuid4

import pytest

from bench.ledgers.executions import ExecutionLedger, read_executions

KILLED = """
import os, signal, sys
from pathlib import Path
from uuid import UUID
from bench.ledgers.executions import ExecutionLedger

ledger = ExecutionLedger(Path(sys.argv[1]), "w1.1")
ledger.end(ledger.begin(UUID(int=1), 11, 1), "ok")
ledger.begin(UUID(int=2), 12, 1)
os.kill(os.getpid(), signal.SIGKILL)
"""
MOST = 2048  # records of a part


def test_an_execution_is_read_with_its_times_and_its_outcome(tmp_path: Path) -> None:
    ledger, command_id, before = ExecutionLedger(tmp_path, "w1.2"), uuid4(), time.time()
    place = ledger.begin(command_id, 2**62, 255)
    (running,) = read_executions(tmp_path)
    assert (running.ended, running.outcome, running.crashed) == (None, "", "")
    ledger.end(place, "SimulatedFailure")
    (done,) = read_executions(tmp_path)
    assert (done.command_id, done.msg_id, done.attempt) == (command_id, 2**62, 255)
    assert (done.worker, done.pid, done.outcome, done.crashed) == ("w1.2", os.getpid(), "SimulatedFailure", "")
    assert done.ended is not None
    assert before - 0.001 <= done.began <= done.ended <= time.time() + 0.001


def test_one_attempt_that_is_performed_twice_is_told_twice(tmp_path: Path) -> None:
    ledger, command_id = ExecutionLedger(tmp_path, "w1"), uuid4()
    first = ledger.begin(command_id, 1, 1)
    ledger.end(ledger.begin(command_id, 1, 1), "second")
    ledger.end(first, "first")
    assert [execution.outcome for execution in read_executions(tmp_path)] == ["first", "second"]


def test_a_process_that_is_killed_leaves_all_that_it_said(tmp_path: Path) -> None:
    killed = subprocess.run([sys.executable, "-c", KILLED, str(tmp_path)], check=False)
    assert killed.returncode == -signal.SIGKILL
    ended, open_one = read_executions(tmp_path)
    assert (ended.command_id, ended.outcome) == (UUID(int=1), "ok")
    assert (open_one.command_id, open_one.msg_id, open_one.ended) == (UUID(int=2), 12, None)


def test_a_file_grows_part_by_part_while_early_executions_still_run(tmp_path: Path) -> None:
    ledger = ExecutionLedger(tmp_path, "w1")
    places = [ledger.begin(UUID(int=number), number, 1) for number in range(MOST + 1)]
    ledger.end(places[0], "ok")
    ledger.end(places[-1], "ok")
    found = list(read_executions(tmp_path))
    assert [execution.msg_id for execution in found] == list(range(MOST + 1))
    assert {execution.msg_id for execution in found if execution.ended} == {0, MOST}


def test_a_file_that_is_there_is_gone_on_with(tmp_path: Path) -> None:
    for number in range(2):  # a process id that comes again, after a write that the disk had no room for
        ExecutionLedger(tmp_path, "w1").begin(UUID(int=number), number, 1)
        (file,) = tmp_path.iterdir()
        with file.open("ab") as end:
            end.write(b"\0" * 100)
    assert [execution.msg_id for execution in read_executions(tmp_path)] == [0, 1]


@pytest.mark.parametrize(
    ("name", "kept"), [("", ""), ("E" * 200, "E" * 92), ("Fehler" + "ü" * 100, "Fehler" + "ü" * 43), ("ab\0", "ab")]
)
def test_a_name_that_is_too_long_is_cut(name: str, kept: str, tmp_path: Path) -> None:
    ledger = ExecutionLedger(tmp_path, "w1")
    ledger.end(ledger.begin(uuid4(), 1, 1), name)
    ledger.begin(uuid4(), 2, 1)
    one, other = read_executions(tmp_path)
    assert (one.outcome, one.crashed) == (kept, "")
    assert one.ended is not None
    assert (other.msg_id, other.ended) == (2, None)


@pytest.mark.parametrize("point", ["received", "handled", "finishing"])
@pytest.mark.parametrize("how", ["kill", "exit", "segfault"])
def test_the_end_of_a_process_is_told_at_its_execution(point: str, how: str, tmp_path: Path) -> None:
    ledger = ExecutionLedger(tmp_path, "w1")
    ledger.crash(ledger.begin(uuid4(), 1, 1), f"{point}:{how}")
    ledger.begin(uuid4(), 2, 1)
    assert [execution.crashed for execution in read_executions(tmp_path)] == [f"{point}:{how}", ""]


def test_without_room_a_handler_is_not_called_and_what_was_said_stays(tmp_path: Path) -> None:
    ledger = ExecutionLedger(tmp_path, "w1")
    for number in range(MOST):
        ledger.begin(UUID(int=number), number, 1)
    (file,) = tmp_path.iterdir()
    room, most = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (file.stat().st_size + 4096, most))
    try:
        for _ in range(2):
            with pytest.raises(OSError, match="No space left for the ledger of executions") as full:
                ledger.begin(UUID(int=MOST), MOST, 1)
            assert full.value.errno == errno.ENOSPC
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (room, most))
    assert len(list(read_executions(tmp_path))) == MOST
    ledger.begin(UUID(int=MOST), MOST, 1)
    assert len(list(read_executions(tmp_path))) == MOST + 1
