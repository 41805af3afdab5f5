"""Who did what with messages: written into Django's log of changes, where operators' actions find it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.contenttypes.models import ContentType

from commands.models import Domain

if TYPE_CHECKING:
    from django.contrib.auth.models import AnonymousUser, User


def write_down(user: User | AnonymousUser, domain: str, queue: str, what: str) -> None:
    """In the caller's transaction, so that it is written if, and only if, it was done. ``user`` has logged in."""
    assert user.is_authenticated
    LogEntry.objects.create(
        user_id=user.pk,
        content_type=ContentType.objects.get_for_model(Domain),
        object_id=domain,
        object_repr=queue,
        action_flag=CHANGE,
        change_message=what,
    )
