"""Faults of rows: other transactions hold some, keep old versions of all, or read them again and again."""

from __future__ import annotations

import time
from contextlib import contextmanager
from datetime import timedelta
from threading import Event, Thread
from typing import TYPE_CHECKING, Any, LiteralString

import psycopg
from psycopg import sql

from bench.faults.bench import FaultError
from bench.faults.inject import injects, judges
from bench.faults.looks import ENDS, LEAST_FOR_P99, are_final, p99_s, rate, server_now, value
from bench.scenarios.faults import HoldRow, HoldSnapshot, Readers
from commands.rules.words import DOMAIN, Status, command_queue, queue_table

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime
    from random import Random
    from uuid import UUID

    from bench.faults.bench import Bench, Recorder

    Connection = psycopg.Connection[Any]

HELD_WITHIN_S = 20
ENDS_WITHIN_S = 15  # of a held command, once it is let go
WARM_S = 0.5  # after the first end: until then a rate says little
LEAST_WAITING = 100  # with fewer the workers may be idle
LEAST_BEFORE_S, LEAST_S = 1.0, 2.0  # that are measured: before, and meanwhile

_TABLE = f"pgmq.{queue_table(command_queue(DOMAIN))}"
# Of each of some commands one row: in turn the bus's, the one that counts attempts, and the message.
_ROWS: tuple[LiteralString, ...] = (
    "SELECT FROM commandbus.command WHERE command_id = ANY (%s) FOR UPDATE",
    "SELECT FROM public.test_command WHERE command_id = ANY (%s) FOR UPDATE",
    "SELECT FROM {} WHERE commandbus.command_id_of(message) = ANY (%s) FOR UPDATE",
)
_THERE = """
    SELECT command_id FROM commandbus.command WHERE domain = %s AND status IN ('PENDING', 'IN_PROGRESS')
    ORDER BY msg_id DESC LIMIT 1000
"""
_STANDING = """
    SELECT command_id, status FROM commandbus.command
    WHERE command_id = ANY (%s) AND status IN ('PENDING', 'IN_PROGRESS')
"""
_WAITING = f"SELECT count(*) FROM (SELECT FROM {_TABLE} WHERE vt <= clock_timestamp() LIMIT {LEAST_WAITING}) q"  # noqa: S608
_READ = f"SELECT count(*), sum(length(message::text)), min(vt) FROM {_TABLE}"  # noqa: S608
_SNAPSHOT = "SELECT backend_xmin::text FROM pg_stat_activity WHERE pid = %s"
_DEAD = "SELECT coalesce(n_dead_tup, 0) FROM pg_stat_user_tables WHERE relid = %s::regclass"
_FIRST_END = "SELECT min(ts) FROM commandbus.audit WHERE domain = %s AND event_type = ANY (%s)"


@injects(HoldRow)
def hold_row(fault: HoldRow, bench: Bench, recorder: Recorder) -> None:
    """Lock them in a transaction that does nothing more, for so long."""
    random = bench.random(f"hold_row {bench.number_of(fault)}")
    with bench.connection() as conn, psycopg.connect(**bench.database.params) as other:
        other.execute("SET lock_timeout = '5s'")
        other.commit()
        chosen: list[UUID] = []
        waiting = 0

        def are_held() -> bool:
            nonlocal chosen, waiting
            chosen, waiting = _hold(conn, other, random, fault.rows)
            return bool(chosen)

        bench.wait_until(are_held, HELD_WITHIN_S, f"{fault.rows} commands that are not final, and their rows")
        recorder.begin()
        since = server_now(conn)
        bench.wait(bench.plan.scenario.seconds(fault.lasts))
        left = len(conn.execute(_STANDING, [chosen]).fetchall())
        until = server_now(conn)
        other.rollback()
        recorder.fire(f"{len(chosen)} commands, {waiting} waiting and {len(chosen) - waiting} in flight")
        recorder.end()
        recorder.note((chosen, since, until))
        recorder.criterion("none of them ended while it was held", left == len(chosen), f"{left} of {len(chosen)}")
        try:
            bench.wait_until(lambda: are_final(conn, chosen), ENDS_WITHIN_S, "their ends")
        except FaultError as exc:
            recorder.criterion(f"each ended within {ENDS_WITHIN_S} s afterwards", held=False, seen=str(exc))
        else:
            recorder.criterion(f"each ended within {ENDS_WITHIN_S} s afterwards", held=True, seen="all ended")


def _hold(conn: Connection, other: Connection, random: Random, count: int) -> tuple[list[UUID], int]:
    """Lock a row of each of so many commands that are not final; none where they ended meanwhile. How many wait."""
    there = [row[0] for row in conn.execute(_THERE, [DOMAIN]).fetchall()]
    if len(there) < count:
        return [], 0
    chosen = random.sample(there, count)
    try:
        for place, query in enumerate(_ROWS[:count]):
            statement = sql.SQL(query).format(sql.Identifier("pgmq", queue_table(command_queue(DOMAIN))))
            other.execute(statement, [chosen[place :: len(_ROWS)]])
    except psycopg.errors.LockNotAvailable:
        other.rollback()
        return [], 0
    standing = dict(conn.execute(_STANDING, [chosen]).fetchall())
    if len(standing) < count:
        other.rollback()
        return [], 0
    return chosen, sum(status == Status.PENDING for status in standing.values())


