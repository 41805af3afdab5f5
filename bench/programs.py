"""Programs on a database of the bench: real ``manage.py runworker`` processes, and whatever else is measured.

What a program prints is kept; one that fails is quoted. None outlives the bench: each is ended with its context, and a
worker also stops after ``MOST_S``.
"""

from __future__ import annotations

import resource
import sys
import time
from contextlib import suppress
from types import MappingProxyType
from typing import TYPE_CHECKING, Self

import psutil
from django.conf import settings

from bench.errors import BenchError
from commands.rules.words import Engine
from e2e_site.programs import Program, manage_command

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from types import TracebackType

    from e2e_site.schema.own_database import OwnDatabase

MOST_S = 900
_LOOK_S = 0.1
_QUOTED = 2000  # characters, the last ones


class MeasuredProgram:
    """A program that runs in a context, the most memory that it had, and errors that quote it."""

    def __init__(self, command: Sequence[str], environment: dict[str, str]) -> None:
        self._program = Program(
            " ".join(command[1:]), command, environment=environment, directory=settings.BASE_DIR, keeps_output=True
        )
        self.peak_mb = 0.0

    def __enter__(self) -> Self:
        self._program.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._program.end()

    @property
    def pid(self) -> int:
        return self._program.pid

    @property
    def output(self) -> str:
        """What it has printed so far."""
        return self._program.output

    def wait(self, timeout: float = MOST_S) -> str:
        """What it printed, once it has ended well; BenchError otherwise."""
        deadline = time.monotonic() + timeout
        self._look()
        while not self._program.ends_within(_LOOK_S):
            self._look()
            if time.monotonic() > deadline:
                raise BenchError(f"{self._program.name} did not end within {timeout:.0f} s.")
        if self._program.exit_code:
            raise BenchError(f"{self._program.name} ended{self._program.ending()}:\n{self._quoted()}")
        return self._program.output

    def check_running(self) -> None:
        """BenchError with what it printed if it has ended."""
        self._look()
        if not self._program.is_up():
            raise BenchError(f"{self._program.name} ended before its time:\n{self._quoted()}")

    def stop(self) -> None:
        """Let it end in order; BenchError where it does not."""
        self._look()
        self._program.ask_to_stop()
        self.wait()

    def _look(self) -> None:
        with suppress(psutil.Error, OSError):  # it has ended meanwhile
            self.peak_mb = max(self.peak_mb, _peak_mb(self._program.pid))

    def _quoted(self) -> str:
        return self._program.output[-_QUOTED:]


def worker(
    database: OwnDatabase,
    *,
    domain: str,
    engine: Engine = Engine.NATIVE,
    concurrency: int = 200,
    batch_size: int = 200,
    once: bool = True,
    samples: bool = False,
    around: str = "",
    environment: Mapping[str, str] = MappingProxyType({}),
) -> MeasuredProgram:
    """A worker process. With ``once`` it ends when the queue is empty, else when it is stopped.

    What is measured is the bus alone, unless it ``samples``, or a module goes ``around`` its handlers. ``environment``
    is added to that of the database.
    """
    words = ["--engine", engine, "--domain", domain, "--concurrency", str(concurrency), "--batch-size", str(batch_size)]
    if once:
        words.append("--once")
    if not samples:
        words.append("--no-sampler")
    if around:
        words += ["--around", around]
    command = manage_command("runworker", *words, "--max-wait", str(MOST_S))
    return MeasuredProgram(command, {**database.environment(), **environment})


def own_peak_mb() -> float:
    """The most memory that this process has had."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)


def _peak_mb(pid: int) -> float:
    """The most memory that a process has had (Linux tells; elsewhere what it has now); 0 for one that has ended."""
    if psutil.LINUX:
        with open(f"/proc/{pid}/status") as status:
            return max((int(line.split()[1]) / 1024 for line in status if line.startswith("VmHWM:")), default=0.0)
    return float(psutil.Process(pid).memory_info().rss / 2**20)
