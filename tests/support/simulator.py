"""One command driven to its end by hand, on a clock of its own: the real functions, and no waiting.

    receive_commands ─► running (as many as there are slots) ─► act ─► finish_commands

It does what a worker does: an attempt begins when its message is visible and a slot is free. Where an attempt ends at
the moment at which another could begin, it ends first.
"""

from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from commands.rules.behaviors import (
    Behavior,
    SimulatedBusinessRuleFailure,
    SimulatedPermanentFailure,
    SimulatedTransientFailure,
    act,
)
from commands.rules.courses import Circumstances
from commands.rules.words import OutcomeKind, ReplyOutcome, Status
from settings_app.backoff import backoff_ms
from tests.support.bus import HandBus, Json, outcome


@dataclass(frozen=True, kw_only=True)
class Story:
    """What became of the command. ``word`` with its late events, ``ended_ms``: from its first attempt to its end."""

    status: Status
    attempts: int
    word: str
    replies: list[ReplyOutcome]
    ended_ms: int


class Simulator:
    """``slots`` are free for the command; ``pauses``: so long each delivery after the first has to wait (ms).

    The attempts ``lost`` come to no end, ``at_once`` or when they would have come to it. ``does`` answers what an
    attempt rolls.
    """

    def __init__(
        self,
        bus: HandBus,
        circumstances: Circumstances,
        *,
        slots: int,
        pauses: Iterable[int] = (),
        lost: Collection[int] = (),
        at_once: bool = False,
        does: Callable[[int], Behavior] | None = None,
    ) -> None:
        self._bus = bus
        self._circumstances = circumstances
        self._slots = slots
        self._pauses = iter(pauses)
        self._lost = lost
        self._at_once = at_once
        self._does = does or (lambda attempt: circumstances.behavior)
        self.kills = 0  # attempts that were lost
        self._now_ms = 0
        self._due_ms: int | None = 0  # when its message can be received; None: it has none any more
        self._running: deque[tuple[int, Json]] = deque()  # attempts, and when they end
        self._ended_ms: int | None = None
        self._has_heartbeat = circumstances.heartbeat and circumstances.behavior.type != "timeout"
        self._id = self._send()

    def run(self) -> Story:
        """Go on until it is final, no attempt runs and no message is left."""
        while self._running or self._due_ms is not None:
            full = len(self._running) == self._slots
            if self._running and (full or self._due_ms is None or self._running[0][0] <= self._due_ms):
                self._end()
            elif self._running and self._has_heartbeat:
                self._extend()
            else:
                self._receive()
        assert self._ended_ms is not None
        assert (self._bus.queued(), self._bus.receive()["commands"]) == ([], {})
        command = self._bus.command(self._id)
        return Story(
            status=Status(command["status"]),
            attempts=command["attempts"],
            word=self._bus.word(self._id),
            replies=[ReplyOutcome(reply["outcome"]) for reply in self._bus.replies()],
            ended_ms=self._ended_ms,
        )

    def _send(self) -> UUID:
        return self._bus.send(
            self._circumstances.behavior.to_json(),
            max_attempts=self._circumstances.max_attempts,
            reply="test__replies" if self._circumstances.reply else "",
        )

    def _receive(self) -> None:
        self._reach_due()
        with self._hides_its_message(self._circumstances.lease_ms):
            answer = self._bus.receive(1, lease=self._circumstances.lease_s)
            if self._id not in answer["commands"]:
                assert answer["parked"] == 1
                self._is_final()
                return
        attempt = answer["commands"][self._id]
        work_ms = self._does(attempt["life"]).execution_time_ms
        if attempt["life"] in self._lost and self._at_once:
            work_ms = 0
        self._running.append((self._now_ms + work_ms, attempt))
        self._running = deque(sorted(self._running, key=lambda running: running[0]))

    def _extend(self) -> None:
        self._reach_due()
        with self._hides_its_message(self._circumstances.lease_ms):
            ((_, attempt),) = self._running
            assert self._bus.extend_lease(self._id, attempt, lease=self._circumstances.lease_s) == [str(self._id)]

    def _end(self) -> None:
        self._now_ms, attempt = self._running.popleft()
        if attempt["life"] in self._lost:
            self.kills += 1
            return
        kind, more = self._performed(attempt)
        with self._hides_its_message(more.get("delay_ms")):
            answer = self._bus.finish(outcome(self._id, attempt, kind, **more))
            status = answer["accepted"].get(str(self._id))
            if status is None:
                assert answer["late"] == [str(self._id)]
            elif status != Status.IN_PROGRESS:
                self._is_final()

    def _performed(self, attempt: Json) -> tuple[OutcomeKind, dict[str, Any]]:
        """What the handler of a test command does, and what a worker makes of it."""
        try:
            return OutcomeKind.SUCCESS, {"result": act(self._does(attempt["life"]), attempt["life"])}
        except SimulatedPermanentFailure:
            return OutcomeKind.PERMANENT, {}
        except SimulatedBusinessRuleFailure:
            return OutcomeKind.BUSINESS_RULE, {}
        except SimulatedTransientFailure:
            delay_ms = backoff_ms(
                attempt["attempt"],
                base_delay_ms=self._circumstances.base_delay_ms,
                max_delay_ms=self._circumstances.max_delay_ms,
                multiplier=self._circumstances.backoff_multiplier,
            )
            return OutcomeKind.TRANSIENT, {"delay_ms": delay_ms}

    def _reach_due(self) -> None:
        assert self._due_ms is not None
        self._now_ms = max(self._now_ms, self._due_ms)
        self._bus.expire_lease(self._id)

    def _is_final(self) -> None:
        assert self._ended_ms is None
        self._due_ms, self._ended_ms = None, self._now_ms

    @contextmanager
    def _hides_its_message(self, hidden_ms: int | None) -> Iterator[None]:
        """If the step changes when its message becomes visible, then to ``hidden_ms`` from now."""
        before, was = self._clock_and_visible_at()
        yield
        after, now = self._clock_and_visible_at()
        if now is None or now == was:
            return
        assert hidden_ms is not None
        low, high = ((now - moment).total_seconds() * 1000 for moment in (after, before))
        assert low - 1 <= hidden_ms <= high + 1, f"hidden for {low} to {high} ms, not {hidden_ms}"
        self._due_ms = self._now_ms + hidden_ms + next(self._pauses, 0)

    def _clock_and_visible_at(self) -> tuple[datetime, datetime | None]:
        """The server's clock, and when the message becomes visible; None: it is there no more."""
        (row,) = self._bus.rows("SELECT clock_timestamp() AS clock, (SELECT vt FROM pgmq.q_test__commands) AS vt")
        return row["clock"], row["vt"]
