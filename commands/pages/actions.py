"""What an operator may do to one command now, for its page: each action with its effect, or why there is none."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal
from urllib.parse import urlencode

from django.contrib.auth.models import AnonymousUser, User
from django.urls import reverse

from commands.rules.words import OperationKind, Status

PERMISSION = "commands.operate_command"
PARKED_ADDRESS, WAITING_ADDRESS = "/tsq/act/", "/queue/cancel/"


@dataclass(frozen=True, kw_only=True)
class Button:
    """One action: a form that posts ``action`` to ``address``; ``effect`` says in one line what it does."""

    action: OperationKind
    address: str
    effect: str
    icon: str
    tone: Literal["primary", "plain", "danger"] = "plain"


@dataclass(frozen=True, kw_only=True)
class Actions:
    """The ``buttons`` of what the status allows. ``why`` says why there are none, or why they cannot be pressed.

    ``login``: the address of a login that might change that.
    """

    buttons: Sequence[Button] = ()
    enabled: bool = True
    why: str = ""
    login: str = ""


_PARKED: Sequence[Button] = (
    Button(
        action=OperationKind.RETRY,
        address=PARKED_ADDRESS,
        effect="Sends it again; attempts are counted from 0.",
        icon="retry",
        tone="primary",
    ),
    Button(
        action=OperationKind.CANCEL,
        address=PARKED_ADDRESS,
        effect="Ends it for good, undone; who waits for a reply is told.",
        icon="ban",
        tone="danger",
    ),
    Button(
        action=OperationKind.COMPLETE,
        address=PARKED_ADDRESS,
        effect="Ends it as done, with a result that you give.",
        icon="person-check",
    ),
)
_WAITING: Sequence[Button] = (
    Button(
        action=OperationKind.CANCEL,
        address=WAITING_ADDRESS,
        effect="Ends it before a worker begins it; who waits for a reply is told.",
        icon="ban",
        tone="danger",
    ),
)


def actions(status: Status, user: User | AnonymousUser, page: str) -> Actions:
    """What ``user`` may do to a command of this status; ``page`` is the address of its page."""
    match status:
        case Status.IN_TROUBLESHOOTING_QUEUE:
            buttons = _PARKED
        case Status.PENDING:
            buttons = _WAITING
        case Status.IN_PROGRESS:
            return Actions(why="Nothing while a worker has it: a running attempt is never disturbed.")
        case _:
            return Actions(why="Nothing: it is at its end. Another one like it can be sent.")
    if user.has_perm(PERMISSION):
        return Actions(buttons=buttons)
    if user.is_authenticated:
        return Actions(buttons=buttons, enabled=False, why=f"You need the permission {PERMISSION} to act on commands.")
    login = f"{reverse('login')}?{urlencode({'next': page})}"
    return Actions(buttons=buttons, enabled=False, why="to act on commands.", login=login)
