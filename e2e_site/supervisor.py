"""Keeping several programs running until a person stops them: `bin/demo` does."""

import signal
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager

from e2e_site.options import SiteError
from e2e_site.programs import LOOK_EVERY_S, Keeper, Program, StopRequests

_READY_WITHIN_S = 60


class SupervisorError(SiteError):
    """A program did not come up; the message says which and why."""


class Stopped(Exception):  # noqa: N818 — it was asked for, so no error
    """A request to stop came while the programs were still coming up."""


class Supervisor:
    """Keeps programs running until it is asked to stop."""

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
