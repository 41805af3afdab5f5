"""Which commands a list shows, and the walk that finds them soonest. Pure.

A page reads a bounded number of candidates along one index, newest first; the rest of the filter is looked at for each
of them. What the walk's index answers is exact, however many commands there are.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from uuid import UUID

from commands.rules.words import DOMAIN, Status

ID_DIGITS = 32

_ENDED = (Status.FAILED, Status.CANCELED)
_QUEUED = (Status.PENDING, Status.IN_PROGRESS)


class Walk(StrEnum):
    """Along which index candidates are read."""

    SENT = "sent"  # the events SENT of a domain
    ASKED = "asked"  # test_command, by its row number: where what was asked is looked into
    PARKED = "parked"  # the troubleshooting queue, by the time of parking
    ENDED = "ended"  # the events that end a command as FAILED or CANCELED
    QUEUED = "queued"  # the messages of the queue
    IDS = "ids"  # a range of ids
    CORRELATION = "correlation"  # the commands of one correlation id, by id
    OPERATION = "operation"  # the events of one operation


# What each walk's index answers, by the names of the fields.
ANSWERS: Mapping[Walk, frozenset[str]] = {
    Walk.SENT: frozenset({"from", "to"}),
    Walk.ASKED: frozenset(),
    Walk.PARKED: frozenset({"status", "code", "behavior", "attempts"}),
    Walk.ENDED: frozenset({"status"}),
    Walk.QUEUED: frozenset({"status"}),
    Walk.IDS: frozenset({"id"}),
    Walk.CORRELATION: frozenset({"correlation"}),
    Walk.OPERATION: frozenset({"operation"}),
}


@dataclass(frozen=True, kw_only=True)
class CommandFilter:
    """What is None or empty does not matter. Commands have all of ``correlations``: two that differ meet none.

    ``ids``: from which id to which. ``contains``: JSON that the payload contains; ``text``: part of the payload's text,
    upper or lower case. ``attempts``: at least so many. ``operation`` changed them.
    """

    domain: str = DOMAIN
    statuses: Sequence[Status] = ()
    behavior: str = ""
    command_type: str = ""
    since: datetime | None = None
    until: datetime | None = None
    code: str = ""
    attempts: int | None = None
    operation: int | None = None
    correlations: Sequence[UUID] = ()
    ids: tuple[UUID, UUID] | None = None
    contains: str = ""
    text: str = ""

    @property
    def asked(self) -> frozenset[str]:
        """The names of the fields that matter."""
        values = {
            "status": self.statuses,
            "behavior": self.behavior,
            "type": self.command_type,
            "from": self.since,
            "to": self.until,
            "code": self.code,
            "attempts": self.attempts is not None,
            "operation": self.operation,
            "correlation": self.correlations,
            "id": self.ids,
            "payload": self.contains or self.text,
        }
        return frozenset(name for name, value in values.items() if value)

    @property
    def walk(self) -> Walk:
        """The one with the fewest candidates, as far as that is known without looking."""
        if self.operation is not None:
            return Walk.OPERATION
        if self.ids is not None:
            return Walk.IDS
        if self.correlations:
            return Walk.CORRELATION
        if self.statuses and (walk := self._walk_of_statuses()):
            return walk
        if self.domain == DOMAIN and {"behavior", "payload"} & self.asked and not {"from", "to"} & self.asked:
            return Walk.ASKED
        return Walk.SENT

    def _walk_of_statuses(self) -> Walk | None:
        asked = set(self.statuses)
        if asked == {Status.IN_TROUBLESHOOTING_QUEUE}:
            return Walk.PARKED
        if asked <= set(_ENDED):
            return Walk.ENDED
        return Walk.QUEUED if asked <= set(_QUEUED) else None

    @property
    def is_counted(self) -> bool:
        """The walk's index answers all of it, so that its candidates can be counted."""
        return self.asked <= ANSWERS[self.walk] and len(set(self.correlations)) <= 1

    @property
    def shows_every_candidate(self) -> bool:
        return self.is_counted and (self.walk != Walk.QUEUED or set(self.statuses) == set(_QUEUED))


def id_range(beginning: str) -> tuple[UUID, UUID] | None:
    """The first and the last id that begin so, with or without dashes; None for what no id begins with."""
    digits = beginning.strip().replace("-", "").lower()
    if not digits or len(digits) > ID_DIGITS or not set(digits) <= set("0123456789abcdef"):
        return None
    return UUID(digits.ljust(ID_DIGITS, "0")), UUID(digits.ljust(ID_DIGITS, "f"))


_UNITS = {"min": timedelta(minutes=1), "h": timedelta(hours=1), "d": timedelta(days=1)}


def moment(text: str, now: datetime) -> datetime | None:
    """A time in UTC unless it names its zone, "2026-05-01 14:00", or how long before ``now``, "15min", "24h" or "7d".

    None for anything else.
    """
    text = text.strip()
    for unit, length in _UNITS.items():
        number = text.removesuffix(unit)
        if number != text and number.isascii() and number.isdecimal() and len(number) <= 5:
            return now - int(number) * length
    try:
        found = datetime.fromisoformat(text)
        return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
    except (ValueError, OverflowError):
        return None
