"""Running programs: starting, restarting and stopping them in order. `bin/demo` and `runworker --processes` do.

Each program runs in a session of its own, so that a Ctrl-C in the terminal reaches the supervisor alone, which tells
each program once. A program whose supervisor is killed stops too (Linux), so that nothing is left that holds the port.
"""

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from types import FrameType
from typing import IO

from django.conf import settings

LOOK_EVERY_S = 0.1
_READY_WITHIN_S = 60
_LONGEST_DELAY_S = 30
_STEADY_S = 60
_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None) if sys.platform == "linux" else None


class SupervisorError(Exception):
    """A program did not come up; the message says which and why."""


class Stopped(Exception):  # noqa: N818 — it was asked for, so no error
    """Somebody asked to stop while the programs were still coming up."""


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
    """One subprocess. ``grace`` is how many seconds it may take to drain.

    ``environment`` is set for it besides what it inherits; ``output`` takes what it prints, on both channels.
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        *,
        grace: float,
        environment: Mapping[str, str] | None = None,
        output: IO[bytes] | None = None,
    ) -> None:
        self.name = name
        self.command = command
        self._grace = grace
        self._environment = environment or {}
        self._output = output
        self._process: subprocess.Popen[bytes] | None = None
        self.keeper = Keeper(name=name, is_up=self.is_up, start=self.start)

    @property
    def pid(self) -> int:
        return self._process.pid if self._process else 0

    def start(self) -> None:
        self.end()
        self._process = subprocess.Popen(  # noqa: S603 — our own programs
            self.command,
            stdin=subprocess.DEVNULL,
            stdout=self._output,
            stderr=self._output and subprocess.STDOUT,
            env={**os.environ, **self._environment},
            start_new_session=True,
            preexec_fn=partial(_stop_with_parent, os.getpid()),  # noqa: PLW1509 — the supervisor has no threads
        )

    def is_up(self) -> bool:
        return self._process is not None and self._process.poll() is None

    @property
    def exit_code(self) -> int | None:
        """How it ended last: minus the signal that killed it; None while it runs and before it was started."""
        return self._process.poll() if self._process else None

    def ending(self) -> str:
        code = self.exit_code
        if code is None:
            return ""
        return f" by signal {-code}" if code < 0 else f" with exit code {code}"

    def ask_to_stop(self) -> None:
        if self._process is not None and self.is_up():
            self._process.terminate()

    def stop(self, hurry: Callable[[], bool]) -> None:
        """Ask it to stop and wait until it has; end it when its grace is over or `hurry` says so."""
        self.ask_to_stop()
        deadline = time.monotonic() + self._grace
        while self.is_up() and time.monotonic() < deadline and not hurry():
            time.sleep(LOOK_EVERY_S)
        self.end()

    def end(self) -> None:
        """End whatever is left of it: a killed web server leaves processes that hold the port."""
        if self._process is not None:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()


class StopRequests:
    """Counts how often somebody asked this process to stop."""

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


class Supervisor:
    """Keeps programs running until somebody asks to stop."""

    def __init__(self, programs: Sequence[Program], *, say: Callable[[str], object]) -> None:
        self._programs = programs
        self._say = say
        self._stop_requests = StopRequests(signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

    def listening(self) -> AbstractContextManager[None]:
        """Take SIGINT, SIGTERM and SIGHUP as a request to stop; a second one as a request to stop at once."""
        return self._stop_requests.heard()

    def start(self, program: Program, is_ready: Callable[[], bool]) -> None:
        """Start a program and wait until it is ready. Raises SupervisorError, or Stopped if asked to stop meanwhile."""
        program.start()
        deadline = time.monotonic() + _READY_WITHIN_S
        while not is_ready():
            if self._stop_requests.count:
                raise Stopped
            if not program.is_up():
                raise SupervisorError(f"The {program.name} ended{program.ending()} before it was ready.")
            if time.monotonic() > deadline:
                raise SupervisorError(f"The {program.name} was not ready within {_READY_WITHIN_S} s.")
            time.sleep(LOOK_EVERY_S)

    def keep(self, database: Keeper | None) -> None:
        """Start again whatever ends, until asked to stop. The programs come up again when their database does."""
        while not self._stop_requests.count:
            if database is not None:
                database.check(self._say, lambda: "")
            for program in self._programs:
                program.keeper.check(self._say, program.ending)
            time.sleep(LOOK_EVERY_S)

    def stop(self) -> None:
        """Stop the programs one after another, each drained; all at once when asked again."""
        for program in self._programs:
            if program.is_up():
                self._say(f"Stopping the {program.name} (Ctrl-C again: at once).")
            program.stop(lambda: self._stop_requests.count > 1)


def _stop_with_parent(parent: int) -> None:
    """In the child: have the system send SIGTERM when the parent dies, or has died already."""
    signal.signal(signal.SIGTERM, signal.SIG_DFL)  # the parent's handler would only note it
    if _libc is not None:
        _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:
            os._exit(1)
