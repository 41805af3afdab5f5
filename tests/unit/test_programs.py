"""e2e_site/programs.py: what can be told to a program, what it leaves, and when one that ended is started again."""

import os
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psutil
import pytest

from e2e_site import programs
from e2e_site.programs import Keeper, Program, StopRequests, manage_command
from tests.support.waiting import wait_until

# It says so when it is asked to stop, and goes on.
STUBBORN = """
import signal, time
signal.signal(signal.SIGTERM, lambda *_: print("no", flush=True))
print("ready", flush=True)
while True: time.sleep(0.01)
"""


class Clock:
    """Seconds that pass when a test says so."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(programs, "time", SimpleNamespace(monotonic=made.monotonic))
    return made


class Lamp:
    """Something that has to be up."""

    def __init__(self, clock: Clock) -> None:
        self.up = True
        self.said: list[str] = []
        self._clock = clock
        self._keeper = Keeper(name="lamp", is_up=self._is_up, start=self._start, _up_since=clock.now)

    def _is_up(self) -> bool:
        return self.up

    def _start(self) -> None:
        self.up = True

    def pause_after_an_end(self) -> float:
        """It ends now; after how many seconds it is up again."""
        self.up, began = False, self._clock.now
        self._keeper.check(self.said.append, lambda: " by signal 9")
        while not self._is_up():
            self._clock.now += 0.25
            self._keeper.check(self.said.append, lambda: " by signal 9")
        return self._clock.now - began

    def burns(self, seconds: float) -> None:
        self._clock.now += seconds
        self._keeper.check(self.said.append, str)


def test_the_delay_grows_while_it_keeps_ending_and_begins_anew_once_it_was_steady(clock: Clock) -> None:
    lamp = Lamp(clock)
    assert [lamp.pause_after_an_end() for _ in range(7)] == [1, 2, 4, 8, 16, 30, 30]
    lamp.burns(60)
    assert [lamp.pause_after_an_end() for _ in range(2)] == [1, 2]
    assert lamp.said[0] == "The lamp ended by signal 9; it is started again in 1 s."


@pytest.fixture
def python() -> Iterator[Callable[..., Program]]:
    """Makes programs of a Python text, started, and ends them."""
    made: list[Program] = []

    def start(text: str, *arguments: str, **options: Any) -> Program:
        command = [sys.executable, "-I", "-S", "-c", text, *arguments]
        made.append(Program("snake", command, **{"keeps_output": True, "stops_with_us": False, **options}))
        made[-1].start()
        return made[-1]

    yield start
    for program in made:
        program.end()


def test_what_it_prints_on_both_channels_is_kept_over_its_starts(python: Callable[..., Program]) -> None:
    program = python("import sys; print('out', flush=True); print('error', file=sys.stderr)")
    assert program.ends_within(20)
    assert program.output == "out\nerror\n"
    program.start()
    assert program.ends_within(20)
    assert program.output == "out\nerror\n" * 2


def test_reading_what_it_has_printed_so_far_moves_nothing(python: Callable[..., Program]) -> None:
    program = python(
        "import sys, time\nfor line in sys.argv[1:]: print(line, flush=True); time.sleep(0.1)", "a", "b", "c"
    )
    wait_until(lambda: "a" in program.output)
    assert program.ends_within(20)
    assert program.output == "a\nb\nc\n"


def test_what_is_not_kept_is_no_output(python: Callable[..., Program]) -> None:
    program = python("", keeps_output=False)
    assert program.ends_within(20)
    assert program.output == ""


def test_it_gets_the_environment_and_the_directory_that_it_is_given_and_nothing_besides(
    python: Callable[..., Program], tmp_path: Path
) -> None:
    text = "import os; print(os.environ.get('HOME'), os.environ['WORD'], os.getcwd())"
    program = python(text, environment={"WORD": "x"}, directory=tmp_path)
    assert program.ends_within(20)
    assert program.output.split() == ["None", "x", str(tmp_path)]


@pytest.mark.parametrize(
    ("text", "code", "words"),
    [("", 0, " with exit code 0"), ("raise SystemExit(3)", 3, " with exit code 3")],
)
def test_an_end_has_a_code_and_words(python: Callable[..., Program], text: str, code: int, words: str) -> None:
    program = python(text)
    assert program.ends_within(20)
    assert (program.exit_code, program.ending()) == (code, words)


def test_an_end_by_a_signal_says_which(python: Callable[..., Program]) -> None:
    program = python("import time; time.sleep(60)")
    assert (program.exit_code, program.ending(), program.is_up()) == (None, "", True)
    program.send_signal(signal.SIGINT)
    program.send_signal(signal.SIGKILL)
    assert program.ends_within(20)
    assert program.ending() in (" by signal 2", " by signal 9")


def test_one_that_was_not_started_is_down_and_can_be_told_to_stop() -> None:
    program = Program("nothing", ["no such program"])
    program.stop()
    assert (program.pid, program.is_up(), program.exit_code, program.ending()) == (0, False, None, "")


def test_it_is_asked_once_and_ended_when_its_grace_is_over(python: Callable[..., Program]) -> None:
    program = python(STUBBORN, grace=0.3)
    wait_until(lambda: "ready" in program.output)
    program.stop()
    assert (program.output, program.exit_code) == ("ready\nno\n", -signal.SIGKILL)


def test_a_hurry_ends_it_before_its_grace_is_over(python: Callable[..., Program]) -> None:
    program = python(STUBBORN, grace=600)
    wait_until(lambda: "ready" in program.output)
    program.stop(hurry=lambda: "no" in program.output)
    assert program.exit_code == -signal.SIGKILL


def test_it_is_waited_for_no_longer_than_asked(python: Callable[..., Program]) -> None:
    program = python("import time; time.sleep(60)")
    assert not program.ends_within(0.1)
    assert not program.ends_within(600, hurry=lambda: True)
    assert program.is_up()


def test_its_end_takes_what_it_started_along(python: Callable[..., Program]) -> None:
    program = python(
        "import subprocess, sys\n"
        "print(subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)']).pid, flush=True)"
    )
    assert program.ends_within(20)
    (child,) = map(int, program.output.split())
    assert psutil.pid_exists(child)
    program.end()
    wait_until(lambda: not psutil.pid_exists(child) or psutil.Process(child).status() == psutil.STATUS_ZOMBIE)


def test_a_start_begins_anew_while_it_still_runs(python: Callable[..., Program]) -> None:
    program = python("import time; time.sleep(60)")
    before = program.pid
    program.start()
    assert program.is_up()
    assert not psutil.pid_exists(before)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a process that its parent has died")
@pytest.mark.parametrize("stops_with_us", [True, False])
def test_it_stops_when_we_are_killed_if_it_shall(python: Callable[..., Program], stops_with_us: bool) -> None:
    text = f"""
