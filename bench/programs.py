"""Programs that are measured: real ``manage.py runworker`` processes, and modules of ours run as programs.

What a program prints goes to a file; one that fails is quoted. None outlives the benchmark: each is ended by its id,
and a worker also ends by itself after ``MOST_S``.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from contextlib import suppress
from tempfile import TemporaryFile
from typing import TYPE_CHECKING, Any, Self

import psutil
from django.conf import settings

from bench.benchmark.case import BenchmarkError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import TracebackType

    from e2e_site.schema.own_database import OwnDatabase

MOST_S = 900
_LOOK_S = 0.1


class Program:
    """A running subprocess; leaving the context ends it."""

    def __init__(self, command: Sequence[str], environment: dict[str, str]) -> None:
        self._said = TemporaryFile("w+")  # noqa: SIM115 — closed on leaving
        self._name = " ".join(command[1:])
        self._process = subprocess.Popen(  # noqa: S603 — our own programs
            command,
            stdin=subprocess.DEVNULL,
            stdout=self._said,
            stderr=subprocess.STDOUT,
            env=environment,
            cwd=settings.BASE_DIR,
            start_new_session=True,  # Ctrl-C is for the benchmark, which then ends its programs
        )
        self.peak_mb = 0.0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()
        self._said.close()

    def wait(self, timeout: float = MOST_S) -> str:
        """What it printed, once it has ended well; BenchmarkError otherwise."""
        deadline = time.monotonic() + timeout
        while self._process.poll() is None:
            self.look()
            if time.monotonic() > deadline:
                raise BenchmarkError(f"{self._name} did not end within {timeout:.0f} s.")
            time.sleep(_LOOK_S)
        return self._ended_well()

    def check_running(self) -> None:
        """BenchmarkError with what it printed if it has ended."""
        self.look()
        if self._process.poll() is not None:
            raise BenchmarkError(f"{self._name} ended before its time:\n{self._output()[-2000:]}")

    def stop(self) -> None:
        """Let it end in order."""
        self.look()
        with suppress(ProcessLookupError):
            self._process.send_signal(signal.SIGTERM)
        self.wait()

    def look(self) -> None:
        """Note the most memory that it has had so far."""
        with suppress(psutil.Error, OSError):  # it has ended meanwhile
            self.peak_mb = max(self.peak_mb, _peak_mb(self._process.pid))

    def _ended_well(self) -> str:
        output = self._output()
        if self._process.returncode:
            raise BenchmarkError(f"{self._name} failed, exit code {self._process.returncode}:\n{output[-2000:]}")
        return output

    def _output(self) -> str:
        self._said.seek(0)
        return self._said.read()


def worker(
    database: OwnDatabase,
    *,
    domain: str,
    engine: str = "native",
    concurrency: int = 200,
    batch_size: int = 200,
    once: bool = True,
) -> Program:
    """Start a worker process. With ``once`` it ends when the queue is empty, else when it is stopped."""
    words = ["--engine", engine, "--domain", domain, "--concurrency", str(concurrency), "--batch-size", str(batch_size)]
    if once:
        words.append("--once")
    manage = str(settings.BASE_DIR / "manage.py")
    command = [sys.executable, manage, "runworker", *words, "--max-wait", str(MOST_S)]
    return Program(command, database.environment())


def run_module(database: OwnDatabase, module: str, *arguments: str) -> dict[str, Any]:
    """Run one of our modules as a program; what it prints last is one JSON object."""
    with Program(
        [sys.executable, "-m", "bench.benchmark.program", module, *arguments], database.environment()
    ) as program:
        answer: dict[str, Any] = json.loads(program.wait().splitlines()[-1])
        return answer


def _peak_mb(pid: int) -> float:
    """The most memory that a process has had (Linux tells; elsewhere what it has now); 0 for one that has ended."""
    if psutil.LINUX:
        with open(f"/proc/{pid}/status") as status:
            return max((int(line.split()[1]) / 1024 for line in status if line.startswith("VmHWM:")), default=0.0)
    return float(psutil.Process(pid).memory_info().rss / 2**20)
