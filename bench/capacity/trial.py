"""One rate, offered to workers that are warm: what came of it, and what was busy meanwhile."""

from __future__ import annotations

import time
from dataclasses import dataclass
from statistics import fmean
from threading import Event, Thread
from typing import TYPE_CHECKING

import psutil
from psycopg import sql

from bench.benchmark.offer import (
    DRAIN_S,
    PAUSE_S,
    SLOPE_ALLOWED,
    WARM_UP_S,
    Offered,
    clock_offset,
    ends_since,
    judge,
    send_due,
)
from bench.capacity.limits import ALL_FULL, Limit, Look, limit
from bench.capacity.search import Try
from bench.capacity.watch import EVERY_S, Watch
from bench.errors import BenchError
from bench.figures import percentile
from bench.open_loop import Schedule
from bench.testbed import waiting_table
from commands.rules.words import DOMAIN, queue_table, reply_queue

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from bench.programs import MeasuredProgram
    from bench.testbed import Testbed

BEHIND_S = 2.0  # a backlog of so many seconds of the rate: it is not kept up, and no more is sent
LATE_SHARE = 0.5  # of the percentile that may not be broken: a sender that is later breaks it by itself


@dataclass(kw_only=True)
class Trials:
    """Offers rates in one database to workers that stay. ``looks`` and ``limits``: of each try, in their order."""

    testbed: Testbed
    workers: Sequence[MeasuredProgram]
    most_ms: float
    seconds: float
    said: Callable[[Try], None]

    def __post_init__(self) -> None:
        self.tries: list[tuple[Try, Limit]] = []

    def offer(self, rate: float, trial: int) -> Try:
        """Raises BenchError where a worker has ended, or what was sent does not come to its end."""
        self._clean()
        offered, looks, gave_up = self._offered(rate)
        found = judged(offered, trial, self.most_ms, seconds=self.seconds, busy=busy(looks), gave_up=gave_up)
        self.tries.append((found, limit(looks, psutil.cpu_count() or 1)))
        self.said(found)
        return found

    def _offered(self, rate: float) -> tuple[Offered, list[Look], bool]:
        schedule = Schedule(rate=rate, count=max(1, round(rate * self.seconds)), pause_s=PAUSE_S)
        mark, offset = self.testbed.mark(), clock_offset(self.testbed)
        stop = Event()
        with Watch(self.testbed.database.params, [worker.pid for worker in self.workers]) as watch:
            guard = _Guard(watch, rate * BEHIND_S, stop)
            start = time.time()
            with guard:
                ids, delays = send_due(self.testbed, schedule, stop)
            behind_s = time.time() - start - schedule.due_s(len(ids))
            looks = list(watch.looks)
            self._drain()
        ended = ends_since(self.testbed, mark, offset + start)
        skip = int(min(WARM_UP_S, self.seconds / 4) / EVERY_S)
        return judge(rate, ids, delays, ended, behind_s), looks[skip:] or looks, guard.gave_up

    def _drain(self) -> None:
        """Until nothing is in the queue."""
        query = sql.SQL("SELECT EXISTS (SELECT FROM {})").format(waiting_table(DOMAIN))
        deadline = time.monotonic() + DRAIN_S
        while self.testbed.value(query):
            for worker in self.workers:
                worker.check_running()
            if time.monotonic() > deadline:
                raise BenchError(f"Some commands did not end within {DRAIN_S:.0f} s after the last was sent.")
            time.sleep(EVERY_S / 4)

    def _clean(self) -> None:
        """Take away what has ended; numbers go on, because the workers remember how far they have read."""
        tables = [sql.Identifier("commandbus", name) for name in ("command", "audit", "parked")]
        tables += [sql.Identifier("public", "test_command"), sql.Identifier("pgmq", queue_table(reply_queue(DOMAIN)))]
        with self.testbed.conn.transaction():
            self.testbed.value("SELECT set_config('lock_timeout', '10s', true)")
            self.testbed.conn.execute(sql.SQL("TRUNCATE {}").format(sql.SQL(", ").join(tables)))
        self.testbed.conn.execute(sql.SQL("VACUUM (ANALYZE) {}").format(waiting_table(DOMAIN)))


def judged(offered: Offered, trial: int, most_ms: float, *, seconds: float, busy: float, gave_up: bool = False) -> Try:
    """Whether the rate, offered for so many seconds, was kept up, and why not. ``busy``: percent of all processors.

    A backlog that grew by less than what may wait anyhow, the rate for ``most_ms``, did not grow. A sender that is late
    while processors are free was not able to offer the rate; one that is late because nothing is left for it shows that
    the rate cannot be kept up.
    """
    delay = percentile(offered.send_delays, 99)
    late = not offered.valid or delay > LATE_SHARE * most_ms
    grew = gave_up or offered.growth > offered.rate * max(SLOPE_ALLOWED, most_ms / 1000 / seconds)
    kept: bool | None = offered.valid and offered.p99 < most_ms and not grew
    why = "kept up"
    if late and not kept and busy < ALL_FULL and not gave_up:
        kept, why = None, f"the sender was late by {max(delay, 1000 * offered.behind_s):.0f} ms"
    elif grew:
        why = f"the backlog grew by {offered.growth:,.0f} a second"
    elif not kept:
        why = f"p99 was {offered.p99:,.1f} ms"
    return Try(
        trial=trial, rate=offered.rate, p50_ms=round(percentile(offered.latencies, 50), 2),
        p99_ms=round(offered.p99, 2), growth=round(offered.growth, 1), delay_p99_ms=round(delay, 2), kept=kept, why=why,
    )  # fmt: skip


def busy(looks: Sequence[Look]) -> float:
    """Percent of all processors; 0 without a look."""
    return fmean(look.machine for look in looks) if looks else 0.0


class _Guard:
    """Inside the ``with`` it sets ``stop`` as soon as the backlog is deeper than ``most``."""

    def __init__(self, watch: Watch, most: float, stop: Event) -> None:
        self._watch, self._most, self._stop = watch, most, stop
        self._thread = Thread(target=self._guard, name="guard", daemon=True)
        self._over = Event()
        self.gave_up = False

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _guard(self) -> None:
        while not self._over.wait(EVERY_S):
            if self._watch.backlog > self._most:
                self.gave_up = True
                self._stop.set()
                return
