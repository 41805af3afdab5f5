"""Engine ``native``: our own loop. One statement takes a batch, one statement finishes a batch, on two connections.

    queue ─► _receive_loop ─► received ─► _start_loop ─► running (tasks) ─► Finisher ─► queue, status, audit, reply

What is received is started: there are never more attempts than slots. docs/promises.md says what this keeps and how.
The three loops overlap: while a batch is being started the next is asked for, and what has ended is written.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import psycopg

from commands.worker.attempts import Attempt, perform
from commands.worker.blame import AT_RECEIVE, blames_the_batch
from commands.worker.finisher import BUSY_PAUSE_S, Finisher
from commands.worker.heartbeat import keep_leases
from commands.worker.lookback import Lookback
from e2e_site.database import Backoff, ConnectionLostError, Link, end_all

if TYPE_CHECKING:
    from commandbus import HandlerRegistry

    from commands.worker.state import WorkerState
    from settings_app.values import WorkerSettings

logger = logging.getLogger(__name__)

RECEIVE = "SELECT commandbus.receive_commands(%s, %s, %s, %s)"
RECEIVE_ONE_BY_ONE = "SELECT commandbus.receive_one_by_one(%s, %s, %s)"
STARTED_AT_A_TIME = 50


@dataclass(frozen=True, kw_only=True)
class Received:
    """What one receive said of the queue. ``due_s``: seconds until there may be more to see, where that is known."""

    dry: bool
    busy: int
    due_s: float | None


class NativeEngine:
    """Takes commands of one domain, performs them, writes their outcomes, until told to stop."""

    def __init__(self, registry: HandlerRegistry, state: WorkerState, receive: Link, finish: Link) -> None:
        self._registry = registry
        self._state = state
        self._receive_link = receive
        self._received: deque[tuple[list[Any], WorkerSettings]] = deque()
        self._arrived = asyncio.Event()
        self._running: dict[Attempt, asyncio.Task[None]] = {}
        self._receiving = False
        self._lookback = Lookback()
        self._room = asyncio.Event()  # a slot became free, or outcomes were written
        self._finisher = Finisher(state, finish, self._room)

    async def run(self) -> int:
        """Work until ``state.stop`` (or, with ``once``, until the queue is empty), then drain for ``grace`` seconds.

        Returns how many attempts were given up: their leases run out and they come again.
        """
        finisher = asyncio.create_task(self._finisher.run(), name="finish")
        receiver = asyncio.create_task(self._receive_loop(), name="receive")
        starter = asyncio.create_task(self._start_loop(), name="start")
        heartbeat = asyncio.create_task(keep_leases(self._state, self._receive_link, self._running), name="heartbeat")
        stop = asyncio.create_task(self._state.stop.wait(), name="stop")
        receiver.add_done_callback(lambda _: self._room.set())
        try:
            await asyncio.wait({finisher, receiver, starter, stop}, return_when=asyncio.FIRST_COMPLETED)
            return await self._drain(receiver, starter, finisher)
        finally:
            await end_all([receiver, starter, finisher, stop, heartbeat, *self._running.values()])

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
                received = await self._receive(wanted)
            except ConnectionLostError:
                await _first_of(state.stop, timeout=backoff.next())
                continue
            except psycopg.Error as exc:
                logger.error("cannot receive: %s", exc, extra={"action": "receive_failed"})  # noqa: TRY400  # one line
                await _first_of(state.stop, timeout=backoff.next())
                continue
            backoff.reset()
            if received.dry:
                if state.once and await self._queue_is_empty():
                    return
                await self._rest(received)

    def _wanted(self) -> int:
        """How many messages may be taken now: never more than can be started at once."""
        settings = self._state.settings
        if self._finisher.left() >= 2 * settings.concurrency or self._finisher.is_overdue():
            return 0  # first write that the work is done: an overdue message would be taken again
        wanted = min(settings.batch_size, settings.concurrency - self._begun())
        if self._received and wanted < min(settings.batch_size, settings.concurrency) / 2:
            return 0  # more slots may be free in a moment: no crumbs
        return wanted

    def _begun(self) -> int:
        """Attempts that have a slot."""
        return len(self._received) + len(self._running)

    async def _receive(self, wanted: int) -> Received:
        settings, domain, after = self._state.settings, self._state.domain, self._lookback.after()
        parameters = (domain, wanted, settings.visibility_timeout)
        self._receiving = True
        try:
            answer = await self._receive_link.value(RECEIVE, (*parameters, after))
        except psycopg.Error as exc:
            if not blames_the_batch(exc, AT_RECEIVE):
                raise
            reason = exc.diag.message_primary
            logger.warning("the server refused a batch, taking it one by one: %s", reason, extra={"action": "split"})
            after = 0
            answer = await self._receive_link.value(RECEIVE_ONE_BY_ONE, parameters)
        finally:
            self._receiving = False
        self._lookback.looked(after, answer["last"], answer["look_us"] / 1e6)
        rows = answer["commands"]
        self._received.extend((row, settings) for row in rows)
        self._arrived.set()
        counts = self._state.counts
        counts.received += len(rows)
        counts.parked += answer["parked"]
        if answer["parked"]:
            logger.warning("parked at receive", extra={"action": "parked", "commands": answer["parked"]})
        if answer["rejected"]:
            logger.warning("rejected messages", extra={"action": "rejected", "messages": answer["rejected"]})
        due_s = self._lookback.until_full_look() if after else None
        if answer["due_ms"] is not None:
            due_s = answer["due_ms"] / 1000
        return Received(dry=answer["dry"], busy=answer["busy"], due_s=due_s)

    async def _rest(self, received: Received) -> None:
        """Wait for a notification, the poll interval or the next visible message, whichever comes first."""
        timeout = self._state.settings.poll_interval
        if received.due_s is not None:
            timeout = min(timeout, received.due_s)
        if received.busy:
            timeout = min(timeout, BUSY_PAUSE_S)
        events = [self._state.wake, self._room] if self._state.once else [self._state.wake]
        await _first_of(*events, timeout=timeout)

    async def _queue_is_empty(self) -> bool:
        """Whether nothing is left: no message, delayed and leased ones included, and nothing of our own."""
        if self._begun() or self._finisher.left():
            return False
        try:
            return await self._state.messages_left() == 0
        except ConnectionLostError:
            return False

    # -- performing --------------------------------------------------------------------------------------------------

    async def _start_loop(self) -> None:
        """Start what was received, a few at a time.

        What takes no time has ended when the next few start, so that its outcomes are written meanwhile and the next
        messages asked for.
        """
        while True:
            await self._arrived.wait()
            self._arrived.clear()
            while self._received:
                for _ in range(min(STARTED_AT_A_TIME, len(self._received))):
                    row, settings = self._received.popleft()
                    attempt = Attempt.from_row(self._state.domain, row, settings)
                    self._running[attempt] = asyncio.create_task(self._perform(attempt))
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
