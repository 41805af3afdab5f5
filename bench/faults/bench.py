"""What a fault may touch: the run's own processes, database and network. Nothing else is reachable from here.

Scenario.faults ─► inject(fault, Bench, Recorder), in a thread of its own, at its moment
"""

from __future__ import annotations

import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from random import Random
from threading import Event, RLock
from typing import TYPE_CHECKING, Any, Protocol

import psycopg
from commandbus import DuplicateCommandError

from bench.ledgers.sends import Told, Trying
from bench.report.document import Criterion, FaultRecord
from commands.bus.conflicts import SendConflictError
from commands.rules.words import DOMAIN, command_queue, queue_table

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path
    from uuid import UUID

    from bench.faults.proxy import Proxy
    from bench.fleet import Fleet
    from bench.ledgers.sends import SendLedger
    from bench.scenarios.faults import AnyFault
    from bench.scenarios.plan import Plan
    from commands.rules.expectation import Expectation
    from e2e_site.embedded.cluster import Cluster
    from e2e_site.schema.own_database import OwnDatabase

ANSWERS_WITHIN_S = 5.0  # else a sender of a run gives the connection up
# Classes of errors (SQLSTATE) by which PostgreSQL undoes a statement: not supported, data, constraint, state of the
# transaction, rollback, wrong or forbidden, resources, limits, not in such a state, raised by a function. Not those in
# which the statement may be done: connection (08), cancel and shutdown (57), system (58), internal (XX).
UNDONE = frozenset({"0A", "22", "23", "25", "40", "42", "53", "54", "55", "P0"})
_IN_FLIGHT = (
    f"SELECT count(*) FROM pgmq.{queue_table(command_queue(DOMAIN))} WHERE vt > clock_timestamp() AND read_ct > 0"  # noqa: S608
)


class StoppedError(Exception):
    """The run is canceled, or its time is up: a fault lets go of what it holds and ends."""


class FaultError(Exception):
    """A fault could not be injected; the text says why. Its record is then not fired, and the run UNKNOWN."""


class HasClock(Protocol):
    """The sender of the plan. ``shift_s``: how wrong its clock is."""

    shift_s: float


@dataclass(kw_only=True)
class Bench:
    """``database``: the run's own; ``cluster``: its own server, or None.

    ``proxy`` is between the workers and the server, ``sender_proxy`` between the sender and the server, or None.
    ``folder``: where its ledgers and its other files are. ``expected``: what has to become of commands that faults
    send, by their kind in the ledger; the plan's own are not there.
    """

    plan: Plan
    database: OwnDatabase
    cluster: Cluster | None
    proxy: Proxy | None
    fleet: Fleet
    ledger: SendLedger
    folder: Path
    stop: Event
    began: float = field(default_factory=time.monotonic)  # when sending began
    expected: dict[str, Expectation] = field(default_factory=dict)
    apart: set[UUID] = field(default_factory=set)  # commands that a fault judges itself, and the oracle leaves out
    lock: RLock = field(default_factory=RLock)
    sender: HasClock | None = None  # once it has begun
    notes: dict[int, list[Any]] = field(default_factory=dict)  # what faults keep for their judges, by their records
    sender_proxy: Proxy | None = None

    @property
    def now_s(self) -> float:
        """Seconds since sending began."""
        return time.monotonic() - self.began

    @property
    def lease_s(self) -> float:
        return float(self.plan.scenario.lease_s)

    def random(self, what: str) -> Random:
        """Repeatable: the same for the same seed of the run and the same word."""
        return Random(f"{self.plan.seed}|{what}")  # noqa: S311  # it has to be repeatable, not secret

    def number_of(self, fault: AnyFault) -> int:
        """Which fault of the scenario it is, from 0; two that say the same are two."""
        return next(number for number, one in enumerate(self.plan.scenario.faults) if one is fault)

    def wait(self, seconds: float) -> None:
        """Raises StoppedError as soon as the run is stopped."""
        if self.stop.wait(seconds):
            raise StoppedError

    def wait_until(self, is_so: Callable[[], bool], within_s: float, what: str) -> None:
        """Raises FaultError where it is not so in time, and StoppedError."""
        deadline = time.monotonic() + within_s
        while not is_so():
            if time.monotonic() > deadline:
                raise FaultError(f"{what} did not come within {within_s:g} s")
            self.wait(0.02)

    @contextmanager
    def connection(self, **options: Any) -> Iterator[psycopg.Connection[Any]]:
        """A connection to the run's database, in autocommit."""
        with psycopg.connect(**{**self.database.params, **options}, autocommit=True) as conn:
            yield conn

    def in_flight(self, conn: psycopg.Connection[Any]) -> int:
        """How many messages are with workers, those that wait for a retry included."""
        row = conn.execute(_IN_FLIGHT).fetchone()
        return int(row[0]) if row else 0

    def send_recorded(self, commands: list[Trying], send: Callable[[], None]) -> Told:
        """Write these into the ledger, send them by ``send``, and write down what it was told."""
        first = self.ledger.intend(commands)
        told = told_by(send)
        if told is not Told.UNKNOWN:
            self.ledger.answer(first, len(commands), told)
        return told


def told_by(send: Callable[[], None]) -> Told:
    """What a sender was told. Only what is certain is an error; everything else is unknown."""
    try:
        send()
    except DuplicateCommandError:
        return Told.DUPLICATE
    except SendConflictError:
        return Told.ERROR
    except psycopg.Error as exc:
        return Told.ERROR if _was_not_taken(exc) else Told.UNKNOWN
    return Told.ACKNOWLEDGED


def _was_not_taken(exc: psycopg.Error) -> bool:
    """No connection was made, or the server undid the statement by an error of its own and went on.

    A session that ends (FATAL) or a server that does (PANIC) may have committed before.
    """
    if exc.pgconn is not None or isinstance(exc, psycopg.errors.ConnectionTimeout):  # while it connected
        return True
    state = exc.sqlstate or ""
    return exc.diag.severity_nonlocalized == "ERROR" and state[:2] in UNDONE and state != "40003"


class Recorder:
    """The record of one fault while it goes on."""

    def __init__(self, record: FaultRecord, bench: Bench) -> None:
        self.record = record
        self._bench = bench

    def begin(self) -> None:
        """It is about to be done."""
        if self.record.began_s is None:
            self.record.began_s = round(self._bench.now_s, 3)

    def fire(self, detail: str = "") -> None:
        """It has really happened. A second call adds its detail."""
        self.begin()
        self.record.fired = True
        if detail:
            self.record.detail = f"{self.record.detail}; {detail}" if self.record.detail else detail

    def end(self) -> None:
        """Nothing is in the way any more."""
        self.record.ended_s = round(self._bench.now_s, 3)

    def note(self, value: Any) -> None:
        """Keep something for the judge of this fault."""
        self._bench.notes.setdefault(id(self.record), []).append(value)

    @property
    def notes(self) -> list[Any]:
        return self._bench.notes.get(id(self.record), [])

    def criterion(self, text: str, held: bool | None, seen: str = "") -> None:
        """Something besides the invariants that had to hold."""
        self.record.criteria.append(Criterion(text=text, held=held, seen=seen))
