"""Both ledgers, read into the tables that the checks join: ``bench_send`` and ``bench_execution``."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from bench.ledgers.executions import read_executions
from bench.ledgers.sends import read_sends

if TYPE_CHECKING:
    from pathlib import Path
    from typing import Any

    import psycopg

_SENDS = """
    COPY public.bench_send (run_id, number, command_id, kind, intended_at, sent_at, answered_at, outcome) FROM STDIN
"""
_EXECUTIONS = """
    COPY public.bench_execution (run_id, command_id, msg_id, attempt, worker, pid, began_at, ended_at, outcome)
    FROM STDIN
"""


def load_ledgers(conn: psycopg.Connection[Any], folder: Path, run_id: int) -> None:
    """Read both in, in constant memory. Times become the server's: its clock may differ from ours."""
    ahead = server_ahead(conn)

    def at(seconds: float | None) -> datetime | None:
        return None if seconds is None else datetime.fromtimestamp(seconds, UTC) + ahead

    with conn.transaction(), conn.cursor() as cursor:
        with cursor.copy(_SENDS) as copy:
            for sent in read_sends(folder):
                copy.write_row((
                    run_id, sent.number, sent.command_id, sent.kind, at(sent.intended), at(sent.began),
                    at(sent.answered), sent.told.value,
                ))  # fmt: skip
        with cursor.copy(_EXECUTIONS) as copy:
            for done in read_executions(folder):
                copy.write_row((
                    run_id, done.command_id, done.msg_id, done.attempt, done.worker, done.pid, at(done.began),
                    at(done.ended), done.outcome or None,
                ))  # fmt: skip
    conn.execute("ANALYZE public.bench_send, public.bench_execution")


def server_ahead(conn: psycopg.Connection[Any]) -> timedelta:
    """How much the server's clock is ahead of ours, within half the time that asking takes."""
    began = time.time()
    row = conn.execute("SELECT clock_timestamp()").fetchone()
    middle = datetime.fromtimestamp((began + time.time()) / 2, UTC)
    assert row is not None
    moment: datetime = row[0] if not isinstance(row, dict) else next(iter(row.values()))
    return moment - middle
