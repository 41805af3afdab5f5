"""The workers of a run: real ``manage.py runworker`` processes, witnessed, which faults may stop, freeze and kill.

A worker that ends unasked is not started again: `Fleet.check` says so. None outlives the run.
"""

from __future__ import annotations

import signal
import socket
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from threading import RLock
from typing import TYPE_CHECKING, Any

from django.conf import settings

from bench.errors import BenchError
from bench.releases.kept import WATCH, unpack
from bench.witness import Orders
from e2e_site.programs import LOOK_EVERY_S, Program, manage_command

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import psycopg

    from bench.scenarios.model import Workers

GRACE_S = 15
READY_WITHIN_S = 60
_LINES_KEPT = 5
_READY = """
    SELECT count(*) FROM public.e2e_worker
    WHERE host = %s AND pid = ANY (%s) AND stopped_at IS NULL AND beat_at > %s
"""


@dataclass(kw_only=True)
class FleetWorker:
    """One worker and its starts. ``name``: ``w1``; each start is called ``w1.1``, ``w1.2`` in the ledger.

    ``expected_down``: a fault has ended it, or is about to.
    """

    name: str
    of: Workers
    environment: Mapping[str, str]
    orders: Orders
    starts: int = 0
    program: Program | None = None
    expected_down: bool = False
    ended: list[dict[str, Any]] = field(default_factory=list)

    @property
    def pid(self) -> int:
        return self.program.pid if self.program else 0

    @property
    def is_up(self) -> bool:
        return self.program is not None and self.program.is_up()

    def start(self) -> None:
        """Start it, or start it again."""
        self._note()
        self.starts += 1
        orders = Orders(**{**vars(self.orders), "worker": f"{self.name}.{self.starts}"})
        directory = unpack(self.of.release, Path(orders.folder)) if self.of.release else settings.BASE_DIR
        self.program = Program(
            f"worker {self.name}", self._command(directory), grace=GRACE_S,
            environment={**self.environment, **orders.environment()}, directory=directory, keeps_output=True,
        )  # fmt: skip
        self.program.start()
        self.expected_down = False

    @property
    def process(self) -> str:
        """What the ledger calls its newest start: ``w1.2``."""
        return f"{self.name}.{self.starts}"

    def signal(self, number: signal.Signals) -> None:
        if self.program is not None:
            self.program.send_signal(number)

    def kill(self) -> None:
        """``kill -9``; it is gone afterwards."""
        self.expected_down = True
        self.signal(signal.SIGKILL)
        assert self.program is not None
        self.program.ends_within(GRACE_S)

    def stop(self) -> int | None:
        """SIGTERM, also where it stands still; its exit code, None where it did not end in its grace."""
        self.expected_down = True
        self.signal(signal.SIGTERM)
        self.signal(signal.SIGCONT)
        assert self.program is not None
        return self.program.exit_code if self.program.ends_within(GRACE_S) else None

    def said(self) -> list[str]:
        """The last lines that it wrote: warnings and errors."""
        return self.program.output.splitlines()[-_LINES_KEPT:] if self.program else []

    def endings(self) -> list[dict[str, Any]]:
        self._note()
        return self.ended

    def _note(self) -> None:
        if self.program is not None:
            self.ended.append(
                {
                    "name": f"{self.name}.{self.starts}",
                    "pid": self.program.pid,
                    "engine": self.of.engine.value,
                    "release": self.of.release,
                    "exit_code": self.program.exit_code,
                    "said": self.said(),
                }
            )
            self.program = None

    def _command(self, directory: Path) -> list[str]:
        of = self.of
        words = [
            "runworker", "--no-sampler", f"--grace={GRACE_S}", f"--engine={of.engine.value}",
            f"--concurrency={of.concurrency}", f"--batch-size={of.batch_size}",
        ]  # fmt: skip
        if of.release:
            return [sys.executable, str(directory / "manage.py"), *words, f"--handlers={WATCH}"]
        handlers = [f"--handlers={of.handlers}"] if of.handlers else []
        return manage_command(*words, "--around=bench.witness", *handlers)


class Fleet:
    """All workers of a run. Faults act on them from several threads: each call is whole."""

    def __init__(self, workers: Sequence[FleetWorker]) -> None:
        self.workers = list(workers)
        self.lock = RLock()

    def start(self, conn: psycopg.Connection[Any], stopped: Callable[[], bool]) -> None:
        """Start all and return when they work; BenchError where one does not."""
        row = conn.execute("SELECT clock_timestamp()").fetchone()
        assert row is not None
        for worker in self.workers:
            worker.start()
        self.wait_until_ready(conn, row[0], stopped)

    def wait_until_ready(
        self, conn: psycopg.Connection[Any], since: object, stopped: Callable[[], bool] = lambda: False
    ) -> None:
        """Until all that were started have their row."""
        deadline = time.monotonic() + READY_WITHIN_S
        while not stopped():
            pids = [worker.pid for worker in self.workers]
            row = conn.execute(_READY, [socket.gethostname(), pids, since]).fetchone()
            if row is not None and row[0] >= len(pids):
                return
            for worker in self.workers:
                if not worker.is_up:
                    raise BenchError(f"worker {worker.name} ended before it worked: {' '.join(worker.said())[-500:]}")
            if time.monotonic() > deadline:
                raise BenchError(f"the workers were not ready within {READY_WITHIN_S} s.")
            time.sleep(LOOK_EVERY_S)

    def deaths(self) -> list[str]:
        """Workers that have ended though no fault did it, in words."""
        with self.lock:
            return [
                f"worker {worker.name} ended{worker.program.ending()}: {' '.join(worker.said())[-300:]}"
                for worker in self.workers
                if worker.program is not None and not worker.is_up and not worker.expected_down
            ]

    def revive(self) -> None:
        """Start again what has ended and what no fault keeps down."""
        with self.lock:
            for worker in self.workers:
                if not worker.is_up and not worker.expected_down:
                    worker.start()

    def stop(self) -> None:
        """Let all drain at the same time; end those that do not."""
        with self.lock:
            for worker in self.workers:
                worker.expected_down = True
                worker.signal(signal.SIGCONT)
                worker.signal(signal.SIGTERM)
            deadline = time.monotonic() + GRACE_S + 5
            while any(worker.is_up for worker in self.workers) and time.monotonic() < deadline:
                time.sleep(LOOK_EVERY_S)
            for worker in self.workers:
                if worker.program is not None:
                    worker.program.end()

    def end(self) -> None:
        """End all at once, whatever they do."""
        with self.lock:
            for worker in self.workers:
                worker.expected_down = True
                if worker.program is not None:
                    worker.program.end()

    def endings(self) -> list[dict[str, Any]]:
        """How each start of each worker ended, and the last that it said."""
        return [ending for worker in self.workers for ending in worker.endings()]
