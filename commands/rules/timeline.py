"""A command's audit events as a story that a person follows attempt by attempt. Pure: rows in, values out."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from commands.rules.formatting import number
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
LATE_ENDS_AWAITED = timedelta(minutes=1)  # an attempt of whose worker nothing is known may still end
LONGEST_AWAITED = timedelta(days=1)  # no attempt is awaited for longer, not of a living worker either


@dataclass(frozen=True, kw_only=True)
class Event:
    """One audit event. ``details`` may be anything: who writes SQL writes them too.

    ``texts`` are those of the details that may be long, as JSON, cut: what an operator changed, what an error brought.
    """

    event_type: str
    ts: datetime
    details: Mapping[str, Any]
    audit_id: int | None = None
    texts: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class WorkerSeen:
    """The worker that had an attempt, as far as its row still says; ``own``: it ran with settings of its own."""

    name: str
    alive: bool
    own: bool = False


@dataclass(kw_only=True)
class Attempt:
    """One delivery: when it began, how it ended. ``end`` is None while it runs, or when its worker never came back."""

    number: int
    max_attempts: int | None
    msg_id: int | None
    started: datetime
    worker_id: str = ""  # empty where the event names none
    worker: WorkerSeen | None = None
    alone: bool = False  # no other attempt ran in its process
    end: Event | None = None
    beside: "Attempt | None" = field(
        default=None, repr=False, compare=False
    )  # one before it that had not ended when it began
    overtaken: bool = False  # its lease ran out: the message was delivered again, or the command ended without it
    told_lost: bool = False  # the attempt that overtook it ran alone, as only one after a lost one does
    awaited: bool = False  # its end may still come: see `await_ends`

    @property
    def event_type(self) -> str:
        """The event whose look it wears."""
        if self.end:
            return self.end.event_type
        return EventType.LATE_FAILED if self.overtaken else EventType.RECEIVED

    @property
    def key(self) -> str:
        """Its name in the page."""
        return f"{self.msg_id}-{self.number}"

    @property
    def silent(self) -> bool:
        """Its worker is known, and gives no sign of life."""
        return bool(self.worker_id) and not (self.worker and self.worker.alive)

    @property
    def lost(self) -> bool:
        """Its worker was gone when its lease ran out, or is gone now without having ended it."""
        return self.end is None and (self.told_lost or (self.overtaken and self.silent))

    @property
    def worker_name(self) -> str:
        return self.worker.name if self.worker else self.worker_id[:8]

    @property
    def milliseconds(self) -> float | None:
        """How long it worked."""
        return (self.end.ts - self.started) / timedelta(milliseconds=1) if self.end else None

    @property
    def delay_ms(self) -> float | None:
        """How long the retry that follows it has to wait."""
        return number(self.end.details.get("delay_ms")) if self.end else None

    @property
    def due(self) -> datetime | None:
        """When the retry that follows it may start."""
        if self.end is None or self.delay_ms is None:
            return None
        return self.end.ts + timedelta(milliseconds=self.delay_ms)


@dataclass(kw_only=True)
class Entry:
    """A line of the story: an attempt, or an event that belongs to none; ``gap_ms`` after the event before it.

    ``again``: the event is an end, and no attempt is open that it could end: its work was done more than once.
    """

    ts: datetime
    attempt: Attempt | None = None
    event: Event | None = None
    gap_ms: float | None = None
    again: bool = False


@dataclass(kw_only=True)
class _Story:
    work: timedelta | None
    entries: list[Entry] = field(default_factory=list)
    attempts: dict[tuple[Any, Any], Attempt] = field(default_factory=dict)
    last: Attempt | None = None
    before: Event | None = None


def build(events: Iterable[Event], *, work: timedelta | None = None) -> list[Entry]:
    """The story of one command, newest first; ``events`` in the order in which they were written.

    ``work`` is how long each of its attempts works. An end that names no attempt is told of the one that it fits.
    """
    story = _Story(work=work)
    for event in events:
        if event.event_type == EventType.RECEIVED:
            _begin(story, event)
        elif not _end(story, event):
            _add(story, event, again=event.event_type in _ENDS and not event.details.get("reason"))
        if event.event_type == EventType.MOVED_TO_TSQ and story.last and story.last.end is None:
            _overtake(story.last, event)
        story.before = event
    return story.entries[::-1]


def attempts(story: Iterable[Entry]) -> list[Attempt]:
    return [entry.attempt for entry in story if entry.attempt]


def await_ends(story: Iterable[Entry], *, now: datetime, changed: datetime, work: timedelta | None) -> bool:
    """Mark the attempts whose ends may still come, and say whether there are any.

    While its worker lives, an attempt of a day at most; else for a minute after the last change or the end of its work.
    """
    for attempt in attempts(story):
        began_lately = now - attempt.started < LONGEST_AWAITED
        lives = bool(attempt.worker and attempt.worker.alive) and began_lately
        lately = now - max(changed, attempt.started + (work or timedelta())) < LATE_ENDS_AWAITED
        attempt.awaited = attempt.end is None and not attempt.told_lost and (lives or lately)
    return any(attempt.awaited for attempt in attempts(story))


def _add(story: _Story, event: Event, *, attempt: Attempt | None = None, again: bool = False) -> None:
    gap = None if story.before is None else max((event.ts - story.before.ts) / timedelta(milliseconds=1), 0)
    told = None if attempt else event
    story.entries.append(Entry(ts=event.ts, attempt=attempt, event=told, gap_ms=gap, again=again))


def _begin(story: _Story, event: Event) -> None:
    before = story.last if story.last and story.last.end is None else None
    if before:
        _overtake(before, event)
    attempt = Attempt(
        number=_whole(event, "attempt") or 0,
        max_attempts=_whole(event, "max_attempts"),
        msg_id=_whole(event, "msg_id"),
        started=event.ts,
        worker_id=str(event.details.get("worker") or ""),
        alone=event.details.get("alone") is True,
        beside=before,
    )
    story.attempts[attempt.msg_id, attempt.number] = story.last = attempt
    _add(story, event, attempt=attempt)


def _overtake(attempt: Attempt, event: Event) -> None:
    attempt.overtaken = True
    attempt.told_lost = event.details.get("alone") is True


def _end(story: _Story, event: Event) -> bool:
    """Whether the event ended an attempt that is in the story."""
    if event.event_type not in _ENDS or event.details.get("reason") == LEASE_EXPIRED:
        return False
    key = msg_id, of_attempt = _whole(event, "msg_id"), _whole(event, "attempt")
    attempt = _fitting(story, event, msg_id) if of_attempt is None else story.attempts.get(key)
    if attempt is None or attempt.end is not None:
        return False
    attempt.end = event
    return True


def _fitting(story: _Story, event: Event, msg_id: int | None) -> Attempt | None:
    """Which attempt an end belongs to that names none, as the library's COMPLETED: the only one that is open, or the
    one whose work was to end next to that moment. None where nobody can tell."""
    is_open = [attempt for attempt in story.attempts.values() if attempt.msg_id == msg_id and attempt.end is None]
    if len(is_open) > 1 and story.work is not None:
        work = story.work
        return min(is_open, key=lambda attempt: abs(event.ts - attempt.started - work))
    return is_open[0] if len(is_open) == 1 else None


def _whole(event: Event, key: str) -> int | None:
    value = number(event.details.get(key))
    return int(value) if value is not None else None
