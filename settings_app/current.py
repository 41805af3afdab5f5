"""What rarely changes and is asked for with every send: one reads it for all, for a moment (`SHARED_FOR_S`)."""

from e2e_site.shared import Shared
from settings_app.models import Configuration


def _settings(_: None) -> Configuration:
    return Configuration.load()


def forget() -> None:
    """For what this process answers after it changed a setting."""
    _shared.forget()


_shared: Shared[None, Configuration] = Shared(_settings)


def settings_now() -> Configuration:
    """The settings of the workers, at most a second old; nobody may change the object."""
    return _shared.get(None)
