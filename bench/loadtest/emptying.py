"""Emptying the load test's domain, and making sure that nobody works in it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING
from uuid import UUID

from psycopg import sql

from bench.loadtest.errors import ForeignWorkersError, StoppedError
from commands.rules.words import LOADTEST_DOMAIN, command_queue
from commands.worker.listener import ENGINES, LOCK_CLASS, engine_lock
from settings_app.models import Worker

if TYPE_CHECKING:
    from collections.abc import Callable

    from bench.loadtest.statements import Database

_QUEUE = command_queue(LOADTEST_DOMAIN)
COMMANDS_AT_ONCE = 5000
LEFT_OVER_WORKERS_END_WITHIN_S = 35  # what runworker's grace allows, and a little
_TABLES = (
    sql.Identifier("commandbus", "command"),
    sql.Identifier("commandbus", "audit"),
    sql.Identifier("public", "test_command"),
)
_VACUUM_FROM = 10_000  # deleted commands


def wait_for_workers_to_end(database: Database, say: Callable[[str], None], stopped: Callable[[], bool]) -> None:
    """Return when nobody takes from the queue.

    Workers of a load test that was killed are draining, so they get time to; raises `ForeignWorkersError` after it.
    """
    deadline = time.monotonic() + LEFT_OVER_WORKERS_END_WITHIN_S
    said = False
    while there := _workers_there(database):
        text = f"{there} in {_QUEUE}"
        if stopped():
            raise StoppedError("Interrupted")
        if time.monotonic() > deadline:
            raise ForeignWorkersError(f"{text}; stop them first.")
        if not said:
            say(f"{text}; waiting up to {LEFT_OVER_WORKERS_END_WITHIN_S} s for them to end.")
            said = True
        time.sleep(0.2)


def _workers_there(database: Database) -> str:
    """Who works in the queue, in words; empty for nobody."""
    locks = [engine_lock(_QUEUE, engine) for engine in ENGINES]
    rows = database.rows("workers_there", **{"class": LOCK_CLASS}, locks=locks, queue=_QUEUE, silence=Worker.SILENCE)
    known = ", ".join(f"process {row['pid']} on {row['host']}" for row in rows if row["pid"])
    if not known and not rows[0]["locks"]:
        return ""
    return f"{max(rows[0]['locks'], len(rows))} worker(s) ({known or 'unknown'})"


def empty_domain(database: Database, on_deleted: Callable[[int], None], stopped: Callable[[], bool]) -> int:
    """Delete all commands of the domain, with everything of theirs; how many.

    Where it was many, vacuum behind them. ``on_deleted`` hears the number so far after each step.
    """
    database.run("empty_queues")
    last, deleted = UUID(int=0), 0
    while (step := database.row("delete_commands", after=last, limit=COMMANDS_AT_ONCE)) and step["last"] is not None:
        last, deleted = step["last"], deleted + step["deleted"]
        on_deleted(deleted)
        if stopped():
            raise StoppedError("Interrupted")
    if deleted >= _VACUUM_FROM:
        for table in _TABLES:
            database.vacuum(table)
            on_deleted(deleted)
    return deleted
