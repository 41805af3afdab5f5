"""Workers under load while a test breaks something, and the proof afterwards that they kept what the bus promises.

    Stream ─► ledger ──────────┐
    workers ─► the database ───┼─► Load.assert_kept ─► judge
    Load.fault ─► Fault ───────┘

``TEST_SEED=7`` makes another run, the same each time: which commands are sent, and when it hits.
"""

import signal
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from random import Random
from typing import Protocol
from uuid import UUID

import psutil
import psycopg

from commands.bus.bulk import NewCommand, send_chunk
from commands.rules.behaviors import Behavior
from commands.rules.courses import Circumstances
from commands.rules.expectation import Expectation, expectation
from tests.support.stream import SEED, Stream, command
from tests.support.verdict import Sent, Verdict, judge, resumed_after
from tests.support.waiting import wait_until
from tests.support.workers import LiveBus, Worker

LEAST_RATE = 1200  # commands/s acknowledged while a fault is on, beside other tests
LEAST_IN_FLIGHT = 20
RESUMES_S, DRAINS_S = 10, 60
MAX_ATTEMPTS = 10
BASE_DELAY_MS, MAX_DELAY_MS, MULTIPLIER = 50, 200, 2
LONGEST_BACKOFF_S = MAX_DELAY_MS / 1000

# Attempts that began since then and whose lease runs; what waits for its backoff does not count.
_IN_FLIGHT = """
    SELECT message ->> 'command_id' AS id FROM pgmq.q_test__commands
    WHERE vt > greatest(%s + make_interval(secs => %s), clock_timestamp() + make_interval(secs => %s))
"""
# A backend that waits for the rest of a statement does nothing while its client is stopped.
_ACTIVE = """
    SELECT count(*) FROM pg_stat_activity
    WHERE datname = current_database() AND starts_with(application_name, 'runworker') AND state = 'active'
      AND wait_event IS DISTINCT FROM 'ClientRead'
"""
_HAS_ROW = "SELECT EXISTS (SELECT FROM public.e2e_worker WHERE pid = %s)"
_COMPLETED_SINCE = "SELECT count(*) FROM commandbus.audit WHERE audit_id > %s AND event_type = 'COMPLETED'"

_NOT_FINAL = """
    SELECT count(*) FROM commandbus.command WHERE command_id = ANY (%s) AND status IN ('PENDING', 'IN_PROGRESS')
"""
_ENDS = """
    SELECT count(*) - 2 AS ends, extract(epoch FROM max(pause))::float AS pause FROM (
        SELECT ts - lag(ts) OVER (ORDER BY ts) AS pause FROM (
            SELECT ts FROM commandbus.audit
            WHERE event_type IN ('COMPLETED', 'MOVED_TO_TSQ') AND ts > %(since)s AND ts < %(until)s
            UNION ALL VALUES (%(since)s), (%(until)s)) e (ts)) p
"""
_LEFT = "SELECT EXISTS (SELECT FROM pgmq.q_test__commands)"


class Start(Protocol):
    def __call__(self, *arguments: str, ready: bool = True, **environment: str) -> Worker: ...


@dataclass(kw_only=True)
class Fault:
    """One fault of one or more blows. ``in_flight``: for each blow, the attempts that were in flight at that moment.
    ``ended_at``: when nothing was in the way any more, by the server's clock."""

    began: float = 0.0
    in_flight: list[int] = field(default_factory=list)
    ended_at: datetime | None = None

    def hit(self, in_flight: int) -> None:
        """A blow, while so many attempts are in flight."""
        self.began = self.began or time.monotonic()
        self.in_flight.append(in_flight)


