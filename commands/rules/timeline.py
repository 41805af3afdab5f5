"""A command's audit events as a story that a person follows attempt by attempt. Pure: rows in, values out."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from commands.rules.words import LEASE_EXPIRED, EventType

# The events that end an attempt. MOVED_TO_TSQ ends one only if the attempt itself failed: see `_ends_attempt`.
_ENDS = frozenset(
    {
        EventType.COMPLETED,
        EventType.FAILED,
        EventType.MOVED_TO_TSQ,
        EventType.BUSINESS_RULE_FAILED,
        EventType.LATE_COMPLETED,
        EventType.LATE_FAILED,
    }
)
_FINAL = frozenset(
    {
        EventType.COMPLETED,
        EventType.MOVED_TO_TSQ,
        EventType.BUSINESS_RULE_FAILED,
        EventType.OPERATOR_CANCEL,
        EventType.OPERATOR_COMPLETE,
    }
)


@dataclass(frozen=True, kw_only=True)
class Event:
    """One audit event."""

    event_type: str
    ts: datetime
    details: Mapping[str, Any]


@dataclass(kw_only=True)
class Attempt:
    """One delivery: when it began, how it ended. ``end`` is None while it runs, or when its worker never came back."""

    number: int
    max_attempts: int | None
    msg_id: int | None
    started: datetime
    end: Event | None = None
    overtaken: bool = False  # its lease ran out: the message was delivered again, or the command ended without it

    @property
    def goes_on(self) -> bool:
        """Its end is not written yet and may still come, late or not."""
        return self.end is None and not self.overtaken

    @property
    def event_type(self) -> str:
        """The event whose look it wears."""
        if self.end:
            return self.end.event_type
        return EventType.LATE_FAILED if self.overtaken else EventType.RECEIVED

    @property
    def milliseconds(self) -> float | None:
        """How long it worked."""
        return (self.end.ts - self.started) / timedelta(milliseconds=1) if self.end else None

    @property
    def due(self) -> datetime | None:
        """When the retry that follows it may start."""
        if self.end is None or self.end.details.get("delay_ms") is None:
            return None
        return self.end.ts + timedelta(milliseconds=self.end.details["delay_ms"])


@dataclass(kw_only=True)
class Entry:
    """A line of the story: an attempt, or an event that belongs to none."""

    ts: datetime
    attempt: Attempt | None = None
    event: Event | None = None


@dataclass(kw_only=True)
class _Story:
    entries: list[Entry] = field(default_factory=list)
    attempts: dict[tuple[Any, Any], Attempt] = field(default_factory=dict)
    last: Attempt | None = None


def milliseconds_to_end(events: Sequence[Event]) -> float | None:
    """From its sending (or its operator's last retry) to the event that made it final; None where either is missing."""
    begun = [event.ts for event in events if event.event_type in (EventType.SENT, EventType.OPERATOR_RETRY)]
    ended = [event.ts for event in events if event.event_type in _FINAL]
    return (ended[-1] - begun[-1]) / timedelta(milliseconds=1) if begun and ended else None


def build(events: Iterable[Event]) -> list[Entry]:
    """The story of one command, newest first; ``events`` in the order in which they were written."""
    story = _Story()
    for event in events:
        if event.event_type == EventType.RECEIVED:
            _begin(story, event)
        elif not _end(story, event):
            story.entries.append(Entry(ts=event.ts, event=event))
        if event.event_type == EventType.MOVED_TO_TSQ and story.last and story.last.end is None:
            story.last.overtaken = True
    return story.entries[::-1]


def _begin(story: _Story, event: Event) -> None:
    if story.last and story.last.end is None:
        story.last.overtaken = True
    attempt = Attempt(
        number=event.details.get("attempt", 0),
        max_attempts=event.details.get("max_attempts"),
        msg_id=event.details.get("msg_id"),
        started=event.ts,
    )
    story.attempts[attempt.msg_id, attempt.number] = story.last = attempt
    story.entries.append(Entry(ts=event.ts, attempt=attempt))


def _end(story: _Story, event: Event) -> bool:
    """Whether the event ended an attempt that is in the story."""
    if event.event_type not in _ENDS or event.details.get("reason") == LEASE_EXPIRED:
        return False
    number = event.details.get("attempt")
    msg_id = event.details.get("msg_id")
    attempt = story.attempts.get((msg_id, number))
    if attempt is None and number is None and story.last and story.last.msg_id == msg_id:
        attempt = story.last  # the library's COMPLETED names no attempt
    if attempt is None or attempt.end is not None:
        return False
    attempt.end = event
    return True
