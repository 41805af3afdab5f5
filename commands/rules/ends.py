"""Which event made a command final, and how long that took. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta

from commands.rules.timeline import Event
from commands.rules.words import EventType

_FINAL = frozenset(
    {
        EventType.COMPLETED,
        EventType.MOVED_TO_TSQ,
        EventType.BUSINESS_RULE_FAILED,
        EventType.OPERATOR_CANCEL,
        EventType.OPERATOR_COMPLETE,
    }
)
_BEGINNINGS = (EventType.SENT, EventType.OPERATOR_RETRY)


@dataclass(frozen=True, kw_only=True)
class Took:
    """How long a command took to its end: from its last retry where it was ``retried``, and ``whole``, from sending."""

    milliseconds: float
    retried: bool
    whole: float | None


def first_end(events: Iterable[Event]) -> Event | None:
    """The event that made it final for the first time."""
    return next((event for event in events if event.event_type in _FINAL), None)


def took(events: Sequence[Event]) -> Took | None:
    """From its sending, or its operator's last retry, to the event that made it final; None where either is missing."""
    begun = [event for event in events if event.event_type in _BEGINNINGS]
    if not begun:
        return None
    ends = [event for event in events[events.index(begun[-1]) :] if event.event_type in _FINAL]
    if not ends:
        return None
    # Of ends alike the first: engine library writes that of each attempt.
    end = next(event for event in ends if event.event_type == ends[-1].event_type)
    sent = next((event for event in begun if event.event_type == EventType.SENT), None)
    return Took(
        milliseconds=_milliseconds(begun[-1], end),
        retried=begun[-1].event_type == EventType.OPERATOR_RETRY,
        whole=_milliseconds(sent, end) if sent else None,
    )


def _milliseconds(start: Event, end: Event) -> float:
    return (end.ts - start.ts) / timedelta(milliseconds=1)