import sys, time
sys.path[:0] = {sys.path!r}
from e2e_site.programs import Program
program = Program("sleep", ["sleep", "60"], stops_with_us={stops_with_us})
program.start()
print(program.pid, flush=True)
time.sleep(60)
"""
    parent = python(text)
    wait_until(lambda: "\n" in parent.output, 30)
    grandchild = psutil.Process(int(parent.output))
    parent.send_signal(signal.SIGKILL)
    assert parent.ends_within(20)
    try:
        if stops_with_us:
            wait_until(lambda: not grandchild.is_running() or grandchild.status() == psutil.STATUS_ZOMBIE)
        else:
            assert grandchild.status() == psutil.STATUS_SLEEPING
    finally:
        if not stops_with_us:
            grandchild.kill()


def test_a_management_command_is_one_of_this_site() -> None:
    interpreter, manage, *words = manage_command("runworker", "--once")
    assert (interpreter, Path(manage).name, words) == (sys.executable, "manage.py", ["runworker", "--once"])
    assert Path(manage).is_file()


def test_requests_to_stop_are_counted_and_heard_no_longer_than_asked() -> None:
    before = signal.getsignal(signal.SIGUSR1)
    requests = StopRequests(signal.SIGUSR1)
    with requests.heard():
        for number in (1, 2):
            os.kill(os.getpid(), signal.SIGUSR1)
            assert requests.count == number
    assert signal.getsignal(signal.SIGUSR1) is before
