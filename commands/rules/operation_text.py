"""What an operation does and how far it is, in words for people. Pure: rows and stored JSON in, texts out."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from commands.rules.formatting import Style
from commands.rules.words import OperationKind, OperationState

STYLES: Mapping[str, Style] = {
    OperationState.WAITING: Style("clock", "blue"),
    OperationState.RUNNING: Style("play", "emerald", pulse=True),
    OperationState.DONE: Style("check", "cyan"),
    OperationState.CANCELED: Style("ban", "slate"),
    OperationState.STOPPED: Style("alert", "amber"),
    OperationState.FAILED: Style("cross", "rose"),
}
DONE_WORDS: Mapping[str, str] = {
    OperationKind.SEND: "sent",
    OperationKind.RETRY: "retried",
    OperationKind.CANCEL: "canceled",
    OperationKind.COMPLETE: "completed",
}
_FILTERS = {
    "code": "Error code",
    "error_type": "Error type",
    "behavior": "Behavior",
    "text": "Message contains",
    "since": "Parked from",
    "until": "Parked until",
}


@dataclass(frozen=True, kw_only=True)
class Fact:
    """One particular of what was asked for. What stands in ``text`` may come from outside."""

    label: str
    text: str


def title(kind: str, wanted: int) -> str:
    """ "Send 10,000 commands", "Retry 1 parked command"."""
    parked = "" if kind == OperationKind.SEND else "parked "
    return f"{OperationKind.label_of(kind)} {wanted:,} {parked}command{'' if wanted == 1 else 's'}"


def progress_text(row: Mapping[str, Any]) -> str:
    """ "4,000 of 10,000 sent, 3 skipped"."""
    of = f" of {row['wanted']:,}" if row["done"] < row["wanted"] else ""
    skipped = f", {row['skipped']:,} skipped" if row["skipped"] else ""
    return f"{row['done']:,}{of} {DONE_WORDS[row['kind']]}{skipped}"


@dataclass(frozen=True, kw_only=True)
class Pace:
    """How far an operation is: it ``met`` so many commands of ``most``. ``left_s``: how long it takes from now."""

    over: bool
    met: int
    most: int
    percent: int
    per_s: float | None
    left_s: float | None


def pace(row: Mapping[str, Any]) -> Pace:
    """Of a row with the seconds ``worked_s``, which are None before it began."""
    met = row["done"] + row["skipped"]
    most = max(row["wanted"], met)
    over = OperationState(row["state"]).is_over
    per_s = met / row["worked_s"] if row["worked_s"] else None
    return Pace(
        over=over,
        met=met,
        most=most,
        percent=100 * met // most if most else 100 * over,
        per_s=per_s,
        left_s=(most - met) / per_s if per_s and not over else None,
    )


def rate_text(per_s: float) -> str:
    """ "12,480", "3.5"."""
    return f"{per_s:,.0f}" if per_s >= 10 else f"{per_s:.1f}"


def canary_text(progress: Any, canary: int, done: int) -> str:
    """Which stage a retry with a canary has reached."""
    stage = progress.get("stage", 0) if isinstance(progress, dict) else 0
    rule = f"stops above {canary} % of failures"
    if stage >= 2:
        return f"Passed: the rest follows, watched as it goes ({rule})."
    if not done:
        return f"Begins with one command, then ten, then the rest ({rule})."
    if stage == 0:
        return f"One was sent again; its end decides whether ten follow ({rule})."
    return f"The first one ended well, then ten; their ends decide whether the rest follows ({rule})."


def behavior_text(behavior: Any) -> str:
    """ "timeout, execution_time_ms 45000"."""
    if not isinstance(behavior, dict):
        return str(behavior)
    others = [f"{name} {value}" for name, value in behavior.items() if name != "type"]
    return ", ".join([str(behavior.get("type", "no type")), *others])


def asked(row: Mapping[str, Any]) -> list[Fact]:
    """The particulars of an operation, but for its mix, payload and result."""
    spec: Mapping[str, Any] = row["spec"]
    return _sent(spec) if row["kind"] == OperationKind.SEND else _which(spec["filter"], row["chosen"]) + _changed(spec)


def _sent(spec: Mapping[str, Any]) -> list[Fact]:
    order = "one of each in turn" if spec["in_turn"] else f"drawn by seed {spec['seed']}"
    return [
        Fact(label="Order", text=order),
        Fact(label="Max attempts", text=str(spec["max_attempts"])),
        Fact(label="Reply", text="asked for" if spec["reply"] else "none"),
    ]


def _which(chosen: Mapping[str, Any], ids: int | None) -> list[Fact]:
    facts = [] if ids is None else [Fact(label="Selected", text=f"{ids:,}")]
    for name, label in _FILTERS.items():
        if name in chosen:
            text = _moment(chosen[name]) if name in ("since", "until") else str(chosen[name])
            facts.append(Fact(label=label, text=text or "none"))
    return facts


def _moment(stored: str) -> str:
    """A time as PostgreSQL writes it into JSON, in UTC and whole seconds."""
    return f"{datetime.fromisoformat(stored).astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"


def _changed(spec: Mapping[str, Any]) -> list[Fact]:
    """What a retry gives them."""
    facts = []
    if "behavior" in spec:
        facts.append(Fact(label="New behavior", text=behavior_text(spec["behavior"])))
    if "max_attempts" in spec:
        facts.append(Fact(label="Max attempts", text=f"at least {spec['max_attempts']}"))
    return facts
