"""Values that not everyone may see: JSON without what stands under certain keys. Pure.

A redacted value is the text `REDACTED` in place of it. Keys are compared casefolded, at any depth, also in JSON that is
a text inside JSON. JSON texts may be cut at their end; whatever is not redacted in them stays as it is, every digit.
"""

import json
import re
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from typing import Any

from commands.rules.details import UNREADABLE
from e2e_site.stored_json import StoredText

REDACTED = "•••"
_REDACTED_JSON = json.dumps(REDACTED, ensure_ascii=False)

_STRING = r'"[^"\\]*+(?:\\.[^"\\]*+)*+(?:"|\\?\Z)'
# A string, with the colon after it where it is a key; brackets.
_STEP = re.compile(rf"{_STRING}(?:\s*+:)?+|[{{}}\[\]]", re.DOTALL)
_VALUE = re.compile(rf"\s*+({_STRING}|[{{\[]|[^\s{{}}\[\]:,\"]++)", re.DOTALL)
_OPENING, _CLOSING = ("{", "["), ("}", "]")
_LONGEST_ESCAPE = 12  # characters: a pair of surrogates


class Redactor:
    """Redacts for one viewer, and counts: ``hidden`` is how many values it took away. Without ``keys`` nothing is."""

    def __init__(self, keys: AbstractSet[str]) -> None:
        self.keys = keys
        self.hidden = 0

    def text(self, text: str, *, from_depth: int = 1, most: int | None = None) -> str:
        """A JSON text, redacted. Keys count from this depth on: 1 is an object at its top.

        One of ``most`` characters was cut: where the length tells that no more, an ellipsis does.
        """
        found, hidden = redact_text(text, self.keys, from_depth=from_depth)
        self.hidden += hidden
        return found + "…" if hidden and len(text) == most else found

    def under(self, key: str, text: str, *, most: int | None = None) -> str:
        """The JSON text of the value under a key."""
        if key.casefold() not in self.keys:
            return self.text(text, most=most)
        self.hidden += 1
        return _REDACTED_JSON

    def value(self, value: Any) -> Any:
        """A parsed JSON value, redacted; the given one is left as it is."""
        found, hidden = redact(value, self.keys)
        self.hidden += hidden
        return found

    def details(self, details: Mapping[str, Any]) -> dict[str, Any]:
        """Details of an event (`details_of`) whose words are ours, but for those in which JSON of others stands."""
        return {
            key: self.text(value) if key in (UNREADABLE, "message") and isinstance(value, str) else value
            for key, value in details.items()
        }


def redact(value: Any, keys: AbstractSet[str]) -> tuple[Any, int]:
    """A parsed JSON value, as deep as it can be stored, without what stands under ``keys``; and how many that was."""
    if not keys:
        return value, 0
    match value:
        case dict():
            found = {
                key: (REDACTED, 1) if key.casefold() in keys else redact(inner, keys) for key, inner in value.items()
            }
            return {key: inner for key, (inner, _) in found.items()}, sum(hidden for _, hidden in found.values())
        case list():
            items = [redact(inner, keys) for inner in value]
            return [inner for inner, _ in items], sum(hidden for _, hidden in items)
        case str():
            return redact_text(value, keys) if _is_json(value) else (value, 0)
        case StoredText():
            text, hidden = redact_text(value.text, keys)
            return StoredText(text), hidden
        case _:
            return value, 0


def redact_text(text: str, keys: AbstractSet[str], *, from_depth: int = 1) -> tuple[str, int]:
    """The same of a JSON text: whatever is not redacted keeps its spelling."""
    if not keys or not _may_have(text, keys):
        return text, 0
    return _Scan(text, keys, from_depth).run()


def _may_have(text: str, keys: AbstractSet[str]) -> bool:
    """Whether it is worth reading. A key may be spelled with escapes."""
    if "\\u" in text or "\\/" in text:
        return True
    folded = text.casefold()
    return any(key in folded for key in keys)


def _is_json(text: str) -> bool:
    return text.lstrip()[:1] in ("{", "[", '"')


class _Scan:
    """One walk through the tokens of a text."""

    def __init__(self, text: str, keys: AbstractSet[str], from_depth: int) -> None:
        self._text, self._keys, self._from = text, keys, from_depth
        self._parts: list[str] = []
        self._kept_to = 0
        self._hidden = 0

    def run(self) -> tuple[str, int]:
        place, depth = 0, 0
        while step := _STEP.search(self._text, place):
            what, place = step[0], step.end()
            if what in _OPENING:
                depth += 1
            elif what in _CLOSING:
                depth -= 1
            elif key := _key(what):
                place = self._hide_value(place) if depth >= self._from and self._hides(key) else place
            else:
                self._look_into(what, step.start(), place)
        return "".join((*self._parts, self._text[self._kept_to :])), self._hidden

    def _hide_value(self, place: int) -> int:
        """Take away the value that begins here; where it ends."""
        value = _VALUE.match(self._text, place)
        if value is None:  # the text was cut before it
            return place
        end, depth = value.end(), int(value[1] in _OPENING)
        while depth:
            step = _STEP.search(self._text, end)
            if step is None:
                end = len(self._text)
                break
            end = step.end()
            depth += (step[0] in _OPENING) - (step[0] in _CLOSING)
        self._put(value.start(1), end, _REDACTED_JSON, 1)
        return end

    def _hides(self, token: str) -> bool:
        return (token[1:-1] if "\\" not in token else _decoded(token)).casefold() in self._keys

    def _look_into(self, token: str, start: int, end: int) -> None:
        """A text that may be JSON itself."""
        text = _decoded(token)
        if not _is_json(text):
            return
        found, hidden = redact_text(text, self._keys)
        if hidden:
            self._put(start, end, _encoded(found) if _is_closed(token) else _encoded(found)[:-1], hidden)

    def _put(self, start: int, end: int, text: str, hidden: int) -> None:
        self._parts += [self._text[self._kept_to : start], text]
        self._kept_to = end
        self._hidden += hidden


def _key(token: str) -> str:
    """The string of a token that is a key; empty for another. A text that is cut may end with any character."""
    string = token[:-1].rstrip() if token[-1] == ":" else ""
    return string if _is_closed(string) else ""


def _is_closed(token: str) -> bool:
    if len(token) < 2 or token[-1] != '"':
        return False
    backslashes = len(token) - 1 - len(token[:-1].rstrip("\\"))
    return backslashes % 2 == 0


def _decoded(token: str) -> str:
    """What a string token stands for; of one that is cut, as much as there is."""
    inner = token[1:-1] if _is_closed(token) else token[1:]
    if "\\" not in inner:
        return inner
    for length in range(len(inner), max(len(inner) - _LONGEST_ESCAPE, -1), -1):
        try:
            return str(json.loads(f'"{inner[:length]}"', strict=False))
        except ValueError:
            continue
    return inner


def _encoded(text: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError:  # half a pair of surrogates
        return json.dumps(text)
    return json.dumps(text, ensure_ascii=False)