@judges(HoldRow)
def _after_hold(fault: HoldRow, bench: Bench, recorder: Recorder) -> None:
    chosen, since, until = recorder.notes[0]
    most = bench.plan.scenario.seconds(fault.p99)
    with bench.connection() as conn:
        count, seconds = p99_s(conn, ENDS, since, until, apart=chosen)
    text = f"99 % of the others that were sent meanwhile ended within {most:g} s"
    if seconds is None:
        recorder.criterion(text, held=None, seen=f"{count} others were sent meanwhile, fewer than {LEAST_FOR_P99}")
    else:
        recorder.criterion(text, seconds <= most, f"{seconds:.3f} s, of {count:,}")


@injects(HoldSnapshot)
def hold_snapshot(fault: HoldSnapshot, bench: Bench, recorder: Recorder) -> None:
    """A transaction that has looked once and stays open."""
    with bench.connection() as conn, psycopg.connect(**bench.database.params) as other:
        _look(other)
        pid, before = other.info.backend_pid, value(conn, _DEAD, [_TABLE])

        def xmin() -> Any:
            return value(conn, _SNAPSHOT, [pid])

        held = xmin()
        if held is None:
            raise FaultError("the transaction holds no snapshot")
        recorder.begin()
        recorder.note(_saturated(bench, conn, bench.plan.scenario.seconds(fault.lasts)))
        if xmin() != held:
            raise FaultError("the transaction did not keep its snapshot")
        other.rollback()
        recorder.end()
        recorder.fire(f"{value(conn, _DEAD, [_TABLE]) - before:,} more dead rows in the queue")


@judges(HoldSnapshot)
def _after_snapshot(fault: HoldSnapshot, bench: Bench, recorder: Recorder) -> None:
    _kept_its_rate(fault.least_share, bench, recorder)


@injects(Readers)
def readers(fault: Readers, bench: Bench, recorder: Recorder) -> None:
    """So many read the whole queue, each on a connection of its own."""
    every = bench.plan.scenario.seconds(fault.every)
    recorder.begin()
    with bench.connection() as conn, _reading(bench, fault.count, every) as reads:
        recorder.note(_saturated(bench, conn, bench.plan.scenario.seconds(fault.lasts)))
    recorder.end()
    if min(reads) == 0:
        raise FaultError("a reader read nothing")
    recorder.fire(f"{sum(reads):,} reads by {len(reads)} readers")


@judges(Readers)
def _after_readers(fault: Readers, bench: Bench, recorder: Recorder) -> None:
    _kept_its_rate(fault.least_share, bench, recorder)


@contextmanager
def _reading(bench: Bench, count: int, every_s: float) -> Iterator[list[int]]:
    """Meanwhile they read; how often each did."""
    over, reads = Event(), [0] * count

    def read(place: int) -> None:
        with psycopg.connect(**bench.database.params) as conn:
            while not over.wait(every_s):
                _look(conn)
                conn.rollback()
                reads[place] += 1

    threads = [Thread(target=read, args=(place,), name=f"reader {place}", daemon=True) for place in range(count)]
    for thread in threads:
        thread.start()
    try:
        yield reads
    finally:
        over.set()
        for thread in threads:
            thread.join()


def _look(conn: Connection) -> None:
    """Read the whole queue in a snapshot that lasts as long as the transaction."""
    conn.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
    conn.execute(_READ.encode())


def _saturated(bench: Bench, conn: Connection, seconds: float) -> tuple[datetime, datetime]:
    """From when until when the workers had enough to do, at most for so long, by the server's clock."""
    began, until = time.monotonic(), server_now(conn)
    since = until
    while time.monotonic() < began + seconds and value(conn, _WAITING) >= LEAST_WAITING:
        until = server_now(conn)
        bench.wait(0.1)
    return since, until


def _kept_its_rate(least_share: float, bench: Bench, recorder: Recorder) -> None:
    """Commands ended meanwhile at that share of the rate before, at least."""
    since, until = recorder.notes[0]
    text = f"commands ended at {least_share:.0%} of the rate before, at least"
    with bench.connection() as conn:
        first: datetime | None = value(conn, _FIRST_END, [DOMAIN, ENDS])
        warm = max(since - (until - since), first + timedelta(seconds=WARM_S)) if first else since
        before_s, meanwhile_s = (since - warm).total_seconds(), (until - since).total_seconds()
        if before_s < LEAST_BEFORE_S or meanwhile_s < LEAST_S:
            seen = f"the workers had enough to do for {before_s:.1f} s before and {meanwhile_s:.1f} s meanwhile"
            recorder.criterion(text, held=None, seen=seen)
            return
        before, meanwhile = rate(conn, warm, since), rate(conn, since, until)
    recorder.criterion(text, meanwhile >= least_share * before, f"{meanwhile:,.0f} instead of {before:,.0f} a second")
