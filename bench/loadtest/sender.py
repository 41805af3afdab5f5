"""Sending the commands of a load test, in threads: all at once, or by a schedule that nothing slows down."""

from __future__ import annotations

import time
from collections import Counter
from threading import Event, Lock, Thread
from typing import TYPE_CHECKING, Any

import psycopg

from bench.open_loop import Schedule
from commands.bus.bulk import NewCommand, send_chunk, send_many
from commands.rules.words import DOMAIN

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from bench.loadtest.options import Plan
    from commands.rules.behaviors import Behavior, BehaviorType


class Sender:
    """Sends what a plan says, and counts what the server has taken.

    With a ``rate`` (per second) command i is due i / rate seconds after the start, and is sent then, however the bus
    does; its payload says when it was due (``intended_at``, the server's clock in Unix seconds). Without one everything
    is sent as fast as it goes.
    """

    def __init__(self, params: Mapping[str, Any], plan: Plan) -> None:
        self._params = {**params, "application_name": "loadtest send"}
        self._stream = plan.stream()
        self._commands = plan.options.commands
        self._rate = plan.options.rate
        self._max_attempts = plan.settings.max_attempts
        self._stop = Event()
        self._lock = Lock()
        self._thread = Thread(target=self._send, name="send", daemon=True)
        self._began = 0.0
        self.sent = 0
        self.seconds = 0.0  # from the start to the last commit
        self.taken: Counter[BehaviorType] = Counter()  # from the stream; all of it is sent unless there is an error
        self.error: Exception | None = None

    def start(self) -> None:
        self._began = time.monotonic()
        self._thread.start()

    def stop(self) -> None:
        """Send nothing more; what is under way is finished. Returns when it is."""
        self._stop.set()
        self._thread.join()

    @property
    def is_done(self) -> bool:
        return not self._thread.is_alive()

    def _send(self) -> None:
        try:
            if self._rate is None:
                send_many(
                    self._params,
                    DOMAIN,
                    (NewCommand(behavior=behavior) for behavior in self._behaviors()),
                    max_attempts=self._max_attempts,
                    on_sent=self._count,
                )
            else:
                self._send_by_schedule(self._rate)
        except Exception as exc:  # noqa: BLE001  # the thread that waits for this one hears it
            self.error = exc

    def _behaviors(self) -> Iterator[Behavior]:
        for behavior in self._stream:
            if self._stop.is_set():
                return
            self.taken[behavior.type] += 1
            yield behavior

    def _count(self, sent: int) -> None:
        with self._lock:
            self.sent += sent
            self.seconds = time.monotonic() - self._began

    def _send_by_schedule(self, rate: float) -> None:
        with psycopg.connect(**self._params, autocommit=True) as conn:
            row = conn.execute("SELECT extract(epoch FROM clock_timestamp())::float8").fetchone()
            server_began = row[0] if row else 0.0
            schedule = Schedule(rate=rate, count=self._commands)
            for due in schedule.chunks(self._stop):
                chunk = [
                    NewCommand(
                        behavior=behavior, payload={"intended_at": round(server_began + schedule.due_s(number), 6)}
                    )
                    for number, behavior in zip(due.numbers, self._behaviors(), strict=False)
                ]
                if chunk:
                    self._count(send_chunk(conn, DOMAIN, chunk, max_attempts=self._max_attempts))
