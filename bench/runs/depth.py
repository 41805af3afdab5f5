"""How deep the queue is while a run goes on, looked at twice a second; and when it is quiet."""

from __future__ import annotations

import time
from threading import Event, Thread
from typing import TYPE_CHECKING, Any

import psutil
import psycopg

from bench.report.document import Point
from commands.rules.words import DOMAIN, command_queue, queue_table

if TYPE_CHECKING:
    from collections.abc import Mapping

EVERY_S = 0.5
_DEPTH = f"""
    SELECT count(*) FILTER (WHERE vt <= clock_timestamp()), count(*) FILTER (WHERE vt > clock_timestamp()),
           coalesce(extract(epoch FROM clock_timestamp() - min(enqueued_at) FILTER (WHERE vt <= clock_timestamp())), 0)
               ::float8
    FROM (SELECT vt, enqueued_at FROM pgmq.{queue_table(command_queue(DOMAIN))} LIMIT 100000) q
"""  # noqa: S608
_ANY = f"SELECT EXISTS (SELECT FROM pgmq.{queue_table(command_queue(DOMAIN))})"  # noqa: S608


class Depth:
    """Looks from a thread of its own; a look that fails (a server that is away) is left out.

    ``spent_s``: how long all looks together took, of the ``lasted_s`` that they went on.
    """

    def __init__(self, params: Mapping[str, Any]) -> None:
        self._params = {
            **params,
            "application_name": "bench watch",
            "connect_timeout": 2,
            "options": "-c statement_timeout=2s",
        }
        self._over = Event()
        self._thread = Thread(target=self._watch, name="depth", daemon=True)
        self.points: list[Point] = []
        self.spent_s = 0.0
        self.lasted_s = 0.0

    def start(self) -> None:
        self._began = time.monotonic()
        self._thread.start()

    def stop(self) -> None:
        self._over.set()
        self._thread.join()
        self.lasted_s = time.monotonic() - self._began

    def is_empty(self) -> bool | None:
        """Whether no message is left, hidden ones included; None where the server does not answer."""
        try:
            with psycopg.connect(**self._params, autocommit=True) as conn:
                row = conn.execute(_ANY).fetchone()
        except psycopg.Error:
            return None
        return row is not None and not row[0]

    def _watch(self) -> None:
        psutil.cpu_percent()
        conn: psycopg.Connection[Any] | None = None
        while not self._over.wait(EVERY_S):
            began = time.monotonic()
            try:
                conn = conn or psycopg.connect(**self._params, autocommit=True)
                row = conn.execute(_DEPTH).fetchone()
            except psycopg.Error:
                if conn is not None:
                    conn.close()
                conn = None
                continue
            self.spent_s += time.monotonic() - began
            assert row is not None
            self.points.append(
                Point(
                    at_s=round(time.monotonic() - self._began, 3),
                    visible=row[0],
                    leased=row[1],
                    oldest_s=round(row[2], 3),
                    processor=psutil.cpu_percent(),
                )
            )
        if conn is not None:
            conn.close()
