"""Engine ``set``: our own loop. One statement takes a batch, one statement finishes a batch, on two connections.

    queue ─► _receive_loop ─► running (a task per attempt) ─► Finisher ─► queue, status, audit, reply

What is received is started: there are never more attempts than slots. docs/promises.md says what this keeps and how.
"""

from __future__ import annotations

import asyncio
import logging
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import psycopg

from commands.attempts import Attempt, perform
from commands.finisher import BUSY_PAUSE_S, Finisher
from e2e_site.database import Backoff, ConnectionLostError, Link, end_all

if TYPE_CHECKING:
    from commandbus import HandlerRegistry

    from commands.worker_state import WorkerState

logger = logging.getLogger(__name__)

RECEIVE = "SELECT commandbus.receive_commands(%s, %s, %s)"


@dataclass(frozen=True, kw_only=True)
class Batch:
    """What one receive answered. ``due_ms``: milliseconds until the next message becomes visible, if any will."""

    attempts: list[Attempt]
    dry: bool
    busy: int
    due_ms: int | None


class SetEngine:
    """Takes commands of one domain, performs them, writes their outcomes, until told to stop."""

    def __init__(self, registry: HandlerRegistry, state: WorkerState, receive: Link, finish: Link) -> None:
        self._registry = registry
        self._state = state
        self._receive_link = receive
        self._running: set[asyncio.Task[None]] = set()
        self._receiving = False
        self._room = asyncio.Event()  # a slot became free, or outcomes were written
        self._finisher = Finisher(state, finish, self._room)

    async def run(self) -> int:
        """Work until ``state.stop`` (or, with ``once``, until the queue is empty), then drain for ``grace`` seconds.

        Returns how many attempts were given up: their leases run out and they come again.
        """
        finisher = asyncio.create_task(self._finisher.run(), name="finish")
        receiver = asyncio.create_task(self._receive_loop(), name="receive")
        stop = asyncio.create_task(self._state.stop.wait(), name="stop")
        receiver.add_done_callback(lambda _: self._room.set())
        try:
            await asyncio.wait({finisher, receiver, stop}, return_when=asyncio.FIRST_COMPLETED)
            return await self._drain(receiver, finisher)
        finally:
            await end_all([receiver, finisher, stop, *self._running])

    # -- taking ------------------------------------------------------------------------------------------------------

    async def _receive_loop(self) -> None:
        state, backoff = self._state, Backoff()
        while not state.stop.is_set():
            self._room.clear()
            wanted = self._wanted()
            if wanted <= 0:
                await _first_of(self._room, state.wake)
                state.wake.clear()
                continue
            state.wake.clear()
            try:
                batch = await self._receive(wanted)
            except ConnectionLostError:
                await _first_of(state.stop, timeout=backoff.next())
                continue
            except psycopg.Error as exc:
                logger.error("cannot receive: %s", exc, extra={"action": "receive_failed"})  # noqa: TRY400  # one line
                await _first_of(state.stop, timeout=backoff.next())
                continue
            backoff.reset()
            for attempt in batch.attempts:
                self._start(attempt)
            if batch.dry:
                if state.once and await self._queue_is_empty():
                    return
                await self._rest(batch)

    def _wanted(self) -> int:
        """How many messages may be taken now: never more than can be started at once."""
        settings = self._state.settings
        if self._finisher.left() >= 2 * settings.concurrency or self._finisher.is_overdue():
            return 0  # first write that the work is done: an overdue message would be taken again
        return min(settings.batch_size, settings.concurrency - len(self._running))

    async def _receive(self, wanted: int) -> Batch:
        settings = self._state.settings
        self._receiving = True
        try:
            answer = await self._receive_link.value(RECEIVE, (self._state.domain, wanted, settings.visibility_timeout))
        finally:
            self._receiving = False
        attempts = [Attempt.from_row(self._state.domain, row, settings) for row in answer["commands"]]
        counts = self._state.counts
        counts.received += len(attempts)
        counts.parked += answer["parked"]
        if answer["parked"]:
            logger.warning(
                "parked: lease expired on the last attempt", extra={"action": "parked", "commands": answer["parked"]}
            )
        if answer["rejected"]:
            logger.warning("rejected messages", extra={"action": "rejected", "messages": answer["rejected"]})
        due = answer["due_ms"]
        return Batch(
            attempts=attempts, dry=answer["dry"], busy=answer["busy"], due_ms=None if due is None else int(due)
        )

    async def _rest(self, batch: Batch) -> None:
        """Wait for a notification, the poll interval or the next visible message, whichever comes first."""
        timeout = self._state.settings.poll_interval
        if batch.due_ms is not None:
            timeout = min(timeout, batch.due_ms / 1000)
        if batch.busy:
            timeout = min(timeout, BUSY_PAUSE_S)
        events = [self._state.wake, self._room] if self._state.once else [self._state.wake]
        await _first_of(*events, timeout=timeout)

    async def _queue_is_empty(self) -> bool:
        """Whether nothing is left: no message, delayed and leased ones included, and nothing of our own."""
        if self._running or self._finisher.left():
            return False
        try:
            return await self._state.messages_left() == 0
        except ConnectionLostError:
            return False

    # -- performing --------------------------------------------------------------------------------------------------

    def _start(self, attempt: Attempt) -> None:
        task = asyncio.create_task(self._perform(attempt))
        self._running.add(task)
        self._state.in_flight = len(self._running)
        task.add_done_callback(self._slot_is_free)

    def _slot_is_free(self, task: asyncio.Task[None]) -> None:
        self._running.discard(task)
        self._state.in_flight = len(self._running)
        self._room.set()

    async def _perform(self, attempt: Attempt) -> None:
        self._finisher.add(await perform(self._registry, attempt))

    # -- stopping ----------------------------------------------------------------------------------------------------

    async def _drain(self, receiver: asyncio.Task[None], finisher: asyncio.Task[None]) -> int:
        """Let running attempts end and write all outcomes, for at most ``grace`` seconds or until told to hurry.

        A receive under way is waited for too, and counts as one attempt if no answer comes: the server may have begun
        attempts for it.
        """
        deadline = time.monotonic() + self._state.grace
        while True:
            for loop in (receiver, finisher):
                if loop.done():
                    loop.result()  # neither ends by an error unless it is our own mistake: let it be seen
            abandoned = len(self._running) + self._finisher.left()
            left = deadline - time.monotonic()
            if left <= 0 or self._state.hurry.is_set() or (receiver.done() and not abandoned):
                return abandoned + self._receiving
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
