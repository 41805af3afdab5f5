"""Looking five times a second at what is busy and what waits, while a rate is offered."""

from __future__ import annotations

import os
import time
from contextlib import suppress
from threading import Event, Thread
from typing import TYPE_CHECKING, Any, LiteralString, Self

import psutil
import psycopg

from bench.capacity.limits import Look
from bench.testbed import waiting_table
from commands.rules.words import DOMAIN

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

EVERY_S = 0.2
MOST_COUNTED = 200_000
_HERE = ("", "localhost", "127.0.0.1", "::1")
_OURS = "bench watch"
_ACTIVITY: LiteralString = """
    SELECT pid, state = 'active' AND application_name <> %s AND backend_type = 'client backend', wait_event_type,
           wait_event
    FROM pg_stat_activity
    WHERE datname = current_database() OR backend_type IN ('walwriter', 'checkpointer', 'background writer')
"""
_WAL_EVENTS = {"WALSync", "WALWrite", "WalSync", "WalWrite", "WALInitSync", "WALInitWrite", "WALInsert", "SyncRep"}


class Watch:
    """Inside the ``with`` it looks, from a thread and a connection of its own.

    ``backlog``: messages in the queue at the newest look, `MOST_COUNTED` at most.
    """

    def __init__(self, params: Mapping[str, Any], workers: Sequence[int]) -> None:
        self._conn = psycopg.connect(**{**params, "application_name": _OURS}, autocommit=True)
        self._queue = waiting_table(DOMAIN)
        self._times = _Times()
        self._workers = list(workers)
        self._over = Event()
        self._thread = Thread(target=self._look_on, name="watch", daemon=True)
        self.looks: list[Look] = []
        self.backlog = 0

    def __enter__(self) -> Self:
        psutil.cpu_percent()
        self._look()  # what was used before does not count
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()
        self._conn.close()

    def _look_on(self) -> None:
        while not self._over.wait(EVERY_S):
            with suppress(psycopg.Error):
                self.looks.append(self._look())

    def _look(self) -> Look:
        self.backlog = self._depth()
        rows = self._conn.execute(_ACTIVITY, [_OURS]).fetchall()
        active = [(kind, event) for _, is_active, kind, event in rows if is_active]
        waits: dict[str, int] = {}
        for name in (wait_class(kind, event) for kind, event in active):
            if name:
                waits[name] = waits.get(name, 0) + 1
        backends = self._backends([pid for pid, *_ in rows])
        return Look(
            machine=psutil.cpu_percent(), workers=[self._times.percent(pid) or 0.0 for pid in self._workers],
            sender=self._times.percent(os.getpid()) or 0.0, server=None if backends is None else sum(backends),
            backend=None if backends is None else max(backends, default=0.0), active=len(active), waits=waits,
        )  # fmt: skip

    def _backends(self, pids: Sequence[int]) -> list[float] | None:
        """What the server's processes use; None where it is on another machine."""
        if (self._conn.info.host or "") not in _HERE and not self._conn.info.host.startswith("/"):
            return None
        found = [percent for pid in pids if (percent := self._times.percent(pid, named="postgres")) is not None]
        return found or None

    def _depth(self) -> int:
        query = psycopg.sql.SQL("SELECT count(*) FROM (SELECT FROM {} LIMIT {}) AS q")
        row = self._conn.execute(query.format(self._queue, psycopg.sql.Literal(MOST_COUNTED))).fetchone()
        return int(row[0]) if row else 0


class _Times:
    """How much of one processor a process has used since it was asked last."""

    def __init__(self) -> None:
        self._last: dict[int, tuple[float, float]] = {}

    def percent(self, pid: int, named: str = "") -> float | None:
        """None for one that is not seen here, or is called otherwise; 0 at the first question."""
        try:
            process = psutil.Process(pid)
            if pid not in self._last and named not in process.name():
                return None  # a server in a container has numbers of its own
            times = process.cpu_times()
        except psutil.Error:
            return None
        used, now = times.user + times.system, time.monotonic()
        before, asked = self._last.get(pid, (used, now))
        self._last[pid] = (used, now)
        return 100 * (used - before) / (now - asked) if now > asked else 0.0


def wait_class(kind: str | None, event: str | None) -> str | None:
    """What a wait event of the server is about, in the words of `limits.WAITS`; None for one that limits nothing."""
    if event in _WAL_EVENTS:
        return "write-ahead log"
    if kind in ("Lock", "LWLock", "BufferPin"):
        return "locks"
    if kind == "IO":
        return "data files"
    return None
