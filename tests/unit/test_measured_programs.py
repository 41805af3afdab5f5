"""bench/programs.py: programs that are measured end well, or with an error that quotes them; none is left."""

import os
import sys
import time
from typing import Any

import psutil
import pytest

from bench.errors import BenchError
from bench.programs import MeasuredProgram

STEADY = "import time; print('at work', flush=True); time.sleep(60)"


def python(text: str, **environment: Any) -> MeasuredProgram:
    return MeasuredProgram([sys.executable, "-I", "-S", "-c", text], {**os.environ, **environment})


def test_one_that_ends_well_answers_with_what_it_printed() -> None:
    with python("import os; print(os.environ['WORD'])", WORD="x") as program:
        assert program.wait() == "x\n"


def test_one_that_fails_is_quoted_with_its_exit_code() -> None:
    text = "import sys; print('so far', flush=True); sys.exit('no more')"
    with python(text) as program, pytest.raises(BenchError, match=r"ended with exit code 1:\nso far\nno more\n$"):
        program.wait()


def test_of_one_that_says_much_the_end_is_quoted() -> None:
    text = "import sys; print('x' * 100_000); print('the last'); sys.exit(2)"
    with python(text) as program, pytest.raises(BenchError, match=r"x\nthe last\n$") as caught:
        program.wait()
    assert len(str(caught.value)) < 3_000


def test_one_that_does_not_end_in_time_is_an_error() -> None:
    with python(STEADY) as program, pytest.raises(BenchError, match=r"did not end within 0 s\."):
        program.wait(timeout=0.2)


def test_one_that_has_ended_before_its_time_is_quoted() -> None:
    with python("print('done')") as program:
        assert program.wait() == "done\n"
        with pytest.raises(BenchError, match=r"ended before its time:\ndone\n"):
            program.check_running()


def test_one_that_is_stopped_in_order_has_ended_well() -> None:
    text = """
import signal, sys, time
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
print("ready", flush=True)
time.sleep(60)
"""
    with python(text) as program:
        _wait_for(program, "ready")
        program.check_running()
        program.stop()


def test_one_that_a_stop_makes_fail_is_an_error() -> None:
    with python(STEADY) as program:
        _wait_for(program, "at work")
        with pytest.raises(BenchError, match="ended by signal 15"):
            program.stop()


def test_leaving_its_context_ends_it_whatever_happened() -> None:
    def fail() -> None:
        with python(STEADY) as program:
            _wait_for(program, "at work")
            pids.append(program._program.pid)
            raise KeyboardInterrupt

    pids: list[int] = []
    with pytest.raises(KeyboardInterrupt):
        fail()
    assert not psutil.pid_exists(pids[0])


def test_the_most_memory_that_it_had_stays_known() -> None:
    # 64 MB that are given back long before its end
    text = "import time; big = bytearray(64_000_000); big[::4096] = b'x' * len(big[::4096]); del big; time.sleep(0.3)"
    with python(text) as program:
        program.wait()
    small = python("import time; time.sleep(0.3)")
    with small:
        small.wait()
    assert 64 < program.peak_mb < 150
    assert 0 < small.peak_mb < 40


def _wait_for(program: MeasuredProgram, text: str) -> None:
    deadline = time.monotonic() + 20
    while text not in program._program.output:
        assert time.monotonic() < deadline
        program.check_running()
        time.sleep(0.02)