class Load:
    """A bus under load, and the workers that carry it, with many slots and a lease of so many seconds."""

    def __init__(self, bus: LiveBus, start_worker: Start, *, lease: int) -> None:
        print(f"--- under load with TEST_SEED={SEED}")  # noqa: T201 — pytest shows it on failure
        self.bus = bus
        self.random = Random(SEED)  # noqa: S311  # it need not be secret
        self.stream = Stream(bus.url, max_attempts=MAX_ATTEMPTS)
        self.lease = lease
        self._start_worker = start_worker
        self._workers: list[Worker] = []
        self._since = self.now()
        self._extra: dict[UUID, Sent] = {}
        self._fault: Fault | None = None
        bus.settings(
            visibility_timeout=lease, concurrency=200, batch_size=200, poll_interval=1, max_attempts=MAX_ATTEMPTS,
            base_delay_ms=BASE_DELAY_MS, max_delay_ms=MAX_DELAY_MS, backoff_multiplier=MULTIPLIER,
        )  # fmt: skip

    # -- workers -----------------------------------------------------------------------------------------------------

    def worker(self, url: str = "", *arguments: str) -> Worker:
        """Start one more worker, by way of another address if given; its row is there when this returns."""
        self._since = self.now()
        environment = {"DATABASE_URL": url or self.bus.url, "LOG_LEVEL": "WARNING"}  # not a line for each command
        worker = self._start_worker(*arguments, ready=False, **environment)
        self._workers.append(worker)

        def is_there() -> bool:
            assert worker.program.exit_code is None, f"It ended at once:\n{worker.program.output}"
            return bool(self.bus.value(_HAS_ROW, [worker.pid]))

        wait_until(is_there, 30, "Its row")
        return worker

    def catch(self, worker: Worker, *, idle: bool = False) -> list[UUID]:
        """Stop a worker (SIGSTOP) that has enough in flight; what it has in flight.

        Its statements go on in the server, unless `idle`: then there are none. No other worker may run meanwhile.
        """

        def caught() -> list[UUID]:
            worker.signal(signal.SIGSTOP)
            wait_until(lambda: psutil.Process(worker.pid).status() == psutil.STATUS_STOPPED)
            wait_until(lambda: not (idle and self.bus.value(_ACTIVE)))
            if len(held := self.in_flight()) >= LEAST_IN_FLIGHT:
                return held
            worker.signal(signal.SIGCONT)
            return []

        return wait_until(caught, 30, f"{LEAST_IN_FLIGHT} attempts in flight")

    def in_flight(self, since: datetime | None = None) -> list[UUID]:
        """Commands in flight whose attempt began since then, or since the last worker was started."""
        rows = self.bus.rows(_IN_FLIGHT, [since or self._since, self.lease, LONGEST_BACKOFF_S])
        return [UUID(row["id"]) for row in rows]

    def are_final(self, command_ids: list[UUID]) -> bool:
        """Whether no attempt of them is to come."""
        return not self.bus.value(_NOT_FINAL, [command_ids])

    def wait_for_some_time(self) -> None:
        """Until as many more commands have completed as the seed says."""
        self.wait_for_completions(self.random.randrange(100, 2000))

    def wait_for_completions(self, count: int) -> None:
        """Until so many more commands have completed."""
        last = self.bus.value("SELECT coalesce(max(audit_id), 0) FROM commandbus.audit")
        wait_until(lambda: self.bus.value(_COMPLETED_SINCE, [last]) >= count, 30, f"{count} completions")

    def now(self) -> datetime:
        """The server's clock."""
        moment: datetime = self.bus.value("SELECT clock_timestamp()")
        return moment

    # -- sending and breaking ----------------------------------------------------------------------------------------

    def send(self, new: NewCommand, *, max_attempts: int = MAX_ATTEMPTS) -> UUID:
        """Send one more command, beside the stream."""
        with psycopg.connect(self.bus.url, autocommit=True) as conn:
            send_chunk(conn, "test", [new], max_attempts=max_attempts)
        self._extra[new.command_id] = Sent(expected=self._expected(new.behavior, max_attempts=max_attempts))
        return new.command_id

    @contextmanager
    def fault(self) -> Iterator[Fault]:
        """Something is broken from its first `hit` to the end of the block; then the workers have to resume."""
        self._fault = fault = Fault()
        yield fault
        seconds = time.monotonic() - fault.began
        fault.ended_at = fault.ended_at or self.now()
        assert min(fault.in_flight, default=0) >= LEAST_IN_FLIGHT, f"in flight: {fault.in_flight} (seed {SEED})"
        rate = self.stream.acknowledged(fault.began, fault.began + seconds) / seconds
        assert rate >= LEAST_RATE, f"Only {rate:.0f} commands/s were acknowledged for {seconds:.1f} s (seed {SEED})"
        self.wait_for_completions(200)

    # -- judging -----------------------------------------------------------------------------------------------------

    def drain(self) -> None:
        """When the stream has ended: until no message is left."""
        wait_until(lambda: not self.bus.value(_LEFT), DRAINS_S, f"An empty queue (seed {SEED})")

    def assert_kept(self, *, exact: bool = False, apart: Collection[UUID] = (), rejected: int = 0) -> Verdict:
        """When the stream has ended: drain, stop the workers in order, and compare all with the ledger.

        ``exact``: no attempt may have been lost. ``apart``: commands that the test judges itself. ``rejected``: so
        many messages are no command.
        """
        self.drain()
        for worker in self._workers:
            if worker.program.exit_code is None:
                assert worker.stop() == 0
        verdict = judge(self.bus.conn, self._ledger(), apart=apart, exact=exact)
        assert verdict.rejected == rejected, f"{verdict.rejected} messages were rejected (seed {SEED})"
        assert not verdict.broken, f"seed {SEED}:\n" + "\n".join(verdict.broken)
        assert self._fault is not None
        assert self._fault.ended_at is not None
        resumed = resumed_after(self.bus.conn, self._fault.ended_at)
        assert resumed is not None, f"It did not resume (seed {SEED})"
        assert resumed <= RESUMES_S, f"It resumed after {resumed:.1f} s (seed {SEED})"
        return verdict

    def ends_between(self, since: datetime, until: datetime) -> tuple[float, float]:
        """How many commands per second became final then, and the longest time (s) in which none did."""
        row = self.bus.rows(_ENDS, {"since": since, "until": until})[0]
        return row["ends"] / (until - since).total_seconds(), row["pause"]

    def _ledger(self) -> dict[UUID, Sent]:
        ledger = dict(self._extra)
        for chunk in self.stream.ledger:
            for number in range(chunk.first, chunk.first + chunk.count):
                new = command(number)
                ledger[new.command_id] = Sent(
                    expected=self._expected(new.behavior, reply=chunk.reply), acknowledged=chunk.acknowledged
                )
        return ledger

    def _expected(self, behavior: Behavior, *, max_attempts: int = MAX_ATTEMPTS, reply: bool = True) -> Expectation:
        circumstances = Circumstances(
            behavior=behavior, max_attempts=max_attempts, lease_s=self.lease, base_delay_ms=BASE_DELAY_MS,
            max_delay_ms=MAX_DELAY_MS, backoff_multiplier=MULTIPLIER, reply=reply,
        )  # fmt: skip
        return expectation(circumstances)
