"""How values look to people. Pure: no Django, no database.

`STATUS_STYLES` and `EVENT_STYLES` are the one map from what happened to its icon and colour: badges, counts and the
timeline all read it. Icons are names in ``_icons.html``, tones are classes in ``status.css``.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from typing import Any, Literal

from commands.rules.details import UNREADABLE
from commands.rules.words import EventType, ReplyOutcome, Status
from e2e_site.texts import visible


@dataclass(frozen=True)
class Style:
    """How a status or an event is shown, beside its word."""

    icon: str
    tone: str
    pulse: bool = False


STATUS_STYLES: Mapping[str, Style] = {
    Status.PENDING: Style("clock", "blue"),
    Status.IN_PROGRESS: Style("play", "emerald", pulse=True),
    Status.COMPLETED: Style("check", "cyan"),
    Status.FAILED: Style("cross", "orange"),
    Status.CANCELED: Style("ban", "slate"),
    Status.IN_TROUBLESHOOTING_QUEUE: Style("alert", "rose"),
}

EVENT_STYLES: Mapping[str, Style] = {
    EventType.SENT: Style("send", "blue"),
    EventType.RECEIVED: Style("play", "emerald"),
    EventType.COMPLETED: Style("check", "cyan"),
    EventType.FAILED: Style("retry", "amber"),
    EventType.RETRY_SCHEDULED: Style("retry", "amber"),
    EventType.RETRY_EXHAUSTED: Style("alert", "rose"),
    EventType.MOVED_TO_TSQ: Style("alert", "rose"),
    EventType.BUSINESS_RULE_FAILED: Style("cross", "orange"),
    EventType.OPERATOR_RETRY: Style("person-check", "blue"),
    EventType.OPERATOR_CANCEL: Style("ban", "slate"),
    EventType.OPERATOR_COMPLETE: Style("person-check", "cyan"),
    EventType.BATCH_STARTED: Style("layers", "slate"),
    EventType.BATCH_COMPLETED: Style("layers", "slate"),
    EventType.LATE_COMPLETED: Style("late", "violet"),
    EventType.LATE_FAILED: Style("late", "violet"),
    EventType.MESSAGE_REJECTED: Style("reject", "rose"),
}

OUTCOME_STYLES: Mapping[str, Style] = {
    ReplyOutcome.SUCCESS: Style("check", "cyan"),
    ReplyOutcome.FAILED: Style("cross", "orange"),
    ReplyOutcome.CANCELED: Style("ban", "slate"),
}

_UNKNOWN = Style("info", "slate")  # a word of a newer library


def status_style(status: str) -> Style:
    return STATUS_STYLES.get(status, _UNKNOWN)


def event_style(event_type: str) -> Style:
    return EVENT_STYLES.get(event_type, _UNKNOWN)


def outcome_style(outcome: str) -> Style:
    return OUTCOME_STYLES.get(outcome, _UNKNOWN)


@dataclass(frozen=True)
class Count:
    """A number of rows: exact, at least (``+``) or estimated (``≈``)."""

    value: int
    mark: Literal["", "+", "≈"] = ""

    def __str__(self) -> str:
        return f"≈ {self.value:,}" if self.mark == "≈" else f"{self.value:,}{self.mark}"


_UNITS = ((86_400, "d"), (3600, "h"), (60, "min"), (1, "s"))


def since(seconds: float) -> str:
    """How long ago something was: "3 s ago", or "now", also where the clocks of two readings differ a little."""
    return f"{_size(seconds)} ago" if seconds >= 1 else "now"


def until(seconds: float) -> str:
    """How far ahead something is: "in 2 min"; "now" where it is due."""
    return f"in {_size(seconds)}" if seconds >= 1 else "now"


def _size(seconds: float) -> str:
    """A length of at least a second in its largest unit."""
    length, name = next((length, name) for length, name in _UNITS if seconds >= length)
    return f"{int(seconds // length)} {name}"


def clock(moment: datetime, now: datetime) -> str:
    """The time of day to the millisecond; with the date where that is not today's."""
    time = f"{moment:%H:%M:%S}.{moment.microsecond // 1000:03d}"
    return time if moment.date() == now.date() else f"{moment:%Y-%m-%d} {time}"


