"""The setting ``redacted_keys``: whose values pages, exports and API hide."""

from e2e_site.shared import Shared
from settings_app.models import Configuration
from settings_app.names import NameList


def keys() -> frozenset[str]:
    """The keys, casefolded, as they were at most a moment ago."""
    return _shared.get(None)


def forget() -> None:
    """For what this process answers after it changed the setting."""
    _shared.forget()


def _read(_: None) -> frozenset[str]:
    text = Configuration.objects.filter(pk=1).values_list("redacted_keys", flat=True).first() or ""
    return frozenset(name.casefold() for name in NameList.split(text))


_shared: Shared[None, frozenset[str]] = Shared(_read)
