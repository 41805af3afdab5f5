"""Faults of rows: other transactions hold some, keep old versions of all, or read them again and again."""

from __future__ import annotations

import signal
import time
from contextlib import contextmanager
from threading import Event, Thread
from typing import TYPE_CHECKING, Any, LiteralString, Self
from uuid import UUID

import psycopg
from psycopg import sql

from bench.faults.bench import FaultError
from bench.faults.inject import injects, judges
from bench.faults.looks import ENDS, LEAST_FOR_P99, are_final, p99_s, rate, server_now, value
from bench.faults.sending import send_extra
from bench.scenarios.faults import HoldRow, HoldSnapshot, Readers
from commands.bus.bulk import NewCommand
from commands.rules.behaviors import Behavior, BehaviorType
from commands.rules.expectation import expectation
from commands.rules.words import DOMAIN, Status, command_queue, queue_table
from e2e_site.texts import one_line

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime
    from random import Random

    from bench.faults.bench import Bench, Recorder

    Connection = psycopg.Connection[Any]

HELD_WITHIN_S = 20
ENDS_WITHIN_S = 15  # of a held command, once it is let go
STANDS_S = 1.0  # at most, until some commands wait
WARM_S = 0.5
MOST_WAITING, LEAST_WAITING = 3000, 100  # a backlog is filled up to the first; with fewer than the second it is none
AT_ONCE = 1000
FULL_WITHIN_S = 20

_TABLE = f"pgmq.{queue_table(command_queue(DOMAIN))}"
# Of each of some commands one row: in turn the bus's, the one that counts attempts, and the message.
_ROWS: tuple[LiteralString, ...] = (
    "SELECT FROM commandbus.command WHERE command_id = ANY (%s) FOR UPDATE",
    "SELECT FROM public.test_command WHERE command_id = ANY (%s) FOR UPDATE",
    "SELECT FROM {} WHERE commandbus.command_id_of(message) = ANY (%s) FOR UPDATE",
)
_THERE = """
    SELECT command_id FROM commandbus.command WHERE domain = %s AND status = %s ORDER BY msg_id LIMIT 1000
"""
_STANDING = """
    SELECT command_id, status FROM commandbus.command
    WHERE command_id = ANY (%s) AND status IN ('PENDING', 'IN_PROGRESS')
"""
_TWICE = """
    SELECT count(*) FROM (
        SELECT command_id FROM public.bench_execution WHERE command_id = ANY (%s) AND outcome = 'ok'
        GROUP BY command_id HAVING count(*) > 1) twice
"""
_WAITING = f"SELECT count(*) FROM (SELECT FROM {_TABLE} WHERE vt <= clock_timestamp() LIMIT {MOST_WAITING}) q"  # noqa: S608
_READ = f"SELECT count(*), sum(length(message::text)), min(vt) FROM {_TABLE}"  # noqa: S608
_SNAPSHOT = "SELECT backend_xmin::text FROM pg_stat_activity WHERE pid = %s"
_DEAD = "SELECT coalesce(n_dead_tup, 0) FROM pg_stat_user_tables WHERE relid = %s::regclass"


@injects(HoldRow)
def hold_row(fault: HoldRow, bench: Bench, recorder: Recorder) -> None:
    """Lock them in a transaction that does nothing more, for so long."""
    random = bench.random(f"hold_row {bench.number_of(fault)}")
    with bench.connection() as conn, psycopg.connect(**bench.database.params) as other:
        other.execute("SET lock_timeout = '1s'")
        other.commit()
        chosen: list[UUID] = []
        waiting = 0

        def are_held() -> bool:
            nonlocal chosen, waiting
            chosen, waiting = _hold(bench, conn, other, random, fault.rows)
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


def _hold(bench: Bench, conn: Connection, other: Connection, random: Random, count: int) -> tuple[list[UUID], int]:
    """Lock a row of each of so many commands that are not final; how many of them wait. None where it does not succeed.

    Workers stand still for the moment, so that there are some that wait.
    """
    with _standing_still(bench):
        half = count // 2
        deadline = time.monotonic() + STANDS_S
        while len(waiting := _with_status(conn, Status.PENDING)) < half and time.monotonic() < deadline:
            bench.wait(0.005)
        begun = _with_status(conn, Status.IN_PROGRESS)
        if len(waiting) < half or len(begun) < count - half:
            return [], 0
        chosen = [*random.sample(waiting, half), *random.sample(begun, count - half)]
        random.shuffle(chosen)
        if _lock(other, chosen):
            standing = dict(conn.execute(_STANDING, [chosen]).fetchall())
            if len(standing) == count:
                return chosen, sum(status == Status.PENDING for status in standing.values())
        other.rollback()
        return [], 0


def _lock(other: Connection, chosen: list[UUID]) -> bool:
    """Whether the rows could be locked, those that wait for a moment included."""
    try:
        for place, query in enumerate(_ROWS[: len(chosen)]):
            statement = sql.SQL(query).format(sql.Identifier("pgmq", queue_table(command_queue(DOMAIN))))
            other.execute(statement, [chosen[place :: len(_ROWS)]])
    except psycopg.errors.LockNotAvailable:
        return False
    return True


def _with_status(conn: Connection, status: Status) -> list[UUID]:
    return [row[0] for row in conn.execute(_THERE, [DOMAIN, status]).fetchall()]


@contextmanager
def _standing_still(bench: Bench) -> Iterator[None]:
    """Meanwhile no worker begins or ends anything more than it has asked the server for."""
    try:
        for worker in bench.fleet.workers:
            worker.signal(signal.SIGSTOP)
        yield
    finally:
        for worker in bench.fleet.workers:
            worker.signal(signal.SIGCONT)