def duration(milliseconds: float) -> str:
    """A length of time in its two largest units: "0 ms", "1.5 s", "2 min 5 s", "1 h 1 min"."""
    if round(milliseconds) < 1000:
        return f"{round(milliseconds)} ms"
    if milliseconds < 59_995:  # above it would be rounded to 60 s
        return f"{milliseconds / 1000:.2f}".rstrip("0").rstrip(".") + " s"
    seconds = round(milliseconds / 1000)
    for (large, name), (small, lesser) in pairwise(_UNITS):
        if seconds >= large:
            rest = seconds % large // small
            return f"{seconds // large} {name}" + (f" {rest} {lesser}" if rest else "")
    return f"{seconds} s"


_JSON_PARTS = re.compile(r'"(?:[^"\\]|\\(?:.|\Z))*+(?:"|\Z)|[{}\[\]:,]|[^\s{}\[\]:,"]+', re.DOTALL)
_DEEPEST_LINES = 16  # levels that have lines of their own; what is nested deeper stays in one


def pretty_json(text: str) -> str:
    """Stored JSON, whole or cut, for reading: numbers and texts are as they are stored, what cannot be seen escaped."""
    parts: list[str] = []
    depth, before = 0, ":"
    for part in _JSON_PARTS.findall(text):
        if part in ("}", "]"):
            depth -= 1
            if before not in ("{", "[") and depth < _DEEPEST_LINES:
                parts.append(_new_line(depth))
        elif before in ("{", "[", ",") and depth <= _DEEPEST_LINES:
            parts.append(_new_line(depth))
        elif before == ",":
            parts.append(" ")
        parts.append(": " if part == ":" else part)
        depth += part in ("{", "[")
        before = part
    return visible("".join(parts))


def _new_line(depth: int) -> str:
    return "\n" + "  " * depth


@dataclass(frozen=True)
class Part:
    """A particular of an event: our own word, and what came from outside after it."""

    word: str = ""
    outside: str = ""

    def __str__(self) -> str:
        return self.word + self.outside


def event_summary(details: Any) -> list[Part]:
    """The particulars of an event, for one line: "attempt 2 of 3, TRANSIENT: …"."""
    known = details if isinstance(details, dict) else {}
    parts = []
    if known.get("attempt"):
        of = f" of {known['max_attempts']}" if known.get("max_attempts") else ""
        parts.append(Part(f"attempt {known['attempt']}{of}"))
    elif (most := number(known.get("max_attempts"))) is not None:
        parts.append(Part(f"at least {int(most)} attempts from then on"))
    if error := error_text(known):
        parts.append(Part(outside=error))
    if (delay_ms := number(known.get("delay_ms"))) is not None:
        parts.append(Part(f"next in {duration(delay_ms)}"))
    if known.get("operator"):
        parts.append(Part("by ", str(known["operator"])))
    if known.get("error_code") is None and known.get("reason"):
        parts.append(Part(outside=str(known["reason"])))
    return parts


def error_text(details: Mapping[str, Any]) -> str:
    """ "CODE: message", or whichever of the two there is; of details that cannot be read their text."""
    return ": ".join(str(details[key]) for key in ("error_code", "error_msg", UNREADABLE) if details.get(key))


_LARGEST_NUMBER = 1e14  # milliseconds of three thousand years


def number(value: object) -> float | None:
    """A number that a foreign hand may have written: what it is, or None where nobody can count with it."""
    if not isinstance(value, int | float) or isinstance(value, bool):
        return None
    return value if abs(value) < _LARGEST_NUMBER else None  # NaN is less than nothing
