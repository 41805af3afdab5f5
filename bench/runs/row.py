"""The row of a run (``bench_run``): asked for, waiting, running with signs of life, over.

    ask ─► waiting ─► begin ─► running ─► end ─► ended, canceled, broken; lost: its process died

Pages and API ask and cancel by Django's connection; who works a run off has connections of its own.
"""

from __future__ import annotations

import json
import os
import socket
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Event, Lock, Thread
from typing import TYPE_CHECKING, Any, Self

import psycopg
from psycopg.rows import dict_row

from bench.errors import BenchError
from bench.models import BenchRun
from bench.scenarios.plan import Plan
from bench.scenarios.yaml_file import to_json
from e2e_site.named_sql import NamedSql, Row
from e2e_site.options import Exit
from e2e_site.texts import cut, one_line, storable

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from types import TracebackType

    from bench.report.document import Document
    from bench.scenarios.model import Scenario

MOST_WAITING = 50
BEAT_S = 1.0
SILENCE_S = 20  # one that shows no sign of life for so long is taken for dead
LONGEST_WHY = 2000
LONGEST_NAME = 150
SQL = NamedSql(Path(__file__).with_name("row.sql"))


class BusyError(BenchError):
    """As many runs wait as may."""

    exit_code = Exit.FAILED

    def __init__(self) -> None:
        super().__init__(f"{MOST_WAITING} runs wait already: cancel some, or wait until they have run.")


def ask(scenario: Scenario, *, by: str) -> int:
    """Have it run by ``manage.py bench work``; the number of the run. Raises BusyError."""
    found = SQL.rows("ask", **_asked(scenario, by=by, host="", pid=None))
    if not found:
        raise BusyError
    return int(found[0]["run_id"])


def cancel(run_id: int, *, by: str) -> bool:
    """Whether it was still to be canceled: at once where it waits, within two seconds where it runs."""
    return bool(SQL.rows("cancel", run_id=run_id, by=cut(storable(by), LONGEST_NAME)))


def _asked(scenario: Scenario, *, by: str, host: str, pid: int | None) -> Row:
    return {
        "scenario": scenario.scenario,
        "engines": ", ".join(engines_of(scenario)),
        "seed": scenario.seed,
        "source": json.dumps(_storable(to_json(scenario))),
        "total": Plan(scenario, scenario.seed).count,
        "asked_by": cut(storable(by), LONGEST_NAME),
        "host": host,
        "pid": pid,
        "most": MOST_WAITING,
    }


def engines_of(scenario: Scenario) -> list[str]:
    """The engines of its workers, each once."""
    return sorted({workers.engine.value for workers in scenario.workers})


class Rows:
    """The statements of ``row.sql`` on one autocommit connection, opened anew after it was lost; for one thread.

    The statement that meets the loss raises psycopg.OperationalError.
    """

    def __init__(self, params: Mapping[str, Any]) -> None:
        self._params = {**params, "application_name": "bench row"}
        self._conn: psycopg.Connection[Row] | None = None

    def run(self, name: str, **values: Any) -> None:
        """Run a statement for what it does."""
        self._execute(name, values)

    def row(self, name: str, **values: Any) -> Row | None:
        """The first row of a statement that answers; None without any."""
        return self._execute(name, values).fetchone()

    def close(self) -> None:
        if self._conn is not None:
            self._conn.close()

    def ask(self, scenario: Scenario) -> int:
        """The number of a run that this process will work off. Raises BusyError."""
        found = self.row("ask", **_asked(scenario, by="", host=socket.gethostname(), pid=os.getpid()))
        if found is None:
            raise BusyError
        return int(found["run_id"])

    def begin(self, run_id: int) -> Row | None:
        """Its ``source`` and ``seed``; None where it was canceled."""
        return self.row("begin", run_id=run_id, host=socket.gethostname(), pid=os.getpid())

    def _execute(self, name: str, values: Mapping[str, Any]) -> psycopg.Cursor[Row]:
        if self._conn is None or self._conn.closed:
            self._conn = psycopg.connect(**self._params, autocommit=True, row_factory=dict_row)
        return self._conn.execute(SQL.text(name), values)


