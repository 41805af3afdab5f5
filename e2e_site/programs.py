"""Running other programs: one at a time, started, told to stop, waited for, ended. `supervisor.py` keeps several up.

Each runs in a session of its own, so that a Ctrl-C in the terminal reaches us alone, and we tell each program once. A
program stops when we are killed (Linux), so that nothing is left that holds a port or works on.
"""

import ctypes
import os
import signal
import subprocess
import sys
import time
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from tempfile import TemporaryFile
from types import FrameType

from django.conf import settings

LOOK_EVERY_S = 0.1
_LONGEST_DELAY_S = 30
_STEADY_S = 60
_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None) if sys.platform == "linux" else None


def manage_command(*arguments: str) -> list[str]:
    """The command line of a management command of this site."""
    return [sys.executable, str(settings.BASE_DIR / "manage.py"), *arguments]


@dataclass(kw_only=True)
class Keeper:
    """Something that has to run: started when it is down, with a delay that grows while it keeps ending."""

    name: str
    is_up: Callable[[], bool]
    start: Callable[[], object]
    _delay: float = 0
    _down_since: float | None = None
    _up_since: float = field(default_factory=time.monotonic)

    def check(self, say: Callable[[str], object], why: Callable[[], str]) -> None:
        """Start it if it is down and its delay is over; `why` tells how it ended."""
        now = time.monotonic()
        if self.is_up():
            self._down_since = None
        elif self._down_since is None:
            self._delay = min(self._delay * 2 or 1, _LONGEST_DELAY_S) if now - self._up_since < _STEADY_S else 1
            self._down_since = now
            say(f"The {self.name} ended{why()}; it is started again in {self._delay:.0f} s.")
        elif now - self._down_since >= self._delay:
            self._down_since, self._up_since = None, now
            self.start()


class Program:
    """One subprocess, which may be started again after its end.

    ``inherits``: open files that it gets under their own numbers.
    ``grace``: the seconds that `stop` gives it to drain. ``environment``: all of its environment; without one it
    inherits ours. ``directory``: where it works. ``keeps_output``: what it prints, on both channels, is kept for
    `output`; else it goes where ours goes. ``stops_with_us``: the system asks it to stop when the thread that started
    it has ended (Linux).
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        *,
        grace: float = 0,
        environment: Mapping[str, str] | None = None,
        directory: Path | None = None,
        keeps_output: bool = False,
        stops_with_us: bool = True,
        inherits: Sequence[int] = (),
    ) -> None:
        self.name = name
        self.command = command
        self._grace = grace
        self._environment = environment
        self._directory = directory
        self._stops_with_us = stops_with_us
        self._inherits = inherits
        self._kept = TemporaryFile() if keeps_output else None  # noqa: SIM115 — closed with this object
        if self._kept is not None:
            weakref.finalize(self, self._kept.close)
        self._process: subprocess.Popen[bytes] | None = None
        self.keeper = Keeper(name=name, is_up=self.is_up, start=self.start)

    @property
    def pid(self) -> int:
        """0 before it was started."""
        return self._process.pid if self._process else 0

    def start(self) -> None:
        """Start it, or start it again; of an earlier one nothing is left then."""
        self.end()
        self._process = subprocess.Popen(  # noqa: S603 — our own programs
            self.command,
            stdin=subprocess.DEVNULL,
            stdout=self._kept,
            stderr=self._kept and subprocess.STDOUT,
            env=self._environment,
            cwd=self._directory,
            start_new_session=True,
            pass_fds=self._inherits,
            # What it calls takes no lock that another thread of ours could hold.
            preexec_fn=partial(_stop_with_parent, os.getpid()) if self._stops_with_us else None,  # noqa: PLW1509
        )

    def is_up(self) -> bool:
        return self._process is not None and self._process.poll() is None

    @property
    def exit_code(self) -> int | None:
        """How it ended last: minus the signal that killed it; None while it runs and before it was started."""
        return self._process.poll() if self._process else None

    def ending(self) -> str:
        """How it ended last, as the rest of a sentence; empty while it runs."""
        code = self.exit_code
        if code is None:
            return ""
        return f" by signal {-code}" if code < 0 else f" with exit code {code}"

    @property
    def output(self) -> str:
        """What it has printed since its first start."""
        if self._kept is None:
            return ""
        # By position: the program writes at the offset that this file has.
        number = self._kept.fileno()
        return os.pread(number, os.fstat(number).st_size, 0).decode(errors="replace")

    def send_signal(self, number: signal.Signals) -> None:
        """Send it a signal unless it has ended."""
        if self._process is not None:
            self._process.send_signal(number)

    def ask_to_stop(self) -> None:
        self.send_signal(signal.SIGTERM)

    def ends_within(self, seconds: float, hurry: Callable[[], bool] = lambda: False) -> bool:
        """Wait until it has ended, the seconds are over or `hurry` says so; whether it has ended."""
        deadline = time.monotonic() + seconds
        while self.is_up() and time.monotonic() < deadline and not hurry():
            time.sleep(LOOK_EVERY_S)
        return not self.is_up()

    def stop(self, hurry: Callable[[], bool] = lambda: False) -> None:
        """Ask it to stop and wait until it has; end it when its grace is over or `hurry` says so."""
        self.ask_to_stop()
        self.ends_within(self._grace, hurry)
        self.end()

    def end(self) -> None:
        """End at once what is left of it: a killed web server leaves processes that hold the port."""
        if self._process is not None:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()


class StopRequests:
    """Counts how often this process was asked to stop."""

    def __init__(self, *numbers: signal.Signals) -> None:
        self._numbers = numbers
        self.count = 0

    @contextmanager
    def heard(self) -> Iterator[None]:
        """Meanwhile the signals are counted, and do nothing else."""

        def asked(number: int, frame: FrameType | None) -> None:
            self.count += 1

        before = [signal.signal(number, asked) for number in self._numbers]
        try:
            yield
        finally:
            for number, handler in zip(self._numbers, before, strict=True):
                signal.signal(number, handler)


def _stop_with_parent(parent: int) -> None:
    """In the child: have the system send SIGTERM when the parent dies, or has died already."""
    signal.signal(signal.SIGTERM, signal.SIG_DFL)  # the parent's handler would only note it
    if _libc is not None:
        _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:
            os._exit(1)