@judges(HoldRow)
def _after_hold(fault: HoldRow, bench: Bench, recorder: Recorder) -> None:
    chosen, since, until = recorder.notes[0]
    most = bench.plan.scenario.seconds(fault.p99)
    leased = [one for place in range(len(_ROWS) - 1) for one in chosen[place :: len(_ROWS)]]
    with bench.connection() as conn:
        count, seconds = p99_s(conn, ENDS, since, until, apart=chosen)
        twice = int(value(conn, _TWICE, [leased]))
    recorder.criterion(
        "work that was done was not done again, where the message was not held", twice == 0, f"{twice} of {len(leased)}"
    )
    text = f"99 % of the others that were sent meanwhile ended within {most:g} s"
    if seconds is None:
        recorder.criterion(text, held=None, seen=f"{count} others were sent meanwhile, fewer than {LEAST_FOR_P99}")
    else:
        recorder.criterion(text, seconds <= most, f"{seconds:.3f} s, of {count:,}")


@injects(HoldSnapshot)
def hold_snapshot(fault: HoldSnapshot, bench: Bench, recorder: Recorder) -> None:
    """A transaction that has looked once and stays open, under full load."""
    seconds = bench.plan.scenario.seconds(fault.lasts)
    with bench.connection() as conn, psycopg.connect(**bench.database.params) as other, _Backlog(bench, fault) as load:
        before = load.measured(conn, seconds)
        _look(other)
        held = value(conn, _SNAPSHOT, [other.info.backend_pid])
        if held is None:
            raise FaultError("the transaction holds no snapshot")
        dead = value(conn, _DEAD, [_TABLE])
        recorder.begin()
        recorder.note((before, load.measured(conn, seconds), load.least))
        if value(conn, _SNAPSHOT, [other.info.backend_pid]) != held:
            raise FaultError("the transaction did not keep its snapshot")
        other.rollback()
        recorder.end()
        recorder.fire(f"{value(conn, _DEAD, [_TABLE]) - dead:,} more dead rows in the queue")


@judges(HoldSnapshot)
def _after_snapshot(fault: HoldSnapshot, bench: Bench, recorder: Recorder) -> None:
    _kept_its_rate(fault.least_share, bench, recorder)


@injects(Readers)
def readers(fault: Readers, bench: Bench, recorder: Recorder) -> None:
    """So many read the whole queue, each on a connection of its own, under full load."""
    seconds, every = bench.plan.scenario.seconds(fault.lasts), bench.plan.scenario.seconds(fault.every)
    with bench.connection() as conn, _Backlog(bench, fault) as load:
        before = load.measured(conn, seconds)
        recorder.begin()
        with _reading(bench, fault.count, every) as reads:
            recorder.note((before, load.measured(conn, seconds), load.least))
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


class _Backlog:
    """Meanwhile workers have more to do than they can, however fast they are: a thread sends as much as they take.

    ``least``: the fewest that waited in a look, while something was measured.
    """

    def __init__(self, bench: Bench, fault: HoldSnapshot | Readers) -> None:
        self._bench = bench
        self._kind = f"{fault.do}/load"
        self._random = bench.random(f"{fault.do} {bench.number_of(fault)}")
        self._over = Event()
        self._thread = Thread(target=self._fill, name="backlog", daemon=True)
        self._looks: list[int] = []
        self._error: Exception | None = None

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    @property
    def least(self) -> int:
        return min(self._looks, default=0)

    def measured(self, conn: Connection, seconds: float) -> tuple[datetime, datetime]:
        """Let so many seconds pass, once they are warm; from when until when that was, by the server's clock."""
        enough = f"{MOST_WAITING} waiting commands"
        self._bench.wait_until(
            lambda: value(conn, _WAITING) >= MOST_WAITING or self._over.is_set(), FULL_WITHIN_S, enough
        )
        self._bench.wait(WARM_S)
        since, until = server_now(conn), time.monotonic() + seconds
        while time.monotonic() < until:
            self._looks.append(int(value(conn, _WAITING)))
            self._bench.wait(0.1)
        if self._error is not None:
            raise FaultError(f"the backlog was not kept: {one_line(self._error)}")
        return since, server_now(conn)

    def _fill(self) -> None:
        behavior = Behavior(type=BehaviorType.SUCCESS)
        expected = expectation(self._bench.plan.circumstances(behavior, reply=False))
        try:
            with self._bench.connection() as conn:
                while not self._over.wait(0.05):
                    while int(value(conn, _WAITING)) < MOST_WAITING and not self._over.is_set():
                        ids = (UUID(int=self._random.getrandbits(128), version=4) for _ in range(AT_ONCE))
                        commands = [NewCommand(behavior=behavior, command_id=one) for one in ids]
                        send_extra(self._bench, self._kind, commands, expected)
        except Exception as exc:  # noqa: BLE001  # told where it is waited for
            self._error = exc


def _kept_its_rate(least_share: float, bench: Bench, recorder: Recorder) -> None:
    """Commands ended meanwhile at that share of the rate before, at least."""
    before, meanwhile, least = recorder.notes[0]
    text = f"under full load commands ended at {least_share:.0%} of the rate before, at least"
    if least < LEAST_WAITING:
        recorder.criterion(text, held=None, seen=f"at one time {least} commands waited: workers may have been idle")
        return
    with bench.connection() as conn:
        rates = rate(conn, *before), rate(conn, *meanwhile)
    recorder.criterion(text, rates[1] >= least_share * rates[0], f"{rates[1]:,.0f} instead of {rates[0]:,.0f} a second")
