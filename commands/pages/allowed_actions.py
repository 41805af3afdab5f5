"""What an operator may do to one command now, for its page: each action with its effect, or why there is none."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal
from urllib.parse import urlencode
from uuid import UUID

from django.conf import settings
from django.contrib.auth.models import AnonymousUser, User
from django.urls import reverse

from commands.rules.operating import nothing_allowed
from commands.rules.words import OperationKind, Status
from e2e_site.roles import READ_ONLY, is_allowed

PERMISSION = "commands.operate_command"


@dataclass(frozen=True, kw_only=True)
class Button:
    """One action: a form that leads to the page on which it is confirmed; ``effect`` says in one line what it does."""

    action: OperationKind
    effect: str
    icon: str
    tone: Literal["primary", "plain", "danger"] = "plain"


@dataclass(frozen=True, kw_only=True)
class Actions:
    """The ``buttons`` of what the status allows. ``why`` says why there are none, or why they cannot be pressed.

    ``address`` takes their forms: of a parked command posted, with the action and the id; of a waiting one (``asks``)
    it is a page that asks for a reason. ``login``: the address of a login that might change that none can be pressed.
    """

    buttons: Sequence[Button] = ()
    address: str = ""
    asks: bool = False
    enabled: bool = True
    why: str = ""
    login: str = ""


_PARKED: Sequence[Button] = (
    Button(
        action=OperationKind.RETRY,
        effect="Sends it again; attempts are counted from 0.",
        icon="retry",
        tone="primary",
    ),
    Button(
        action=OperationKind.CANCEL,
        effect="Ends it for good, undone; who waits for a reply is told.",
        icon="ban",
        tone="danger",
    ),
    Button(
        action=OperationKind.COMPLETE,
        effect="Ends it as done, with a result that you give.",
        icon="person-check",
    ),
)
_WAITING: Sequence[Button] = (
    Button(
        action=OperationKind.CANCEL,
        effect="Ends it before a worker begins it; who waits for a reply is told.",
        icon="ban",
        tone="danger",
    ),
)


def actions(command_id: UUID, status: Status, user: User | AnonymousUser) -> Actions:
    """What ``user`` may do to a command of this status."""
    match status:
        case Status.IN_TROUBLESHOOTING_QUEUE:
            allowed = Actions(buttons=_PARKED, address=reverse("commands:tsq_act"))
        case Status.PENDING:
            allowed = Actions(buttons=_WAITING, address=reverse("commands:queue_cancel", args=[command_id]), asks=True)
        case _:
            return Actions(why=nothing_allowed(status))
    if is_allowed(user, PERMISSION):
        return allowed
    if settings.READ_ONLY:
        return replace(allowed, enabled=False, why=READ_ONLY)
    if user.is_authenticated:
        return replace(allowed, enabled=False, why=f"You need the permission {PERMISSION} to act on commands.")
    login = f"{reverse('login')}?{urlencode({'next': reverse('commands:detail', args=[command_id])})}"
    return replace(allowed, enabled=False, why="to act on commands.", login=login)
