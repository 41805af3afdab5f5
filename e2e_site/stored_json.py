"""JSON as the database holds it, for pages: what Python cannot read, or not show, stays text. Pure."""

import json
import re
from typing import Any

from e2e_site.texts import cut

MOST_LEVELS = 100  # so that any value can be printed, whatever calls it and however Python counts
SHOWN = 500  # characters of a stored text

_TOKEN = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"|[\[{]|[\]}]')


class StoredText:
    """A stored JSON value by its text: its numbers are too long for Python, or it is nested too deeply.

    It is shown cut, in templates and by ``str``. It is no `str`, so that nothing takes it for a JSON string.
    """

    def __init__(self, text: str) -> None:
        self.text = text

    def __str__(self) -> str:
        return cut(self.text, SHOWN)


def read(text: str) -> Any:
    """The value of a JSON text from the database, or its `StoredText`."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return StoredText(text)
    return StoredText(text) if _is_deep(text) else value


def _is_deep(text: str) -> bool:
    if text.count("[") + text.count("{") <= MOST_LEVELS:
        return False
    depth = 0
    for token in _TOKEN.finditer(text):
        if token[0] in "[{":
            depth += 1
        elif token[0] in "]}":
            depth -= 1
        if depth > MOST_LEVELS:
            return True
    return False
