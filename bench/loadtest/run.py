"""One load test from beginning to end.

claim ─► empty ─► start workers ─► send and watch ─► stop workers ─► measure ─► row, summary
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from bench.loadtest import summary
from bench.loadtest.emptying import COMMANDS_AT_ONCE, empty_domain, wait_for_workers_to_end
from bench.loadtest.errors import BrokenError, LoadTestError, StoppedError
from bench.loadtest.options import Plan
from bench.loadtest.run_lock import Claim
from bench.loadtest.sampler import Sampler
from bench.loadtest.sender import Sender
from bench.loadtest.statements import Database
from bench.loadtest.watch import Watch
from bench.loadtest.workers import Workers
from e2e_site.database import connection_params
from settings_app.values import WorkerSettings

if TYPE_CHECKING:
    from bench.loadtest.options import Options
    from bench.loadtest.progress import Progress
    from e2e_site.programs import StopRequests

Json = dict[str, Any]


def conduct(options: Options, shown: Progress, stop_requests: StopRequests) -> Json:
    """Run it; the summary, which says how it went (``state``, ``as_expected``, ``verdict``).

    Raises `LoadTestError` where it cannot begin, or where the database is gone and nobody can tell.
    """
    database = Database(connection_params(), name="run")
    try:
        plan = Plan(options=options, settings=WorkerSettings.from_row(database.value("settings")))
        with Claim(database, plan=plan) as claim:
            return _Run(plan, database, claim, shown, stop_requests).whole()
    finally:
        database.close()


class _Run:
    def __init__(
        self, plan: Plan, database: Database, claim: Claim, shown: Progress, stop_requests: StopRequests
    ) -> None:
        self._plan = plan
        self._database = database
        self._claim = claim
        self._shown = shown
        self._stop_requests = stop_requests
        self._sender = Sender(connection_params(), plan)
        self._workers = Workers(plan.options.workers, plan.options.worker_arguments())

    def whole(self) -> Json:
        """Everything; whatever happens, nothing is left running and the row says how it ended."""
        state, why = "failed", "It met an error that nobody foresaw."
        measured: Json | None = None
        try:
            self._prepare()
            state, why, measured = self._measured()
        except StoppedError as exc:
            state, why = "interrupted", f"{exc} before anything was sent"
        except LoadTestError as exc:
            why = str(exc)
        finally:
            self._workers.stop(self._in_a_hurry)
            document = self._close(state, why, measured)
        return document

    def _prepare(self) -> None:
        wait_for_workers_to_end(self._database, self._shown.say, self._stopped)
        empty_domain(self._database, self._on_deleted, self._stopped)
        self._claim.enter("starting")
        self._workers.start(self._database, self._claim.run_id, self._stopped)

    def _measured(self) -> tuple[str, str, Json]:
        """Send, watch, stop and count; the state, why it is that one, and the summary."""
        before = self._database.row("cost") or {}
        sampler = Sampler(self._database)
        self._claim.keep_beating()
        self._claim.enter("sending")
        self._sender.start()
        try:
            state, why = self._watched(sampler)
        finally:
            self._sender.stop()
            self._shown.end()
        self._claim.enter("stopping")
        self._workers.stop(self._in_a_hurry)
        self._claim.enter("measuring")
        document = summary.compose(
            options=self._plan.to_json(),
            each=self._plan.each,
            ledger=summary.Ledger(sent=self._sender.sent, seconds=self._sender.seconds, taken=dict(self._sender.taken)),
            measured=self._database.row("summary", after=sampler.first_event) or {},
            costs=(before, self._database.row("cost") or {}),
        )
        self._write_exact_counts(document)
        return state, why, document

    def _watched(self, sampler: Sampler) -> tuple[str, str]:
        watch = Watch(
            options=self._plan.options,
            database=self._database,
            claim=self._claim,
            sender=self._sender,
            workers=self._workers,
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

    def _stopped(self) -> bool:
        return self._stop_requests.count > 0

    def _in_a_hurry(self) -> bool:
        return self._stop_requests.count > 1

    def _on_deleted(self, deleted: int) -> None:
        self._claim.beat()
        if deleted > COMMANDS_AT_ONCE:  # else it takes no time
            self._shown.show(f"emptying the domain: {deleted:,} commands deleted")

    def _write_exact_counts(self, document: Json) -> None:
        account = document["accounting"]
        self._database.run(
            "update_counts",
            run_id=self._claim.run_id,
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
            "run": self._claim.run_id,
            "state": state,
            "as_expected": as_expected,
            "verdict": text,
            "workers": self._workers.endings(),
            **(measured or {"options": self._plan.to_json()}),
        }
        self._database.run(
            "end_run",
            run_id=self._claim.run_id,
            state=state,
            as_expected=as_expected if measured else None,
            verdict=text,
            summary=json.dumps(document) if measured else None,
        )
        return document
