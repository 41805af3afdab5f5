"""One load test from beginning to end.

run lock ─► workplace ─► start workers ─► send and watch ─► stop workers ─► measure ─► row, summary
"""

from __future__ import annotations

import json
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bench.loadtest import summary
from bench.loadtest.errors import BrokenError, LoadTestError, StoppedError
from bench.loadtest.options import Plan
from bench.loadtest.run_lock import RunLock
from bench.loadtest.sampler import Sampler
from bench.loadtest.sender import Sender
from bench.loadtest.statements import Database
from bench.loadtest.watch import Watch
from bench.loadtest.workers import Workers
from bench.loadtest.workplace import given_database, workplace
from e2e_site.database import connection_params
from settings_app.values import WorkerSettings

if TYPE_CHECKING:
    from bench.loadtest.options import Options
    from bench.loadtest.progress import Progress
    from e2e_site.programs import StopRequests

Json = dict[str, Any]


def conduct(options: Options, shown: Progress, stop_requests: StopRequests) -> Json:
    """Run it; the summary, which says how it went (``state``, ``as_expected``, ``verdict``).

    Raises `LoadTestError` where it cannot begin, or where the site's database is gone and the row cannot tell.
    """
    given = given_database(options.database) if options.database else None
    with closing(Database(connection_params(), name="run")) as site:
        settings = site.value("settings")
        plan = Plan(options=options, settings=WorkerSettings.from_row(settings))
        with RunLock(site, plan=plan) as run_lock, workplace(given, run_lock, settings) as own:
            shown.say(f"Load test {run_lock.run_id} works in database {own.name}.")
            with closing(Database(own.params, name="watch")) as bus:
                run = _Run(
                    plan=plan,
                    site=site,
                    bus=bus,
                    run_lock=run_lock,
                    sender=Sender(own.params, plan),
                    workers=Workers(options.workers, options.worker_arguments(), own.environment()),
                    shown=shown,
                    stop_requests=stop_requests,
                )
                return run.whole()


@dataclass(kw_only=True)
class _Run:
    """A run with everything that takes part in it: ``bus`` is the database that it works in."""

    plan: Plan
    site: Database
    bus: Database
    run_lock: RunLock
    sender: Sender
    workers: Workers
    shown: Progress
    stop_requests: StopRequests

    def whole(self) -> Json:
        """Everything; whatever happens, nothing is left running and the row says how it ended."""
        state, why = "failed", "It met an error that was not foreseen."
        measured: Json | None = None
        try:
            self._start_workers()
            state, why, measured = self._measured()
        except StoppedError as exc:
            state, why = "interrupted", f"{exc} before anything was sent"
        except LoadTestError as exc:
            why = str(exc)
        finally:
            self.workers.stop(self._in_a_hurry)
            document = self._close(state, why, measured)
        return document

    def _start_workers(self) -> None:
        if self._stopped():
            raise StoppedError("Interrupted")
        self.run_lock.enter("starting")
        self.workers.start()
        self.run_lock.keep_beating()  # now that no program is started any more, threads may be
        self.workers.wait_until_ready(self.bus, self._stopped)

    def _measured(self) -> tuple[str, str, Json]:
        """Send, watch, stop and count; the state, why it is that one, and the summary."""
        before = self.bus.row("cost") or {}
        sampler = Sampler(self.bus)
        self.run_lock.enter("sending")
        self.sender.start()
        try:
            state, why = self._watched(sampler)
        finally:
            self.sender.stop()
            self.shown.end()
        self.run_lock.enter("stopping")
        self.workers.stop(self._in_a_hurry)
        self.run_lock.enter("measuring")
        document = summary.compose(
            options=self.plan.to_json(),
            each=self.plan.each,
            ledger=summary.Ledger(sent=self.sender.sent, seconds=self.sender.seconds, taken=dict(self.sender.taken)),
            measured=self.bus.row("summary", after=sampler.first_event) or {},
            costs=(before, self.bus.row("cost") or {}),
        )
        self._write_exact_counts(document)
        return state, why, document

    def _watched(self, sampler: Sampler) -> tuple[str, str]:
        watch = Watch(
            options=self.plan.options,
            site=self.site,
            bus=self.bus,
            run_lock=self.run_lock,
            sender=self.sender,
            workers=self.workers,
            sampler=sampler,
            shown=self.shown,
            stop_requests=self.stop_requests,
        )
        try:
            watch.until_over()
        except StoppedError as exc:
            return "interrupted", str(exc)
        except BrokenError as exc:
            return "failed", str(exc)
        return "finished", ""

    def _stopped(self) -> bool:
        return self.stop_requests.count > 0

    def _in_a_hurry(self) -> bool:
        return self.stop_requests.count > 1

    def _write_exact_counts(self, document: Json) -> None:
        account = document["accounting"]
        self.site.run(
            "update_counts",
            run_id=self.run_lock.run_id,
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
            "run": self.run_lock.run_id,
            "state": state,
            "as_expected": as_expected,
            "verdict": text,
            "workers": self.workers.endings(),
            **(measured or {"options": self.plan.to_json()}),
        }
        self.run_lock.end(
            state=state,
            verdict=text,
            as_expected=as_expected if measured else None,
            summary=json.dumps(document) if measured else None,
        )
        return document
