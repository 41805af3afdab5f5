"""Sending what a plan says, when it is due, whatever becomes of it: an open loop with a ledger."""

from __future__ import annotations

import os
import socket
import time
from contextlib import contextmanager, suppress
from itertools import groupby
from threading import Event, Thread, Timer
from typing import TYPE_CHECKING, Any

import psycopg

from bench.faults.bench import ANSWERS_WITHIN_S, told_by
from bench.ledgers.sends import Told, Trying
from commands.bus.bulk import NewCommand, send_chunk
from commands.rules.words import DOMAIN

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from bench.ledgers.sends import SendLedger
    from bench.scenarios.plan import Plan, Planned

AT_ONCE = 500
PAUSE_S = 0.02  # between two sends of a schedule: so many commands of a high rate share a statement
_AGAIN_S = 0.05


class Sender:
    """Sends from a thread of its own. ``offered``: how many were due so far."""

    def __init__(self, params: Mapping[str, Any], plan: Plan, ledger: SendLedger) -> None:
        # A statement is sent with its text each time: a network that loses answers knows them by it.
        self._params = {**params, "application_name": "bench send", "connect_timeout": 5, "prepare_threshold": None}
        self._plan = plan
        self._ledger = ledger
        self._stop = Event()
        self._thread = Thread(target=self._send, name="send", daemon=True)
        self._conn: psycopg.Connection[Any] | None = None
        self.offered = 0
        self.shift_s = 0.0  # how wrong the sender's clock is: what it says in payloads, and nothing else
        self.error: Exception | None = None
        self.began = 0.0  # Unix seconds

    def start(self) -> None:
        self.began = time.time()
        self._began = time.monotonic()
        self._thread.start()

    def stop(self) -> None:
        """Send nothing more. A send that is under way ends within `ANSWERS_WITHIN_S`."""
        self._stop.set()
        self._thread.join()

    @property
    def is_done(self) -> bool:
        return not self._thread.is_alive()

    def _send(self) -> None:
        try:
            while self.offered < self._plan.count and not self._stop.is_set():
                self._next()
        except Exception as exc:  # noqa: BLE001  # the thread that waits for this one hears it
            self.error = exc
        finally:
            if self._conn is not None:
                self._conn.close()

    def _next(self) -> None:
        """What is due now, in one statement for each kind of command and reply; else wait for it."""
        now_s = time.monotonic() - self._began
        upto = self.offered
        while upto < self._plan.count and upto - self.offered < AT_ONCE and self._plan.due_s(upto) <= now_s:
            upto += 1
        if upto == self.offered:
            self._stop.wait(min(PAUSE_S, max(0.001, self._plan.due_s(upto) - now_s)))
            return
        if not self._connected():
            self._stop.wait(_AGAIN_S)
            return
        due = sorted(map(self._plan.command, range(self.offered, upto)), key=_alike)
        self.offered = upto
        for (command_type, reply), group in groupby(due, key=_alike):
            self._send_chunk(list(group), command_type, reply=reply)
        if self._plan.scenario.load:
            self._stop.wait(PAUSE_S)

    def _connected(self) -> bool:
        """Before anything is written into the ledger: what a server that is away was not sent, was not tried."""
        try:
            self._connection()
        except psycopg.Error:
            return False
        return True

    def _connection(self) -> psycopg.Connection[Any]:
        """The open connection, or a new one; raises psycopg.Error."""
        if self._conn is None or self._conn.closed:
            self._conn = psycopg.connect(**self._params, autocommit=True)
        return self._conn

    def _send_chunk(self, commands: Sequence[Planned], command_type: str, *, reply: bool) -> None:
        first = self._ledger.intend([self._trying(planned) for planned in commands])
        chunk = [
            NewCommand(behavior=one.behavior, payload=self._payload(one), command_id=one.command_id) for one in commands
        ]

        def send() -> None:
            conn = self._connection()
            with _given_up_after(ANSWERS_WITHIN_S, conn):
                send_chunk(
                    conn, DOMAIN, chunk, max_attempts=self._plan.scenario.bus.max_attempts, reply=reply,
                    command_type=command_type,
                )  # fmt: skip

        told = told_by(send)
        if told is not Told.UNKNOWN:
            self._ledger.answer(first, len(commands), told)
        elif self._conn is not None:
            self._conn.close()

    def _trying(self, planned: Planned) -> Trying:
        due = self.began + self._plan.due_s(planned.number)
        return Trying(command_id=planned.command_id, kind=planned.kind, intended=due)

    def _payload(self, planned: Planned) -> dict[str, Any]:
        return {
            "number": planned.number,
            "sender_clock": round(time.time() + self.shift_s, 3),
            **planned.data,
        }


def _alike(planned: Planned) -> tuple[str, bool]:
    """What is sent in one statement."""
    return planned.command_type, planned.reply


@contextmanager
def _given_up_after(seconds: float, conn: psycopg.Connection[Any]) -> Iterator[None]:
    """Break the connection after so many seconds: a server that is frozen or cut off never answers."""
    with socket.socket(fileno=os.dup(conn.fileno())) as way:

        def give_up() -> None:
            with suppress(OSError):
                way.shutdown(socket.SHUT_RDWR)

        timer = Timer(seconds, give_up)
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()
