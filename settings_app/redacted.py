"""The setting ``redacted_keys``: whose values pages, exports and API hide."""

from functools import lru_cache

from settings_app import current
from settings_app.names import NameList


def keys() -> frozenset[str]:
    """The keys, casefolded, as they were at most a moment ago."""
    return _keys(current.settings_now().redacted_keys)


@lru_cache(maxsize=8)
def _keys(text: str) -> frozenset[str]:
    return frozenset(name.casefold() for name in NameList.split(text))
