"""One load test from beginning to end.

lock ─► database of its own ─► start workers ─► send and watch ─► stop workers ─► measure ─► row, summary
"""

from __future__ import annotations

import json
from contextlib import closing
from typing import TYPE_CHECKING, Any

from bench.loadtest import summary
from bench.loadtest.databases import load_database
from bench.loadtest.errors import BrokenError, LoadTestError, StoppedError
from bench.loadtest.options import Plan
from bench.loadtest.run_lock import RunLock
from bench.loadtest.sampler import Sampler
from bench.loadtest.sender import Sender
from bench.loadtest.statements import Database
from bench.loadtest.watch import Watch
from bench.loadtest.workers import Workers
from e2e_site.database import connection_params
from e2e_site.schema.own_database import OwnDatabaseError
from settings_app.values import WorkerSettings

if TYPE_CHECKING:
    from bench.loadtest.options import Options
    from bench.loadtest.progress import Progress
    from e2e_site.programs import StopRequests
    from e2e_site.schema.own_database import OwnDatabase

Json = dict[str, Any]


def conduct(options: Options, shown: Progress, stop_requests: StopRequests) -> Json:
    """Run it; the summary, which says how it went (``state``, ``as_expected``, ``verdict``).

    Raises `LoadTestError` where it cannot begin, or where the site's database is gone and nothing can be written down;
    `OwnDatabaseError` where there is no database to work in.
    """
    with closing(Database(connection_params(), name="record")) as record:
        plan = Plan(options=options, settings=WorkerSettings.from_row(record.value("settings")))
        with RunLock(record, plan=plan) as run_lock:
            return _Run(plan, record, run_lock, shown, stop_requests).whole()


class _Run:
    """``record``: the site's database, where the row of the run is."""

    def __init__(
        self, plan: Plan, record: Database, run_lock: RunLock, shown: Progress, stop_requests: StopRequests
    ) -> None:
        self._plan = plan
        self._record = record
        self._run_lock = run_lock
        self._shown = shown
        self._stop_requests = stop_requests
        self._workers: Workers | None = None

    def whole(self) -> Json:
        """Everything; whatever happens, nothing is left running and the row says how it ended."""
        state, why = "failed", "It met an error that was not foreseen."
        measured: Json | None = None
        try:
            self._shown.show("making a database")
            with load_database(self._plan.options.database, self._record, self._run_lock.run_id) as own:
                state, why, measured = self._in(own)
        except StoppedError as exc:
            state, why = "interrupted", f"{exc} before anything was sent"
        except LoadTestError as exc:
            why = str(exc)
        except OwnDatabaseError as exc:
            why = str(exc)
            raise
        finally:
            document = self._close(state, why, measured)
        return document

    def _in(self, own: OwnDatabase) -> tuple[str, str, Json]:
        """Send, watch, stop and count in this database; the state, why it is that one, and the summary."""
        self._refuse_to_go_on()
        workers = self._workers = Workers(
            self._plan.options.workers, self._plan.options.worker_arguments(), own.environment()
        )
        with closing(Database(own.params, name="run")) as bus:
            try:
                self._run_lock.enter("starting")
                workers.start(bus, self._stopped)
                return self._measured(own, bus, workers)
            finally:
                workers.stop(self._in_a_hurry)

    def _measured(self, own: OwnDatabase, bus: Database, workers: Workers) -> tuple[str, str, Json]:
        before = bus.row("cost") or {}
        sampler, sender = Sampler(bus), Sender(own.params, self._plan)
        self._run_lock.enter("sending")
        sender.start()
        try:
            state, why = self._watched(bus, sampler, sender, workers)
        finally:
            sender.stop()
            self._shown.end()
        self._run_lock.enter("stopping")
        workers.stop(self._in_a_hurry)
        self._run_lock.enter("measuring")
        document = summary.compose(
            options=self._plan.to_json(),
            each=self._plan.each,
            ledger=summary.Ledger(sent=sender.sent, seconds=sender.seconds, taken=dict(sender.taken)),
            measured=bus.row("summary", after=sampler.first_event) or {},
            costs=(before, bus.row("cost") or {}),
        )
        self._write_exact_counts(document)
        return state, why, document

    def _watched(self, bus: Database, sampler: Sampler, sender: Sender, workers: Workers) -> tuple[str, str]:
        watch = Watch(
            options=self._plan.options,
            record=self._record,
            bus=bus,
            run_lock=self._run_lock,
            sender=sender,
            workers=workers,
            sampler=sampler,
            shown=self._shown,
            stop_requests=self._stop_requests,
        )
        try:
            watch.until_over()
        except StoppedError as exc:
            return "interrupted", str(exc)
        except BrokenError as exc:
            return "failed", str(exc)
        return "finished", ""

    def _refuse_to_go_on(self) -> None:
        if self._stopped():
            raise StoppedError("Interrupted")

    def _stopped(self) -> bool:
        return self._stop_requests.count > 0

    def _in_a_hurry(self) -> bool:
        return self._stop_requests.count > 1

    def _write_exact_counts(self, document: Json) -> None:
        account = document["accounting"]
        self._record.run(
            "update_counts",
            run_id=self._run_lock.run_id,
            sent=account["sent"],
            received=document["attempts"]["begun"],
            completed=account["completed"],
            failed=account["failed"],
            parked=account["in_tsq"],
        )

    def _close(self, state: str, why: str, measured: Json | None) -> Json:
        """Write the end into the row; the whole document."""
        as_expected, text = summary.verdict(measured) if measured else (False, "")
        if state != "finished":
            text = f"{why.rstrip('.')}. {text}".strip()
        document: Json = {
            "run": self._run_lock.run_id,
            "state": state,
            "as_expected": as_expected,
            "verdict": text,
            "workers": self._workers.endings() if self._workers else [],
            **(measured or {"options": self._plan.to_json()}),
        }
        self._record.run(
            "end_run",
            run_id=self._run_lock.run_id,
            state=state,
            as_expected=as_expected if measured else None,
            verdict=text,
            summary=json.dumps(document) if measured else None,
        )
        return document
