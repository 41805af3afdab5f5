"""The ways that a command can go, attempt by attempt. Pure.

Work that ends within three quarters of the lease goes one way: one attempt after the other. Longer work may be
delivered again while it goes on, so its way depends on the slots that are free. Work that ends within a quarter of a
lease of a multiple of the lease may end before or after the next delivery, so it has the ways of both.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import assert_never

from commands.rules.behaviors import Behavior, BehaviorType
from commands.rules.words import LETTERS, EventType, Status
from settings_app.backoff import backoff_ms

PARTS_OF_A_LEASE = 4  # one such part is how close to a multiple of the lease is too close to tell
FINAL_LETTERS = {
    Status.COMPLETED: LETTERS[EventType.COMPLETED],
    Status.FAILED: LETTERS[EventType.BUSINESS_RULE_FAILED],
    Status.IN_TROUBLESHOOTING_QUEUE: LETTERS[EventType.MOVED_TO_TSQ],
}
SENT, RECEIVED, FAILED = (LETTERS[event] for event in (EventType.SENT, EventType.RECEIVED, EventType.FAILED))


@dataclass(frozen=True, kw_only=True)
class Circumstances:
    """A command and what decides about it: its behavior, the settings, and how many slots are free for it.

    ``slots`` counts those of all workers that are free for this command all the time; None: not known.
    ``kills``: how many of its attempts came to no end in their time, their process having died or stood still; a
    receive of which the answer was lost is one. ``reply``: whether a reply is asked for.
    """

    behavior: Behavior
    max_attempts: int
    lease_s: int
    base_delay_ms: int
    max_delay_ms: int
    backoff_multiplier: float
    heartbeat: bool = False
    slots: int | None = None
    kills: int = 0
    reply: bool = True

    def __post_init__(self) -> None:
        if self.kills < 0:
            raise ValueError(f"kills must be at least 0, not {self.kills}.")
        for name in ("max_attempts", "lease_s", "slots"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ValueError(f"{name} must be at least 1, not {value}.")

    @property
    def work_ms(self) -> int:
        """How long each attempt works."""
        return self.behavior.execution_time_ms

    @property
    def lease_ms(self) -> int:
        return self.lease_s * 1000

    @property
    def margin_ms(self) -> int:
        """How close to a multiple of the lease is too close to tell."""
        return self.lease_ms // PARTS_OF_A_LEASE

    @property
    def keeps_its_lease(self) -> bool:
        """Whether workers extend its lease while they work."""
        return self.heartbeat and self.behavior.type is not BehaviorType.TIMEOUT

    @property
    def first_success(self) -> int | None:
        """The first attempt that succeeds; None where none of those allowed does."""
        match self.behavior.type:
            case BehaviorType.SUCCESS | BehaviorType.TIMEOUT:
                return 1
            case BehaviorType.FAIL_PERMANENT | BehaviorType.BUSINESS_RULE | BehaviorType.FAIL_TRANSIENT:
                return None
            case BehaviorType.FAIL_TRANSIENT_THEN_SUCCEED:
                first = self.behavior.transient_failures + 1
                return first if first <= self.max_attempts else None
            case _:
                assert_never(self.behavior.type)

    @property
    def own_end(self) -> Status:
        """How it ends where the end of its last attempt decides."""
        if self.first_success:
            return Status.COMPLETED
        is_rule = self.behavior.type is BehaviorType.BUSINESS_RULE
        return Status.FAILED if is_rule else Status.IN_TROUBLESHOOTING_QUEUE

    @property
    def retries(self) -> int:
        """How many attempts fail and are followed by another, where each ends before the next begins."""
        if self.behavior.type in (BehaviorType.FAIL_PERMANENT, BehaviorType.BUSINESS_RULE):
            return 0
        return (self.first_success or self.max_attempts) - 1

    def waits_ms(self) -> list[int]:
        """The backoff after each of the ``retries``."""
        return [
            backoff_ms(
                attempt,
                base_delay_ms=self.base_delay_ms,
                max_delay_ms=self.max_delay_ms,
                multiplier=self.backoff_multiplier,
            )
            for attempt in range(1, self.retries + 1)
        ]


@dataclass(frozen=True, kw_only=True)
class Course:
    """One way that a command can go. ``ends_ms``: from the beginning of its first attempt to its final event.

    ``overlapping``: each attempt begins before the one before it has ended, so that no failure counts.
    """

    status: Status
    attempts: int
    ends_ms: int
    overlapping: bool = False
    late_completed: int = 0
    late_failed: int = 0

    @property
    def retries(self) -> int:
        """Its events FAILED."""
        return 0 if self.overlapping else self.attempts - 1

    @property
    def word(self) -> str:
        """Its story in `LETTERS`, late events left out."""
        attempts = RECEIVED * self.attempts if self.overlapping else (RECEIVED + FAILED) * self.retries + RECEIVED
        return SENT + attempts + FINAL_LETTERS[self.status]


def courses(circumstances: Circumstances) -> tuple[Course, ...]:
    """The ways that the command can go where the same slots are free for it all the time, and no attempt is lost."""
    if circumstances.keeps_its_lease:
        return (_one_by_one(circumstances),)
    # Deliveries are taken a little late, so work may seem a little shorter or longer beside a lease than it is.
    work, margin = circumstances.work_ms, circumstances.margin_ms
    found = (
        _one_by_one(circumstances)
        if slots == 1 or seems <= circumstances.lease_ms
        else _overlapping(circumstances, seems, slots)
        for seems in (work - margin + 1, work, work + margin)
        for slots in _slots(circumstances, seems)
    )
    return tuple(dict.fromkeys(found))


def _slots(circumstances: Circumstances, seems_ms: int) -> Iterable[int]:
    """How many may be free. More than overlap, or than there are attempts and one to park from, change nothing."""
    if circumstances.slots is not None:
        return (circumstances.slots,)
    return range(1, min(-(-seems_ms // circumstances.lease_ms), circumstances.max_attempts + 1) + 1)


def _one_by_one(circumstances: Circumstances) -> Course:
    """No lease runs out, or no slot is free to notice it: each attempt ends before the next begins."""
    attempts = circumstances.retries + 1
    return Course(
        status=circumstances.own_end,
        attempts=attempts,
        ends_ms=attempts * circumstances.work_ms + sum(circumstances.waits_ms()),
    )


def _overlapping(circumstances: Circumstances, seems_ms: int, slots: int) -> Course:
    """Attempts that seem to take ``seems_ms``, longer than the lease, and more than one slot.

    Each begins when the lease of the one before has run out and a slot is free, which is before that one ends. So only
    a success can count. The delivery after the last attempt parks the command.
    """
    first, most, lease = circumstances.first_success, circumstances.max_attempts, circumstances.lease_ms
    at_once = min(slots, -(-seems_ms // lease))  # attempts of it that go on at the same time

    def begins_ms(attempt: int) -> int:
        if seems_ms <= slots * lease:  # a slot is always free
            return (attempt - 1) * lease
        turn, place = divmod(attempt - 1, slots)
        return turn * circumstances.work_ms + place * lease

    begun = most + 1 if first is None else first - 1 + at_once  # deliveries until the first success
    if first is not None and begun <= most:
        return Course(
            status=Status.COMPLETED,
            attempts=begun,
            ends_ms=begins_ms(first) + circumstances.work_ms,
            overlapping=True,
            late_completed=begun - first,
            late_failed=first - 1,
        )
    failures = most if first is None else first - 1
    return Course(
        status=Status.IN_TROUBLESHOOTING_QUEUE,
        attempts=most,
        ends_ms=begins_ms(most + 1),
        overlapping=True,
        late_completed=most - failures,
        late_failed=failures,
    )
