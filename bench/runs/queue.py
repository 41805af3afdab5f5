"""Runs worked off one at a time, in the order in which they were asked for.

    lock "bench.runs" ─► oldest that waits ─► conduct ─► end      held as long as the run goes on

A run that a command line asked for is worked off by that process, which waits for its turn; one that a page or the API
asked for by `manage.py bench work`, which holds the lock "bench.work" so that others know that it is there.
"""

from __future__ import annotations

import logging
import time
from contextlib import closing
from typing import TYPE_CHECKING, Any

import psycopg

from bench.errors import BenchError
from bench.runs.conduct import CanceledError, conduct
from bench.runs.row import SILENCE_S, Beating, End, Rows, lost_text, write_end
from bench.runs.variants import command_line
from bench.scenarios.plan import Plan
from bench.scenarios.yaml_file import scenario_from
from e2e_site.database import session_params
from e2e_site.locks import held_lock
from e2e_site.options import Exit, SiteError
from e2e_site.texts import one_line

if TYPE_CHECKING:
    from collections.abc import Callable

    from bench.report.document import Document
    from bench.scenarios.model import Scenario
    from e2e_site.named_sql import Row

logger = logging.getLogger(__name__)

RUN_LOCK, WORK_LOCK = "bench.runs", "bench.work"
LOOK_S = 0.5
_MOST_AWAY_S = 10  # between two looks while the database is away


class CannotRunError(BenchError):
    """The run could not be made; its row says why."""

    exit_code = Exit.REFUSED


class OthersRunError(BenchError):
    """It is not its turn, and it shall not wait."""


