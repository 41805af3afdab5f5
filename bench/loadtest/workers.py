"""The worker processes of a load test: real ``manage.py runworker``s, each in a process group of its own.

Ctrl-C reaches the load test alone, which tells each of them once; they end with it, even where it is killed (Linux).
"""

from __future__ import annotations

import socket
import time
from typing import TYPE_CHECKING, Any

from bench.loadtest.errors import BrokenError, StoppedError
from e2e_site.programs import LOOK_EVERY_S, Program, manage_command

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from bench.loadtest.statements import Database

GRACE_S = 30
READY_WITHIN_S = 60
_LINES_KEPT = 3


class Workers:
    """``arguments`` are what each ``runworker`` gets besides; ``environment`` says in which database it works."""

    def __init__(self, number: int, arguments: Sequence[str], environment: Mapping[str, str]) -> None:
        command = manage_command("runworker", "--no-sampler", f"--grace={GRACE_S}", *arguments)
        self._programs = [
            Program(
                f"worker {place}",
                command,
                grace=GRACE_S,
                environment=environment,
                keeps_output=True,
            )
            for place in range(1, number + 1)
        ]
        self._told: set[int] = set()

    def start(self, database: Database, stopped: Callable[[], bool]) -> None:
        """Start all and return when they work; raises `BrokenError` where one does not, `StoppedError` if asked to."""
        since = database.value("now")
        for program in self._programs:
            program.start()
        pids = [program.pid for program in self._programs]
        deadline = time.monotonic() + READY_WITHIN_S
        while database.value("ready_workers", host=socket.gethostname(), pids=pids, since=since) < len(pids):
            if stopped():
                raise StoppedError("Interrupted")
            for program in self._programs:
                if not program.is_up():
                    raise BrokenError(f"{self._describe(program)} before it worked.")
            if time.monotonic() > deadline:
                raise BrokenError(f"the workers were not ready within {READY_WITHIN_S} s.")
            time.sleep(LOOK_EVERY_S)

    def deaths(self) -> list[str]:
        """Those that have ended since this was asked last, in words. They are not started again."""
        dead = [program for program in self._programs if not program.is_up() and program.pid not in self._told]
        self._told |= {program.pid for program in dead}
        return [f"{self._describe(program)}." for program in dead]

    @property
    def any_up(self) -> bool:
        return any(program.is_up() for program in self._programs)

    def stop(self, hurry: Callable[[], bool]) -> None:
        """Let all of them drain at the same time; end them when their grace is over, or `hurry` says so."""
        # Once: a second signal would make them give up what they perform.
        for program in self._programs:
            program.ask_to_stop()
        deadline = time.monotonic() + GRACE_S + 5
        while self.any_up and time.monotonic() < deadline and not hurry():
            time.sleep(LOOK_EVERY_S)
        for program in self._programs:
            program.end()

    def endings(self) -> list[dict[str, Any]]:
        """How each ended, and the last lines that it wrote: warnings and errors."""
        return [
            {"pid": program.pid, "exit_code": program.exit_code, "said": _said(program)} for program in self._programs
        ]

    def _describe(self, program: Program) -> str:
        said = _said(program)
        last = f", saying {said[-1]!r}" if said else ""
        return f"{program.name} (process {program.pid}) ended{program.ending()}{last}"


def _said(program: Program) -> list[str]:
    return program.output.splitlines()[-_LINES_KEPT:]
