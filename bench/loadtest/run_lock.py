"""The right to run a load test, one at a time for a site; and the run's row with its signs of life."""

from __future__ import annotations

import json
import os
import socket
import time
from threading import Event, Thread
from typing import TYPE_CHECKING, Self

import psycopg

from bench.loadtest.errors import BrokenError, BusyError
from bench.loadtest.statements import Database
from e2e_site.database import session_params
from e2e_site.locks import held_lock

if TYPE_CHECKING:
    from types import TracebackType

    from bench.loadtest.options import Plan

KEPT_RUNS = 200
BEAT_S = 2.0
LOCK = "bench.loadtest"
_LOCK_SEEN_WITHIN_S = 2.0


class RunLock:
    """While it is entered, no other load test of this site runs: they would disturb each other's figures.

    The lock belongs to a connection of its own, so the server lets go of it as soon as this process is gone.
    """

    def __init__(self, database: Database, *, plan: Plan) -> None:
        self._database = database
        self._plan = plan
        self._ended = Event()
        self._thread = Thread(target=self._keep_beating, name="beat", daemon=True)
        self.run_id = 0
        self.lost: Exception | None = None  # why lock or heartbeat could not be kept

    def __enter__(self) -> Self:
        lock = held_lock({**session_params(), "application_name": "loadtest lock"}, LOCK)
        if lock is None:
            raise BusyError(self._who())
        self._lock = lock
        self._database.run("mark_lost")
        self.run_id = self._database.value(
            "create_run",
            host=socket.gethostname(),
            pid=os.getpid(),
            options=json.dumps(self._plan.to_json()),
            commands=self._plan.options.commands,
        )
        self._database.run("forget_old", kept=KEPT_RUNS)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self._thread.join()
        self._lock.close()

    def enter(self, phase: str) -> None:
        """Say what it does now (``load_run.phase``)."""
        self._database.run("enter_phase", run_id=self.run_id, phase=phase)

    def _keep_beating(self) -> None:
        """Write signs of life, and watch the lock."""
        database = Database(session_params(), name="beat")
        try:
            while not self._ended.wait(BEAT_S):
                database.run("beat", run_id=self.run_id)
                self._lock.execute("SELECT 1")
        except (psycopg.Error, BrokenError) as exc:
            self.lost = exc
        finally:
            database.close()

    def _who(self) -> str:
        """The one that runs; its row comes a moment after its lock."""
        deadline = time.monotonic() + _LOCK_SEEN_WITHIN_S
        while (run := self._database.row("running")) is None and time.monotonic() < deadline:
            time.sleep(0.1)
        if run is None:
            return "another load test is about to start; one runs at a time."
        return (
            f"load test {run['run_id']} is running, process {run['pid']} on {run['host']}, for {run['age_s']:.0f} s; "
            "one runs at a time."
        )