class Queue:
    """What one process sees of the queue, and does in it.

    ``show`` hears how far it is, ``say`` what a person should read later. ``stopped``: whether the process shall end,
    and ``stopper``: who says so.
    """

    def __init__(
        self, *, show: Callable[[str], object], say: Callable[[str], object], stopped: Callable[[], bool],
        stopper: str = "Ctrl-C",
    ) -> None:  # fmt: skip
        self._params = session_params()
        self._stopper = stopper
        self._rows = Rows(self._params)
        self._show = show
        self._say = say
        self._stopped = stopped

    def close(self) -> None:
        self._rows.close()

    def run(self, scenario: Scenario, *, waits: bool = True) -> tuple[int, Document]:
        """Ask for it, wait for its turn, and work it off: its number and what it came to.

        Raises OthersRunError where it may not wait, CanceledError, CannotRunError, and BusyError.
        """
        run_id = self._rows.ask(scenario)
        try:
            lock = self._turn_of(run_id, waits=waits)
        except BaseException:
            self._rows.run("cancel", run_id=run_id, by=self._stopper)
            raise
        with closing(lock):
            document = self._work_off(run_id, lock)
        return run_id, document

    def work(self, *, once: bool) -> None:
        """Work off what pages and API ask for, until it is stopped; with ``once`` until nothing is left."""
        away_s = LOOK_S
        while not self._stopped():
            try:
                with closing(self._served()):
                    away_s = LOOK_S
                    if self._worked(once=once):
                        return
            except psycopg.OperationalError as exc:
                logger.warning("the database is away: %s", one_line(exc), extra={"action": "bench_waits"})
                self._pause(away_s)
                away_s = min(2 * away_s, _MOST_AWAY_S)

    def _worked(self, *, once: bool) -> bool:
        """Work off what there is, and what comes; True when it is stopped, or done with ``once``."""
        while not self._stopped():
            found = self._rows.row("next_asked")
            if found is not None:
                self._work_one(found["run_id"])
            elif once:
                return True
            else:
                self._pause(2 * LOOK_S)
        return True

    def _work_one(self, run_id: int) -> None:
        """Whatever becomes of it is in its row."""
        try:
            lock = self._turn_of(run_id, waits=True)
        except CanceledError:
            return
        try:
            with closing(lock):
                document = self._work_off(run_id, lock)
            self._say(f"run {run_id}: {document.head.verdict}. {document.head.why}")
        except (CanceledError, CannotRunError) as exc:
            self._say(f"run {run_id}: {exc}")
        except psycopg.OperationalError:
            raise
        except Exception:  # a run that meets a defect does not end the program that the next one needs
            logger.exception("run %s met a defect", run_id, extra={"action": "bench_defect"})

    def _served(self) -> psycopg.Connection[Any]:
        """What says that this program is there, until it is closed; another such program waits for that."""
        said = False
        while (lock := held_lock({**self._params, "application_name": "bench work"}, WORK_LOCK)) is None:
            if not said:
                self._say("Another manage.py bench work is there: this one waits for its end.")
            said = True
            self._pause(2 * LOOK_S)
            if self._stopped():
                raise CanceledError("It was stopped before its turn came.")
        return lock

    def _turn_of(self, run_id: int, *, waits: bool) -> psycopg.Connection[Any]:
        """The lock, once every run before it is over. Raises CanceledError, OthersRunError."""
        while True:
            lock = self._lock_if_first(run_id)
            if lock is not None:
                return lock
            found = self._rows.row("wait", run_id=run_id)
            if found is None or self._stopped():
                raise CanceledError("It was canceled before it began.")
            if not waits:
                raise OthersRunError("Another run is going on, and --no-wait was given.")
            ahead = found["ahead"]
            self._show(f"run {run_id}: waits for its turn, {ahead} run{'' if ahead == 1 else 's'} before it")
            self._pause(LOOK_S)

    def _lock_if_first(self, run_id: int) -> psycopg.Connection[Any] | None:
        lock = held_lock({**self._params, "application_name": "bench run"}, RUN_LOCK)
        if lock is None:
            return None
        try:
            self._rows.run("mark_lost", silence_s=SILENCE_S)
            served = self._rows.row("served", lock=WORK_LOCK)
            first = self._rows.row("next_in_line", served=bool(served and served["served"]))
            if first is not None and first["run_id"] == run_id and not self._stopped():
                return lock
        except BaseException:
            lock.close()
            raise
        lock.close()
        return None

    def _work_off(self, run_id: int, lock: psycopg.Connection[Any]) -> Document:
        """From its beginning to its end; the row says how it ended, whatever happens."""
        row = self._rows.begin(run_id)
        if row is None:
            raise CanceledError("It was canceled before it began.")
        end = End(state="broken", why="It was ended in a way that was not foreseen.")
        try:
            document = self._conducted(run_id, lock, row)
            end = End(state="ended", why=document.head.why, document=document)
        except CanceledError as exc:
            end = End(state="canceled", why=str(exc), canceled_by=exc.by)
            raise
        except (SiteError, psycopg.Error) as exc:
            end = End(state="broken", why=_sentence(one_line(exc)))
            raise CannotRunError(end.why) from exc
        except Exception as exc:
            end = End(state="broken", why=f"It met a defect: {type(exc).__name__}: {one_line(exc)}")
            raise
        finally:
            write_end(self._rows, run_id, end)
        return document

    def _conducted(self, run_id: int, lock: psycopg.Connection[Any], row: Row) -> Document:
        """What it came to, with signs of life meanwhile. Raises CanceledError, which says by whom, and BenchError."""
        scenario, seed = scenario_from(row["source"], f"run {run_id}"), row["seed"]
        total = Plan(scenario, seed).count
        with Beating(run_id, self._params, lock, total=total, show=self._show, stopped=self._stopped) as beating:
            try:
                again = command_line(scenario, seed, run_id)
                return conduct(scenario, seed, shown=beating, run_id=run_id, command=again)
            except CanceledError as exc:
                if beating.lost is not None:
                    raise BenchError(lost_text(beating.lost)) from exc
                by = beating.canceled_by or self._stopper
                raise CanceledError(f"It was canceled by {by}: it came to no verdict.", by=by) from exc

    def _pause(self, seconds: float) -> None:
        """Less where it is stopped meanwhile."""
        until = time.monotonic() + seconds
        while time.monotonic() < until and not self._stopped():
            time.sleep(0.05)


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:].rstrip('.')}."
