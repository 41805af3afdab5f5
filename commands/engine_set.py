"""Engine ``set``: our own loop. One statement takes a batch, one statement finishes a batch, on two connections.

    queue ─► _receive_loop ─► running (a task per attempt) ─► unwritten ─► _finish_loop ─► queue, status, audit, reply

What is received is started: there are never more attempts than slots. Outcomes wait in ``unwritten`` while a write is
under way and go out together in the next one. docs/promises.md says what this keeps and how.
"""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import psycopg

from commands.attempts import Attempt, Outcome, OutcomeKind, perform
from commands.statuses import EventType, Status
from e2e_site.database import Backoff, ConnectionLostError, Link, end_all

if TYPE_CHECKING:
    from commandbus import HandlerRegistry

    from commands.worker_state import WorkerState

logger = logging.getLogger(__name__)

RECEIVE = "SELECT commandbus.receive_commands(%s, %s, %s)"
FINISH = "SELECT commandbus.finish_commands(%s, %s::jsonb)"
MOST_PER_FINISH = 1000
BUSY_PAUSE_S = 0.1
# SQLSTATE classes that blame what was sent, not the moment: data, constraint, syntax or access, raised by a function.
CULPRIT_CLASSES = ("22", "23", "42", "P0")


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
        self._finish_link = finish
        self._running: set[asyncio.Task[None]] = set()
        self._unwritten: deque[Outcome] = deque()
        self._receiving = False
        self._writing: list[Outcome] = []
        self._held_up = 0  # busy outcomes on their way back into unwritten
        self._room = asyncio.Event()  # a slot became free, or an outcome was written
        self._ended = asyncio.Event()  # an outcome waits to be written

    async def run(self) -> int:
        """Work until ``state.stop`` (or, with ``once``, until the queue is empty), then drain for ``grace`` seconds.

        Returns how many attempts were given up: their leases run out and they come again.
        """
        finisher = asyncio.create_task(self._finish_loop(), name="finish")
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
        if self._outcomes_left() >= 2 * settings.concurrency:
            return 0
        if any(outcome.attempt.lease_is_over() for outcome in (*self._unwritten, *self._writing)):
            return 0  # its message can be seen again: write first that the work is done
        return min(settings.batch_size, settings.concurrency - len(self._running))

    def _outcomes_left(self) -> int:
        """How many attempts have ended whose outcomes are not yet written."""
        return len(self._unwritten) + len(self._writing) + self._held_up

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
        if self._running or self._outcomes_left():
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
        self._queue_outcome(await perform(self._registry, attempt))

    def _queue_outcome(self, outcome: Outcome) -> None:
        self._unwritten.append(outcome)
        self._ended.set()

    # -- finishing ---------------------------------------------------------------------------------------------------

    async def _finish_loop(self) -> None:
        backoff = Backoff()
        while True:
            await self._ended.wait()
            self._ended.clear()
            while batch := self._next_to_write():
                self._writing = batch
                pause = 0.0
                try:
                    await self._write(batch)
                    backoff.reset()
                except ConnectionLostError:
                    # Nobody knows whether the server committed: the next call has to look.
                    for outcome in batch:
                        outcome.again = True
                    pause = self._put_back(batch, backoff)
                except psycopg.Error as exc:
                    if not (exc.sqlstate or "").startswith(CULPRIT_CLASSES):
                        logger.error("cannot finish: %s", exc, extra={"action": "finish_failed"})  # noqa: TRY400
                        pause = self._put_back(batch, backoff)
                    else:
                        self._isolate(batch, exc)
                self._writing = []
                self._room.set()
                await asyncio.sleep(pause)

    def _put_back(self, batch: list[Outcome], backoff: Backoff) -> float:
        self._unwritten.extendleft(reversed(batch))
        return backoff.next()

    def _next_to_write(self) -> list[Outcome]:
        """The outcomes of the next call: one that must go alone, or many, at most one per command."""
        batch: list[Outcome] = []
        kept: list[Outcome] = []
        seen = set()
        while self._unwritten and len(batch) < MOST_PER_FINISH:
            outcome = self._unwritten.popleft()
            if outcome.alone and not batch:
                batch = [outcome]
                break
            if outcome.alone or outcome.command_id in seen:
                kept.append(outcome)
                continue
            seen.add(outcome.command_id)
            batch.append(outcome)
        self._unwritten.extendleft(reversed(kept))
        return batch

    async def _write(self, batch: list[Outcome]) -> None:
        body = json.dumps([outcome.to_json() for outcome in batch])
        answer = await self._finish_link.value(FINISH, (self._state.domain, body))
        busy = set(answer["busy"])
        for outcome in batch:
            key = str(outcome.command_id)
            if key in busy:
                self._send_later(outcome)
            elif key in answer["accepted"]:
                self._record(outcome, Status(answer["accepted"][key]), None)
            else:
                self._record(outcome, None, answer["before"].get(key))

    def _send_later(self, outcome: Outcome) -> None:
        """Someone else holds the command's row: try this one again by itself while other batches go on."""
        outcome.alone = True
        self._held_up += 1

        def back() -> None:
            self._held_up -= 1
            self._queue_outcome(outcome)

        asyncio.get_running_loop().call_later(BUSY_PAUSE_S, back)

    def _isolate(self, batch: list[Outcome], exc: psycopg.Error) -> None:
        """The server refused this batch for what is in it: each goes alone now, and the culprit is parked."""
        if len(batch) > 1:
            for outcome in batch:
                outcome.alone = True
            self._unwritten.extend(batch)
            return
        outcome = batch[0]
        if outcome.kind is OutcomeKind.PERMANENT:
            logger.error(
                "outcome given up: %s", exc, extra={"action": "outcome_given_up", "command_id": outcome.command_id}
            )
            return
        self._unwritten.append(
            Outcome(
                attempt=outcome.attempt,
                kind=OutcomeKind.PERMANENT,
                error_code=type(exc).__name__,
                error_msg=f"Its outcome could not be written: {exc.diag.message_primary}",
                again=outcome.again,
                alone=True,
            )
        )

    def _record(self, outcome: Outcome, status: Status | None, before: str | None) -> None:
        """Count and log what became of one outcome."""
        counts, context = self._state.counts, outcome.attempt.context
        late = status is None and (before is None or before in (EventType.LATE_COMPLETED, EventType.LATE_FAILED))
        if late:
            action, counts.late = "late", counts.late + 1
        elif outcome.kind is OutcomeKind.SUCCESS:
            action, counts.completed = "completed", counts.completed + 1
        elif status is Status.IN_PROGRESS or before == EventType.FAILED:
            action, counts.retried = "retry", counts.retried + 1
        elif outcome.kind is OutcomeKind.BUSINESS_RULE:
            action, counts.failed = "failed", counts.failed + 1
        else:
            action, counts.parked = "parked", counts.parked + 1
        extra: dict[str, Any] = {
            "action": action,
            "command_id": context.command.command_id,
            "attempt": f"{context.attempt}/{context.max_attempts}",
            "ms": round((time.monotonic() - outcome.attempt.began) * 1000),
        }
        if outcome.error_code:
            extra["error"] = outcome.error_code
        logger.info(action, extra=extra)

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
            abandoned = len(self._running) + self._outcomes_left()
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
