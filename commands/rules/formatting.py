"""How values look to people. Pure: no Django, no database.

`STATUS_STYLES` and `EVENT_STYLES` are the one map from what happened to its icon and colour: badges, counts and the
timeline all read it. Icons are names in ``_icons.html``, tones are classes in ``status.css``.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Literal

from commands.rules.words import EventType, Status


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
    EventType.LATE_COMPLETED: Style("late", "slate"),
    EventType.LATE_FAILED: Style("late", "slate"),
    EventType.MESSAGE_REJECTED: Style("reject", "rose"),
}

_UNKNOWN = Style("info", "slate")  # a word of a newer library


def status_style(status: str) -> Style:
    return STATUS_STYLES.get(status, _UNKNOWN)


def event_style(event_type: str) -> Style:
    return EVENT_STYLES.get(event_type, _UNKNOWN)


@dataclass(frozen=True)
class Count:
    """A number of rows: exact, at least (``+``) or estimated (``≈``)."""

    value: int
    mark: Literal["", "+", "≈"] = ""

    def __str__(self) -> str:
        return f"≈ {self.value:,}" if self.mark == "≈" else f"{self.value:,}{self.mark}"


_UNITS = ((86_400, "d"), (3600, "h"), (60, "min"), (1, "s"))


def relative(seconds: float) -> str:
    """How long ago something was (``seconds`` > 0), or how far ahead it is: "3 s ago", "now", "in 2 min"."""
    size = abs(seconds)
    for length, name in _UNITS:
        if size >= length:
            text = f"{int(size // length)} {name}"
            return f"{text} ago" if seconds > 0 else f"in {text}"
    return "now"


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


def pretty_json(value: Any) -> str:
    """JSON for reading; numbers keep every digit."""
    return json.dumps(value, indent=2, ensure_ascii=False)


def event_summary(details: dict[str, Any] | None) -> str:
    """The particulars of an event in one line: "attempt 2 of 3, TRANSIENT: …"."""
    known = details or {}
    parts = []
    if known.get("attempt"):
        of = f" of {known['max_attempts']}" if known.get("max_attempts") else ""
        parts.append(f"attempt {known['attempt']}{of}")
    error = error_text(known)
    if error:
        parts.append(error)
    if known.get("delay_ms") is not None:
        parts.append(f"next in {duration(known['delay_ms'])}")
    if known.get("operator"):
        parts.append(f"by {known['operator']}")
    if known.get("error_code") is None and known.get("reason"):
        parts.append(str(known["reason"]))
    return ", ".join(parts)


def error_text(details: dict[str, Any]) -> str:
    """ "CODE: message", or whichever of the two there is."""
    return ": ".join(str(details[key]) for key in ("error_code", "error_msg") if details.get(key))