@dataclass(frozen=True, kw_only=True)
class End:
    """How a run ended, for its row. ``document`` None: it came to none."""

    state: str
    why: str
    document: Document | None = None
    canceled_by: str = ""


class Beating:
    """A run that goes on: it hears phase and progress (`conduct.Shown`), writes them with a sign of life every second,
    and learns whether someone canceled it.

    ``show`` gets a line whenever something is new; ``stopped``: whether this process was asked to stop. ``lost``: why
    neither the row nor the lock could be kept.
    """

    def __init__(
        self, run_id: int, params: Mapping[str, Any], lock: psycopg.Connection[Any], *, total: int,
        show: Callable[[str], object], stopped: Callable[[], bool],
    ) -> None:  # fmt: skip
        self.run_id = run_id
        self.canceled_by = ""
        self.lost: Exception | None = None
        self._rows = Rows(params)
        self._held = lock
        self._show = show
        self._stopped = stopped
        self._guard = Lock()
        self._state: dict[str, Any] = {"phase": "", "done": 0, "total": total}
        self._news, self._over = Event(), Event()
        self._thread = Thread(target=self._keep_beating, name="beat", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._news.set()
        self._thread.join()
        self._rows.close()

    def phase(self, text: str) -> None:
        self._note(phase=text)
        self._news.set()

    def progress(self, done: int, total: int) -> None:
        self._note(done=done, total=total)

    def is_canceled(self) -> bool:
        return bool(self.canceled_by) or self.lost is not None or self._stopped()

    def _note(self, **news: Any) -> None:
        with self._guard:
            if {**self._state, **news} == self._state:
                return
            self._state |= news
        done = f", {self._state['done']:,} of {self._state['total']:,}" if self._state["done"] else ""
        self._show(f"run {self.run_id}: {self._state['phase']}{done}")

    def _keep_beating(self) -> None:
        """A beat at once, one every second or when there is news, and one at the end."""
        try:
            while not self._over.is_set():
                self._beat()
                self._news.wait(BEAT_S)
            self._beat()
        except psycopg.Error as exc:
            self.lost = exc

    def _beat(self) -> None:
        self._news.clear()
        with self._guard:
            state = dict(self._state)
        found = self._rows.row("beat", run_id=self.run_id, **state)
        self.canceled_by = found["canceled_by"] if found else "the deletion of its row"
        self._held.execute("SELECT 1")


def write_end(rows: Rows, run_id: int, end: End) -> None:
    """Write down how it ended; what is too old is forgotten. Raises psycopg.Error where the database is gone."""
    head = end.document.head if end.document else None
    values = {
        "state": end.state,
        "why": cut(storable(end.why), LONGEST_WHY),
        "canceled_by": cut(storable(end.canceled_by), LONGEST_NAME),
        "verdict": head.verdict.value if head else None,
        "as_asked": head.verdict == head.expected_verdict if head else None,
        "document": json.dumps(_storable(json.loads(end.document.model_dump_json()))) if end.document else None,
    }
    try:
        rows.run("end", run_id=run_id, **values)
    except psycopg.OperationalError:  # the connection was lost while the run went on: once more, on a new one
        rows.run("end", run_id=run_id, **values)
    with suppress(psycopg.Error):
        rows.run("forget_old", kept=BenchRun.KEPT)


def _storable(value: Any) -> Any:
    """JSON without what PostgreSQL cannot store: a worker may have said anything."""
    match value:
        case str():
            return storable(value)
        case list():
            return [_storable(each) for each in value]
        case dict():
            return {storable(key): _storable(each) for key, each in value.items()}
        case _:
            return value


def lost_text(exc: Exception) -> str:
    """Why a run that could keep neither row nor lock was given up."""
    return f"The site's database was lost while it ran: {one_line(exc)}"
