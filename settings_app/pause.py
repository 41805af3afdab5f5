"""The setting ``paused``: what every page shows of it, and its two buttons."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from e2e_site.shared import Shared
from settings_app.forms import Change
from settings_app.models import Configuration
from settings_app.writing import write

if TYPE_CHECKING:
    from django.contrib.auth.models import User
    from django.http import HttpRequest


def shown(request: HttpRequest) -> dict[str, Any]:
    """A context processor: ``pause`` asks whether workers are paused where a template mentions it, and nowhere else."""
    return {"pause": is_paused}


def is_paused() -> bool:
    """As it was at most a moment ago."""
    return _shared.get(None)


def set_paused(paused: bool, *, user: User) -> Configuration:
    """Pause or resume all workers as ``user``; the settings' history tells. Changes nothing where it is so already.

    Raises `SettingsConflictError` where others changed the settings in this very moment.
    """
    config = Configuration.load()
    if config.paused != paused:
        change = Change(name="paused", old=config.paused, new=paused)
        config = write([change], version=config.version, user=user)
    forget()
    return config


def forget() -> None:
    """For pages that this process shows after it changed the setting."""
    _shared.forget()


def _read(_: None) -> bool:
    return bool(Configuration.objects.filter(pk=1).values_list("paused", flat=True).first())


_shared: Shared[None, bool] = Shared(_read)
