"""How outcomes get written: the finishing half of engine ``native``.

    add ─► unwritten ─► _next_to_write ─► finish_commands ─► queue, status, audit, reply

Outcomes wait in ``unwritten`` while a write is under way and go out together in the next one.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from itertools import chain
from typing import TYPE_CHECKING, Any

import psycopg

from commands.rules.words import EventType, OutcomeKind, Status
from commands.worker.attempts import Outcome
from commands.worker.blame import is_of_the_moment, others_succeed
from e2e_site.database import Backoff, ConnectionLostError, Link

if TYPE_CHECKING:
    from collections.abc import Iterator

    from commands.worker.attempts import Attempt
    from commands.worker.state import WorkerState

logger = logging.getLogger(__name__)

FINISH = "SELECT commandbus.finish_commands(%s, %s::jsonb)"
MOST_PER_FINISH = 1000
MOST_LINES = 20  # in the log, for the outcomes of one call
BUSY_PAUSE_S = 0.1
LONGEST_BUSY_PAUSE_S = 1.0
LASTS = 3  # so often busy: another transaction holds the row for long
MOST_BUSY = 1000
MOST_DEADLINE_S = 60.0
COUNTED = {"completed": "completed", "retry": "retried", "parked": "parked", "failed": "failed", "late": "late"}


class Finisher:
    """Writes the outcomes of attempts until cancelled; sets ``room`` whenever some were written."""

    def __init__(self, state: WorkerState, link: Link, room: asyncio.Event) -> None:
        self._state = state
        self._link = link
        self._room = room
        self._unwritten: deque[Outcome] = deque()
        self._parts: list[list[Outcome]] = []  # of a batch that the server refused, to be written one after the other
        self._writing: list[Outcome] = []
        self._busy: set[Outcome] = set()  # on their way back into unwritten
        self._added = asyncio.Event()
        self._backoff = Backoff()
        self._trouble = state.finish_trouble
        self._lost = 0  # answers that did not come, since one did

    def add(self, outcome: Outcome) -> None:
        self._unwritten.append(outcome)
        self._added.set()

    def left(self) -> int:
        """How many outcomes are not yet written."""
        return self.waiting() + len(self._busy)

    def waiting(self) -> int:
        """The same without those whose rows other transactions hold."""
        return len(self._unwritten) + sum(map(len, self._parts)) + len(self._writing)

    def is_full(self, most: int) -> bool:
        """Whether ``most`` outcomes wait, or as many are held up as a worker keeps: then take nothing more."""
        return self.waiting() >= most or len(self._busy) >= MOST_BUSY

    def attempts(self) -> Iterator[Attempt]:
        """The attempts whose outcomes are not yet written."""
        return (outcome.attempt for outcome in self._all())

    def overdue(self) -> list[int]:
        """The messages of those whose lease is over: they can be seen again, and must not begin again here."""
        now = time.monotonic()
        return [attempt.context.msg_id for attempt in self.attempts() if attempt.lease_ends <= now]

    def _all(self) -> Iterator[Outcome]:
        return chain(self._unwritten, self._writing, self._busy, *self._parts)

    async def run(self) -> None:
        """Write what is added, at once where no write is under way."""
        while True:
            await self._added.wait()
            self._added.clear()
            while batch := self._next_to_write():
                self._writing = batch
                pause = await self._try(batch)
                self._writing = []
                self._room.set()
                await asyncio.sleep(pause)

    async def _try(self, batch: list[Outcome]) -> float:
        """Write a batch; seconds to wait before the next one."""
        try:
            await self._write(batch)
        except ConnectionLostError:
            # The server may have committed: the next call has to look.
            self._lost += 1
            for outcome in batch:
                outcome.again = True
            return self._put_back(batch)
        except psycopg.Error as exc:
            self._lost = 0
            if is_of_the_moment(exc) or not await others_succeed(self._link, self._state.domain):
                self._trouble.met(exc)
                return self._put_back(batch)
            self._isolate(batch, exc)
            return 0.0
        self._lost = 0
        self._backoff.reset()
        self._trouble.over()
        return 0.0

    def _put_back(self, batch: list[Outcome]) -> float:
        for outcome in batch:
            outcome.suspect = False
        self._unwritten.extendleft(reversed(batch))
        return self._backoff.next()

    def _deadline(self) -> float:
        """Seconds for an answer: so few that it can be asked for again within the lease, more where none came."""
        fraction = max(1.0, self._state.settings.visibility_timeout / 3)
        return min(MOST_DEADLINE_S, fraction * 2.0**self._lost)

    def _next_to_write(self) -> list[Outcome]:
        """The outcomes of the next call, at most one per command: a part of a refused batch, or what waits."""
        if self._parts:
            return self._parts.pop()
        batch: list[Outcome] = []
        kept: list[Outcome] = []
        seen = set()
        while self._unwritten and len(batch) < MOST_PER_FINISH:
            outcome = self._unwritten.popleft()
            if outcome.attempt.key in seen:
                kept.append(outcome)
                continue
            seen.add(outcome.attempt.key)
            batch.append(outcome)
        self._unwritten.extendleft(reversed(kept))
        return batch

    async def _write(self, batch: list[Outcome]) -> None:
        body = f"[{','.join([outcome.to_json() for outcome in batch])}]"
        answer = await self._link.value(FINISH, (self._state.domain, body), deadline=self._deadline())
        accepted, busy, before = answer["accepted"], set(answer["busy"]), answer["before"]
        ended: dict[str, list[Outcome]] = {}
        for outcome in batch:
            key = outcome.attempt.key
            if key in busy:
                self._send_later(outcome)
            else:
                ended.setdefault(_action(outcome, accepted.get(key), before.get(key)), []).append(outcome)
        self._record(ended)
        self._say_kept()

    def _send_later(self, outcome: Outcome) -> None:
        """Another transaction holds a row of this command: try it again in a moment while other batches go on."""
        self._busy.add(outcome)

        def back() -> None:
            self._busy.discard(outcome)
            self.add(outcome)

        pause = min(LONGEST_BUSY_PAUSE_S, BUSY_PAUSE_S * 2**outcome.busy)
        outcome.busy += 1
        asyncio.get_running_loop().call_later(pause, back)

    def _say_kept(self) -> None:
        """Have the worker's row say which messages are held up for long, so that no receive parks their commands."""
        if not self._busy and not self._state.kept:
            return
        kept = [outcome.attempt.context.msg_id for outcome in self._all() if outcome.busy >= LASTS][:MOST_BUSY]
        if set(kept) - set(self._state.kept):
            self._state.beat_now.set()
        self._state.kept = kept

    def _isolate(self, batch: list[Outcome], exc: psycopg.Error) -> None:
        """The server refused this batch and takes others: halve it until the culprit is alone, and park that."""
        if len(batch) > 1:
            middle = len(batch) // 2
            self._parts += [batch[:middle], batch[middle:]]
            return
        (outcome,) = batch
        if not outcome.suspect:
            outcome.suspect = True  # once more, between two tries of others that succeed
            self._parts.append(batch)
            return
        reason = exc.diag.message_primary or type(exc).__name__
        if outcome.kind is OutcomeKind.PERMANENT:
            logger.error(
                "outcome given up: %s",
                reason,
                extra={"action": "outcome_given_up", "command_id": outcome.attempt.key},
            )
            return
        self._parts.append(
            [
                Outcome(
                    attempt=outcome.attempt,
                    kind=OutcomeKind.PERMANENT,
                    error_code=type(exc).__name__,
                    error_msg=f"Its outcome could not be written: {reason}",
                    again=outcome.again,
                )
            ]
        )

    def _record(self, ended: dict[str, list[Outcome]]) -> None:
        """Count and log what became of outcomes, by action; of many at a time one line for each action."""
        counts = self._state.counts
        for action, outcomes in ended.items():
            setattr(counts, COUNTED[action], getattr(counts, COUNTED[action]) + len(outcomes))
            if len(outcomes) > MOST_LINES:
                logger.info(action, extra={"action": action, "commands": len(outcomes)})
            elif logger.isEnabledFor(logging.INFO):
                for outcome in outcomes:
                    _log(action, outcome)


def _action(outcome: Outcome, status: str | None, before: str | None) -> str:
    """What became of an outcome: ``status`` if it was accepted, ``before`` if an earlier call had written it."""
    if status is None and (before is None or before in (EventType.LATE_COMPLETED, EventType.LATE_FAILED)):
        return "late"
    if outcome.kind is OutcomeKind.SUCCESS:
        return "completed"
    if status == Status.IN_PROGRESS or before == EventType.FAILED:
        return "retry"
    return "failed" if outcome.kind is OutcomeKind.BUSINESS_RULE else "parked"


def _log(action: str, outcome: Outcome) -> None:
    context = outcome.attempt.context
    extra: dict[str, Any] = {
        "action": action,
        "command_id": context.command.command_id,
        "attempt": f"{context.attempt}/{context.max_attempts}",
        "ms": round((time.monotonic() - outcome.attempt.began) * 1000),
    }
    if outcome.error_code:
        extra["error"] = outcome.error_code
    logger.info(action, extra=extra)
