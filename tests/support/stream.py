"""A paced stream of commands, and a ledger of what was acknowledged."""

import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import blake2b
from uuid import UUID

import psycopg

from commands.bus.bulk import NewCommand, send_chunk
from commands.rules.behaviors import Behavior, BehaviorType

SEED = int(os.environ.get("TEST_SEED", "1"))
RATE = 2500  # commands/s
_CHUNK, _MOST = 50, 250  # commands in one send: as a rule, and while it makes up for lost time


def command(number: int) -> NewCommand:
    """Command number so-and-so, a keyed hash of the seed: mostly successes, some retries, some failures."""
    digest = blake2b(f"{SEED}|{number}".encode(), digest_size=19).digest()
    work_ms, roll = digest[16] % 61, digest[17]
    if roll < 205:
        behavior = Behavior(type=BehaviorType.SUCCESS, execution_time_ms=work_ms)
    elif roll < 240:
        behavior = Behavior(type=BehaviorType.FAIL_TRANSIENT_THEN_SUCCEED, transient_failures=1 + digest[18] % 2)
    elif roll < 249:
        behavior = Behavior(type=BehaviorType.FAIL_PERMANENT, execution_time_ms=work_ms)
    elif roll < 255:
        behavior = Behavior(type=BehaviorType.BUSINESS_RULE, execution_time_ms=work_ms)
    else:
        behavior = Behavior(type=BehaviorType.FAIL_TRANSIENT)
    return NewCommand(behavior=behavior, command_id=UUID(bytes=digest[:16], version=4))


@dataclass(frozen=True, kw_only=True)
class Chunk:
    """Commands ``first`` to ``first + count - 1``, sent at once. Not ``acknowledged``: they may have been
    sent. ``at``: when the answer came (``time.monotonic``)."""

    first: int
    count: int
    reply: bool
    acknowledged: bool
    at: float


class Stream:
    """Sends `RATE` commands per second from a thread of its own, whatever becomes of them: an open loop.

    What could not be sent in time is made up for, so a server that was away is offered the same.
    """

    def __init__(self, url: str, *, max_attempts: int) -> None:
        self._url = url
        self._max_attempts = max_attempts
        self._conn: psycopg.Connection | None = None
        self._offered = 0
        self._began = 0.0
        self._stopping = threading.Event()
        self._error: BaseException | None = None
        self.ledger: list[Chunk] = []

    @contextmanager
    def running(self) -> Iterator[None]:
        """Send while the block runs; raises afterwards what ended the sending, if anything did."""
        thread = threading.Thread(target=self._run, name="stream")
        self._began = time.monotonic()
        thread.start()
        try:
            yield
        finally:
            self._stopping.set()
            thread.join()
        if self._error is not None:
            raise self._error

    def acknowledged(self, since: float, until: float) -> int:
        """How many commands were acknowledged between two moments (``time.monotonic``)."""
        return sum(chunk.count for chunk in self.ledger if chunk.acknowledged and since <= chunk.at < until)

    def is_on_time(self) -> bool:
        """Whether it has made up for what it could not send in time."""
        return self._due() < 2 * _CHUNK

    def _run(self) -> None:
        try:
            while not self._stopping.is_set():
                due = self._due()
                if due < _CHUNK:
                    self._stopping.wait((_CHUNK - due) / RATE)
                else:
                    self._send(min(due, _MOST))
        except BaseException as exc:  # noqa: BLE001  # raised where the stream is stopped
            self._error = exc
        finally:
            if self._conn is not None:
                self._conn.close()

    def _due(self) -> int:
        return int((time.monotonic() - self._began) * RATE) - self._offered

    def _send(self, count: int) -> None:
        first, acknowledged = self._offered, True
        commands = [command(number) for number in range(first, first + count)]
        reply = commands[0].command_id.bytes[0] % 8 > 0  # one send in eight asks for none
        try:
            self._conn = self._conn or psycopg.connect(self._url, autocommit=True, connect_timeout=5)
        except psycopg.OperationalError:
            self._stopping.wait(0.05)
            return  # nothing was sent
        try:
            send_chunk(self._conn, "test", commands, max_attempts=self._max_attempts, reply=reply)
        except psycopg.OperationalError:
            acknowledged = False
            self._conn.close()
            self._conn = None
        self._offered += count
        self.ledger.append(Chunk(first=first, count=count, reply=reply, acknowledged=acknowledged, at=time.monotonic()))
