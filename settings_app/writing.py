"""Settings written with their history, beside the admin, which writes its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.contrib.admin.models import CHANGE, LogEntry
from django.db import transaction

from settings_app.models import Configuration

if TYPE_CHECKING:
    from collections.abc import Sequence

    from django.contrib.auth.models import User

    from settings_app.forms import Change


def write(changes: Sequence[Change], *, version: int, user: User) -> Configuration:
    """Write changes over a version of the settings as ``user``; the history tells.

    Raises `SettingsConflictError` where the settings have another version by now.
    """
    values = {change.name: change.new for change in changes}
    with transaction.atomic():
        config = Configuration.change(values, version=version, by=user.get_username())
        told = f"{', '.join(map(str, changes))}."
        LogEntry.objects.log_actions(user.pk, [config], CHANGE, told, single_object=True)
    return config
