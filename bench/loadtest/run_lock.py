"""The right to run a load test, one at a time for a site; and the run's row in its database, with its signs of life."""

from __future__ import annotations

import json
import os
import socket
import time
from contextlib import suppress
from threading import Event, Thread
from typing import TYPE_CHECKING, Self

import psycopg

from bench.loadtest.errors import BrokenError, BusyError
from bench.loadtest.statements import Database, one_line
from e2e_site.database import held_lock, session_params

if TYPE_CHECKING:
    from types import TracebackType

    from bench.loadtest.options import Plan

LOCK = "bench.loadtest"
KEPT_RUNS = 200
BEAT_S = 2.0
_ROW_SEEN_WITHIN_S = 2.0


class RunLock:
    """While it is entered, no other load test of this site runs, and its row says how it goes.

    The lock belongs to a connection of its own, so the server lets go of it as soon as this process is gone.
    """

    def __init__(self, site: Database, *, plan: Plan) -> None:
        self._site = site
        self._plan = plan
        self._left = Event()
        self._thread: Thread | None = None
        self._row_ended = False
        self.run_id = 0
        self.server_pid = 0  # of the server's process that holds the lock
        self.lost: Exception | None = None  # why lock or heartbeat could not be kept

    def __enter__(self) -> Self:
        lock = held_lock({**session_params(), "application_name": "loadtest lock"}, LOCK)
        if lock is None:
            raise BusyError(self._other_run())
        self._lock = lock
        self.server_pid = self._ask_for_pid()
        self._site.run("mark_lost")
        self.run_id = self._site.value(
            "create_run",
            host=socket.gethostname(),
            pid=os.getpid(),
            options=json.dumps(self._plan.to_json()),
            commands=self._plan.options.commands,
        )
        self._site.run("forget_old", kept=KEPT_RUNS)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._left.set()
        if self._thread is not None:
            self._thread.join()
        if error is not None and not self._row_ended:
            with suppress(BrokenError):
                self.end(state="failed", verdict=one_line(error))
        self._lock.close()

    def enter(self, phase: str) -> None:
        """Say what it does now (``load_run.phase``)."""
        self._site.run("enter_phase", run_id=self.run_id, phase=phase)

    def end(self, *, state: str, verdict: str, as_expected: bool | None = None, summary: str | None = None) -> None:
        """Say how it ended. ``summary`` is a JSON document."""
        self._site.run(
            "end_run", run_id=self.run_id, state=state, verdict=verdict, as_expected=as_expected, summary=summary
        )
        self._row_ended = True

    def keep_beating(self) -> None:
        """Write signs of life, and watch the lock, in a thread from now on."""
        self._thread = Thread(target=self._beat, name="beat", daemon=True)
        self._thread.start()

    def _beat(self) -> None:
        database = Database(session_params(), name="beat")
        try:
            while not self._left.wait(BEAT_S):
                database.run("beat", run_id=self.run_id)
                self._ask_for_pid()
        except (psycopg.Error, BrokenError) as exc:
            self.lost = exc
        finally:
            database.close()

    def _ask_for_pid(self) -> int:
        row = self._lock.execute("SELECT pg_backend_pid()").fetchone()
        assert row is not None
        return int(row[0])

    def _other_run(self) -> str:
        """The one that runs; its row comes a moment after its lock."""
        deadline = time.monotonic() + _ROW_SEEN_WITHIN_S
        while (run := self._site.row("running")) is None and time.monotonic() < deadline:
            time.sleep(0.1)
        if run is None:
            return "another load test is about to start; one runs at a time."
        return (
            f"load test {run['run_id']} is running, process {run['pid']} on {run['host']}, for {run['age_s']:.0f} s; "
            "one runs at a time."
        )
