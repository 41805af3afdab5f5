"""Engine ``native``: our own loop. One statement takes a batch, one statement finishes a batch, on two connections.

    Receiver ─► _receive_loop ─► received ─► _start_loop ─► running (tasks) ─► Finisher ─► queue, status, audit, reply

What is received is started: there are never more attempts than slots. docs/promises.md says what this keeps and how.
The three loops overlap: while a batch is being started the next is asked for, and what has ended is written.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections import deque
from typing import TYPE_CHECKING, Any

import psycopg

from commands.worker.attempts import Attempt, perform
from commands.worker.finisher import BUSY_PAUSE_S, Finisher
from commands.worker.heartbeat import keep_leases
from commands.worker.receiver import Received, Receiver
from e2e_site.database import Backoff, ConnectionLostError, Link, end_all

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from commandbus import HandlerRegistry

    from commands.worker.state import WorkerState
    from settings_app.values import WorkerSettings

STARTED_AT_A_TIME = 50
ENOUGH = 0.75  # of a batch: asked for earlier, batches are small; later, the server waits for us. Half took 5 % longer


class NativeEngine:
    """Takes commands of one domain, performs them, writes their outcomes, until told to stop."""

    def __init__(self, registry: HandlerRegistry, state: WorkerState, receive: Link, finish: Link) -> None:
        self._registry = registry
        self._state = state
        self._receive_link = receive
        self._receiver = Receiver(state, receive)
        self._received: deque[tuple[list[Any], WorkerSettings, float]] = deque()
        self._arrived = asyncio.Event()
        self._running: dict[Attempt, asyncio.Task[None]] = {}
        self._lone: set[int] = set()  # messages whose last attempt has to run alone in a process
        self._lone_at = 0.0  # others have their turn until then
        self._backoff = Backoff()
        self._trouble = state.receive_trouble
        self._room = asyncio.Event()  # a slot became free, or outcomes were written
        self._finisher = Finisher(state, finish, self._room)

    async def run(self) -> int:
        """Work until ``state.stop`` (or, with ``once``, until the queue is empty), then drain for ``grace`` seconds.

        Returns how many attempts were given up: their leases run out and they come again.
        """
        finisher = asyncio.create_task(self._finisher.run(), name="finish")
        receiver = asyncio.create_task(self._receive_loop(), name="receive")
        starter = asyncio.create_task(self._start_loop(), name="start")
        leases = keep_leases(self._state, self._receive_link, self._running, self._finisher.attempts)
        heartbeat = asyncio.create_task(leases, name="heartbeat")
        stop = asyncio.create_task(self._state.stop.wait(), name="stop")
        receiver.add_done_callback(lambda _: self._room.set())
        try:
            await asyncio.wait({finisher, receiver, starter, stop}, return_when=asyncio.FIRST_COMPLETED)
            return await self._drain(receiver, starter, finisher)
        finally:
            for attempt in self._running:
                attempt.given_up = True
            await end_all([receiver, starter, finisher, stop, heartbeat, *self._running.values()])

    # -- taking ------------------------------------------------------------------------------------------------------

    async def _receive_loop(self) -> None:
        state = self._state
        while not state.stop.is_set():
            self._room.clear()
            if self._may_run_alone():
                await self._perform_alone()
                continue
            wanted = self._wanted()
            if wanted <= 0:
                await _first_of(self._room, state.wake)
                state.wake.clear()
                continue
            state.wake.clear()
            received = await self._take(self._receiver.take(wanted, unwritten=self._finisher.overdue()))
            if received is None:
                continue
            self._lone.update(received.lone)
            if received.dry and not self._may_run_alone():
                if state.once and await self._queue_is_empty():
                    return
                await self._rest(received)

    async def _take(self, receive: Coroutine[Any, Any, Received]) -> Received | None:
        """Begin what a receive answers; without an answer wait a moment, and return None."""
        try:
            received = await receive
        except ConnectionLostError:
            await _first_of(self._state.stop, timeout=self._backoff.next())
            return None
        except psycopg.Error as exc:
            self._trouble.met(exc)
            await _first_of(self._state.stop, timeout=self._backoff.next())
            return None
        self._backoff.reset()
        self._trouble.over()
        self._received.extend((row, received.settings, received.asked) for row in received.rows)
        self._arrived.set()
        return received

    def _wanted(self) -> int:
        """How many messages may be taken now: never more than can be started at once."""
        settings = self._state.settings
        if settings.paused:
            return 0
        if self._finisher.is_full(2 * settings.concurrency):
            return 0  # first write that the work is done
        wanted = min(settings.batch_size, settings.concurrency - self._begun())
        if self._received and wanted < ENOUGH * min(settings.batch_size, settings.concurrency):
            return 0  # more slots may be free in a moment: no crumbs
        return wanted

    def _begun(self) -> int:
        """Attempts that have a slot."""
        return len(self._received) + len(self._running)

    async def _rest(self, received: Received) -> None:
        """Wait for a notification, the poll interval or the next visible message, whichever comes first."""
        timeout = self._state.settings.poll_interval
        if received.due_s is not None:
            timeout = min(timeout, received.due_s)
        if received.busy or self._lone:
            timeout = min(timeout, BUSY_PAUSE_S)
        events = [self._state.wake, self._room] if self._state.once else [self._state.wake]
        await _first_of(*events, timeout=timeout)

    async def _queue_is_empty(self) -> bool:
        """Whether nothing is left: no message, delayed and leased ones included, and nothing of our own."""
        if self._begun() or self._finisher.left() or self._state.operating or self._state.operations_due.is_set():
            return False
        try:
            return await self._state.messages_left() == 0
        except ConnectionLostError:
            return False

    # -- what has to run alone ---------------------------------------------------------------------------------------

    def _may_run_alone(self) -> bool:
        """Whether it is the turn of an attempt that may end its process: what is not written would be lost with it."""
        if not self._lone or self._state.settings.paused or self._finisher.left() > self._finisher.waiting():
            return False
        return time.monotonic() >= self._lone_at or not (self._begun() or self._finisher.left())

    async def _perform_alone(self) -> None:
        """Let all others end, then perform one such attempt; after it the others have as much time."""
        began = time.monotonic()
        await self._all_written()
        if self._begun() or self._finisher.left() or self._state.stop.is_set() or self._state.settings.paused:
            return
        msg_id = random.choice(list(self._lone))  # noqa: S311  # so that several processes do not want the same
        self._lone.discard(msg_id)
        if await self._take(self._receiver.take_alone(msg_id)):
            await self._all_written()
        self._lone_at = 2 * time.monotonic() - began

    async def _all_written(self) -> None:
        """Return when nothing runs and nothing is left to write but what other transactions hold up, or at a stop."""
        while (self._begun() or self._finisher.waiting()) and not self._state.stop.is_set():
            self._room.clear()
            await _first_of(self._room, self._state.stop, timeout=1)

    # -- performing --------------------------------------------------------------------------------------------------

    async def _start_loop(self) -> None:
        """Start what was received, a few at a time.

        What takes no time has ended when the next few start, so that its outcomes are written meanwhile and the next
        messages asked for.
        """
        create_task = asyncio.get_running_loop().create_task  # asyncio.create_task asks the system each time
        while True:
            await self._arrived.wait()
            self._arrived.clear()
            while self._received:
                for _ in range(min(STARTED_AT_A_TIME, len(self._received))):
                    row, settings, asked = self._received.popleft()
                    attempt = Attempt.from_row(self._state.domain, row, settings, asked)
                    self._running[attempt] = create_task(self._perform(attempt), name="attempt")
                self._state.in_flight = self._begun()
                await asyncio.sleep(0)
            self._room.set()

    async def _perform(self, attempt: Attempt) -> None:
        try:
            self._finisher.add(await perform(self._registry, attempt))
        finally:
            del self._running[attempt]
            self._state.in_flight = self._begun()
            self._room.set()

    # -- stopping ----------------------------------------------------------------------------------------------------

    async def _drain(self, receiver: asyncio.Task[None], *others: asyncio.Task[None]) -> int:
        """Let running attempts end and write all outcomes, for at most ``grace`` seconds or until told to hurry.

        A receive under way is waited for too, and counts as one attempt if no answer comes: the server may have begun
        attempts for it.
        """
        deadline = time.monotonic() + self._state.grace
        while True:
            for loop in (receiver, *others):
                if loop.done():
                    loop.result()  # neither ends by an error unless it is our own mistake: let it be seen
            abandoned = self._begun() + self._finisher.left()
            left = deadline - time.monotonic()
            if left <= 0 or self._state.hurry.is_set() or (receiver.done() and not abandoned):
                return abandoned + self._receiver.waiting
            self._room.clear()
            await _first_of(self._room, self._state.hurry, timeout=min(left, 1))


async def _first_of(*events: asyncio.Event, timeout: float | None = None) -> None:  # noqa: ASYNC109  # of events, not of a call
    """Return when one of the events is set, or after ``timeout`` seconds."""
    waits = [asyncio.ensure_future(event.wait()) for event in events]
    try:
        await asyncio.wait(waits, timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for wait in waits:
            wait.cancel()
