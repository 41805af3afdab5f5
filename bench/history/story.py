"""A story of a made history, step by step as the bus writes it. Pure.

A `Story` is a word in `LETTERS` and what the command had to do; `Story.steps` are its events, with their times and
details. What differs between commands of one story (ids, messages, moments) is put in by ``seed.sql``.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from commands.rules.behaviors import Behavior, BehaviorType, SimulatedFailure, act
from commands.rules.words import (
    COMMAND_TYPE,
    LATE,
    LEASE_EXPIRED,
    LETTERS,
    OPERATOR_EVENTS,
    EventType,
    OperationKind,
    OutcomeKind,
    ReplyOutcome,
    Status,
)
from settings_app.backoff import backoff_ms
from settings_app.values import SETTINGS

MAX_ATTEMPTS = int(SETTINGS["max_attempts"].default)
LEASE_MS = 1000 * int(SETTINGS["visibility_timeout"].default)
QUEUED_MS = 20_000  # how long a command waits in the queue before an operator cancels it there
LONGEST_MS = 200_000  # no story takes longer, what operators do later not counted
BY_HAND = {"status": "success", "by": "hand"}  # the result that operators write
WAITING = "WAITING"  # the kind of those that are not final: PENDING and IN_PROGRESS
LATE_DELAY_MS = 600_000  # of those that wait for their retry: long enough to be seen waiting

_EVENTS = {letter: event for event, letter in LETTERS.items()}
_STATUSES = {
    EventType.SENT: Status.PENDING,
    EventType.RECEIVED: Status.IN_PROGRESS,
    EventType.FAILED: Status.IN_PROGRESS,
    EventType.COMPLETED: Status.COMPLETED,
    EventType.BUSINESS_RULE_FAILED: Status.FAILED,
    EventType.MOVED_TO_TSQ: Status.IN_TROUBLESHOOTING_QUEUE,
    EventType.OPERATOR_CANCEL: Status.CANCELED,
    EventType.OPERATOR_COMPLETE: Status.COMPLETED,
}


@dataclass(frozen=True, kw_only=True)
class Step:
    """One event. ``delay_ms`` after the command was sent, or where ``operated`` after the operator's action.

    ``since`` counts the steps from there: each takes a few milliseconds more, as ``seed.sql`` draws them.
    """

    event: EventType
    delay_ms: int
    since: int
    operated: bool
    details: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Story:
    """What becomes of some commands: ``word``, among those of the same `kind` with this ``weight``.

    ``retried_as``: another behavior that an operator gives them. ``bulk``: the operator acts on all of them by one
    operation, whose filter is their error code, so no other story has that code. ``reason``: the operator's.
    """

    word: str
    weight: float
    behavior: Behavior
    retried_as: Behavior | None = None
    bulk: OperationKind | None = None
    reason: str = ""

    @property
    def status(self) -> Status:
        """Where the command stands in the end."""
        last = [step.event for step in self.steps if step.event not in LATE][-1]
        return _STATUSES[last]

    @property
    def kind(self) -> str:
        """The final status, or `WAITING`."""
        return self.status if self.status.is_final else WAITING

    @property
    def attempts(self) -> int:
        """Those begun on its current message."""
        return self.word.rpartition("O")[2].count("R")

    @property
    def behavior_now(self) -> Behavior:
        return self.retried_as or self.behavior

    @property
    def last(self) -> Step:
        """The step that led to its status."""
        return [step for step in self.steps if step.event not in LATE][-1]

    @property
    def parked(self) -> Step | None:
        """The step that parked it, if any did."""
        return next((step for step in self.steps if step.event == EventType.MOVED_TO_TSQ), None)

    @property
    def error(self) -> Mapping[str, Any]:
        """Type, code and message of its last error, as ``commandbus.command`` keeps them; None where there is none."""
        if "O" in self.word:
            return {"type": None, "code": None, "message": None}  # a retry clears them, and what follows here succeeds
        failed = [step for step in self.steps if "error_code" in step.details]
        details: Mapping[str, Any] = failed[-1].details if failed else {}
        kinds = {
            EventType.BUSINESS_RULE_FAILED: OutcomeKind.BUSINESS_RULE,
            EventType.MOVED_TO_TSQ: OutcomeKind.PERMANENT,
        }
        kind = details.get("error_type") or (kinds[failed[-1].event].upper() if failed else None)
        return {"type": kind, "code": details.get("error_code"), "message": details.get("error_msg")}

    @property
    def result(self) -> Any:
        """What it came to, by itself or by an operator; None where it did not complete."""
        if self.status is not Status.COMPLETED:
            return None
        by_hand = self.last.details.get("result_data")
        return by_hand or act(self.behavior_now, self.word.count("R"))

    @property
    def reply(self) -> Mapping[str, Any] | None:
        """What a reply says of it, ids left out; None where there is none yet."""
        match self.status:
            case Status.COMPLETED:
                return {"outcome": ReplyOutcome.SUCCESS, "result": self.result}
            case Status.FAILED:
                error = {
                    "error_code": self.error["code"],
                    "error_message": self.error["message"],
                    "error_details": None,
                }
                return {"outcome": ReplyOutcome.FAILED, "result": error}
            case Status.CANCELED:
                return {"outcome": ReplyOutcome.CANCELED, "reason": self.reason}
            case _:
                return None

    @property
    def hidden_ms(self) -> int:
        """How long its message stays hidden after its last step, where it is still in the queue."""
        return {EventType.RECEIVED: LEASE_MS, EventType.FAILED: LATE_DELAY_MS}.get(self.last.event, 0)

    @cached_property
    def steps(self) -> tuple[Step, ...]:
        return tuple(_steps(self))


@dataclass(kw_only=True)
class _Walk:
    """Where a story stands while its steps are made."""

    behavior: Behavior
    ms: int = 0
    since: int = -1
    operated: bool = False
    attempt: int = 0
    begun: int = 0  # over its life
    open: list[tuple[int, int]]  # attempts that run: number, and when they began

    def begin(self, previous: EventType) -> dict[str, Any]:
        if previous == EventType.RECEIVED:
            self.ms = self.open[-1][1] + LEASE_MS  # its lease ran out
        self.attempt += 1
        self.begun += 1
        self.open.append((self.attempt, self.ms))
        return {"attempt": self.attempt, "max_attempts": MAX_ATTEMPTS}

    def end(self, *, overlapping: bool) -> int:
        """The attempt that ends now: of several the oldest, or where workers were lost the newest."""
        attempt, began = self.open.pop(0 if overlapping else -1)
        self.ms = began + self.behavior.execution_time_ms
        return attempt

    def fails(self) -> tuple[str, str] | None:
        """Code and message by which the attempt that was begun last fails, if it does."""
        try:
            act(self.behavior, self.begun)
        except SimulatedFailure as exc:
            return exc.code, exc.message
        return None

    def act(self, story: Story) -> dict[str, Any]:
        """An operator acts."""
        self.operated, self.ms, self.since, self.attempt, self.open = True, 0, 0, 0, []
        told: dict[str, Any] = {"reason": story.reason} if story.reason else {}
        if story.retried_as is not None:
            told |= {"behavior": story.retried_as.to_json(), "old_behavior": story.behavior.to_json()}
            self.behavior = story.retried_as
        return told


def _steps(story: Story) -> Iterator[Step]:
    walk = _Walk(behavior=story.behavior, open=[])
    overlapping = story.behavior.type is BehaviorType.TIMEOUT
    previous = EventType.SENT
    for letter in story.word:
        event = _EVENTS[letter]
        walk.since += 1
        details = _details(story, walk, event, previous, overlapping=overlapping)
        yield Step(event=event, delay_ms=walk.ms, since=walk.since, operated=walk.operated, details=details)
        if event == EventType.FAILED:
            walk.ms += details["delay_ms"]
        previous = event


def _details(story: Story, walk: _Walk, event: EventType, previous: EventType, *, overlapping: bool) -> dict[str, Any]:
    if event == EventType.SENT:
        return {"command_type": COMMAND_TYPE, "batch_id": None}
    if event == EventType.RECEIVED:
        return walk.begin(previous)
    if event in OPERATOR_EVENTS:
        return _operated(story, walk, event, previous)
    if event in (EventType.COMPLETED, EventType.LATE_COMPLETED):
        attempt = {"attempt": walk.end(overlapping=overlapping)}
        return attempt if event == EventType.LATE_COMPLETED else {**attempt, "has_result": True}
    if walk.fails() is None:
        return _lease_expired(walk)
    return _failed(story, walk, event, overlapping=overlapping)


def _operated(story: Story, walk: _Walk, event: EventType, previous: EventType) -> dict[str, Any]:
    if previous == EventType.SENT:  # it still waits
        walk.ms = QUEUED_MS
        return {"reason": story.reason}
    told = walk.act(story)
    return {**told, "result_data": BY_HAND} if event == EventType.OPERATOR_COMPLETE else told


def _lease_expired(walk: _Walk) -> dict[str, Any]:
    attempt, began = walk.open[-1]
    walk.ms = began + LEASE_MS
    return {
        "attempt": attempt,
        "max_attempts": MAX_ATTEMPTS,
        "reason": LEASE_EXPIRED,
        "error_type": OutcomeKind.TRANSIENT.upper(),
        "error_code": LEASE_EXPIRED,
        "error_msg": f"The lease of attempt {attempt} of {MAX_ATTEMPTS} ran out",
    }


def _failed(story: Story, walk: _Walk, event: EventType, *, overlapping: bool) -> dict[str, Any]:
    failure = walk.fails()
    assert failure is not None, f"{story.word} of {story.behavior} cannot fail there"
    attempt = walk.end(overlapping=overlapping)
    told = {"attempt": attempt, "error_code": failure[0], "error_msg": failure[1]}
    transient = {"max_attempts": MAX_ATTEMPTS, "error_type": OutcomeKind.TRANSIENT.upper()}
    if event == EventType.FAILED:
        delay = LATE_DELAY_MS if story.word.endswith(LETTERS[EventType.FAILED]) else _backoff_ms(attempt)
        return {**told, **transient, "delay_ms": delay}
    if walk.behavior.type is BehaviorType.FAIL_TRANSIENT:
        return {**told, **transient, "reason": "EXHAUSTED"}
    return {**told, "error_details": None}


def _backoff_ms(attempt: int) -> int:
    return backoff_ms(
        attempt,
        base_delay_ms=int(SETTINGS["base_delay_ms"].default),
        max_delay_ms=int(SETTINGS["max_delay_ms"].default),
        multiplier=float(SETTINGS["backoff_multiplier"].default),
    )
