"""What an operator's action does, and what is said of it. Pure."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from commands.rules.words import EventType, OperationKind, Status
from e2e_site.texts import cut, visible

# One line beside each button.
EFFECTS: Mapping[OperationKind, str] = {
    OperationKind.RETRY: "Sends each one again, its attempts counted from 0. It may get another behavior or payload.",
    OperationKind.CANCEL: "Ends each one for good as Canceled. Who waits for a reply hears CANCELED and your reason.",
    OperationKind.COMPLETE: "Ends each one as Completed, without running it. Who waits for a reply gets your result.",
}

# What an operator may do to one command, by where it stands; nothing where it is not named.
ALLOWED: Mapping[Status, Sequence[OperationKind]] = {
    Status.IN_TROUBLESHOOTING_QUEUE: (OperationKind.RETRY, OperationKind.CANCEL, OperationKind.COMPLETE),
    Status.PENDING: (OperationKind.CANCEL,),
}


def nothing_allowed(status: Status) -> str:
    """Why there is nothing to do to a command; empty where there is."""
    if status in ALLOWED:
        return ""
    if status == Status.IN_PROGRESS:
        return "Nothing while a worker has it: a running attempt is never disturbed."
    return "Nothing: it is at its end. Another one like it can be sent."


DONE: Mapping[OperationKind, str] = {
    OperationKind.RETRY: "sent again",
    OperationKind.CANCEL: "canceled",
    OperationKind.COMPLETE: "completed by hand",
}

DID: Mapping[EventType, str] = {
    EventType.OPERATOR_RETRY: "retried",
    EventType.OPERATOR_CANCEL: "canceled",
    EventType.OPERATOR_COMPLETE: "completed",
}


def commands_text(count: int) -> str:
    """ "1 command", "12,480 commands"."""
    return f"{count:,} command{'' if count == 1 else 's'}"


def left_text(
    *,
    status: Status | None,
    held: bool = False,
    lost: bool = False,
    again: datetime | None = None,
    operator: str = "",
    event_type: str = "",
    at: datetime | None = None,
) -> str:
    """Why a command was left as it is (`operators.Left`): "was canceled by ada at 14:02:03 UTC, …"."""
    if status is None:
        return "is gone: it was pruned, or never was"
    if lost:
        return "has no message in the archive any more: it cannot be sent again, only canceled or completed"
    if again is not None:
        return f"was parked again at {again:%H:%M:%S} UTC: look at its new failure first"
    if held:
        return "is being changed by another right now: try again"
    now = f"is {status.label} now"
    if operator and at is not None and event_type in DID:
        return f"was {DID[EventType(event_type)]} by {visible(cut(operator, 150))} at {at:%H:%M:%S} UTC, and {now}"
    return f"is no longer in the queue: it {now}"
