"""Values that not everyone may see: JSON without what stands under certain keys. Pure.

A redacted value is the text `REDACTED` in place of it. Keys are compared casefolded, at any depth, also in JSON that is
a text inside JSON. JSON texts may be cut at their end; whatever is not redacted in them stays as it is, every digit.
"""

import json
import re
from collections.abc import Iterator, Mapping
from collections.abc import Set as AbstractSet
from typing import Any

from commands.rules.details import UNREADABLE
from e2e_site.stored_json import StoredText

REDACTED = "•••"
_REDACTED_JSON = json.dumps(REDACTED, ensure_ascii=False)

_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*+(?:"|\\?\Z)|[{}\[\]:,]|[^\s{}\[\]:,"]+', re.DOTALL)
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
        tokens = _TOKEN.finditer(self._text)
        open_brackets: list[str] = []
        key, after_key = "", False  # the last text at the place of a key; the token before was its colon
        for token in tokens:
            what = token[0]
            if after_key and len(open_brackets) >= self._from and self._hides(key):
                self._put(token.start(), self._end_of(token, tokens), _REDACTED_JSON, 1)
            elif what in _OPENING:
                open_brackets.append(what)
            elif what in _CLOSING:
                del open_brackets[-1:]
            elif what[0] == '"' and (after_key or open_brackets[-1:] != ["{"]):
                self._look_into(token)
            elif what[0] == '"':
                key = what
            after_key = what == ":"
        return "".join((*self._parts, self._text[self._kept_to :])), self._hidden

    def _end_of(self, first: re.Match[str], tokens: Iterator[re.Match[str]]) -> int:
        """Where a value ends; its tokens are taken."""
        depth = int(first[0] in _OPENING)
        if not depth:
            return first.end()
        for token in tokens:
            depth += (token[0] in _OPENING) - (token[0] in _CLOSING)
            if not depth:
                return token.end()
        return len(self._text)

    def _hides(self, token: str) -> bool:
        return (token[1:-1] if "\\" not in token else _decoded(token)).casefold() in self._keys

    def _look_into(self, token: re.Match[str]) -> None:
        """A text that may be JSON itself."""
        text = _decoded(token[0])
        if not _is_json(text):
            return
        found, hidden = redact_text(text, self._keys)
        if hidden:
            whole = len(token[0]) > 1 and _is_closed(token[0])
            self._put(token.start(), token.end(), _encoded(found) if whole else _encoded(found)[:-1], hidden)

    def _put(self, start: int, end: int, text: str, hidden: int) -> None:
        self._parts += [self._text[self._kept_to : start], text]
        self._kept_to = end
        self._hidden += hidden


def _is_closed(token: str) -> bool:
    ending = re.search(r'(\\*)"\Z', token)
    return ending is not None and len(ending[1]) % 2 == 0


def _decoded(token: str) -> str:
    """What a string token stands for; of one that is cut, as much as there is."""
    inner = token[1:-1] if len(token) > 1 and _is_closed(token) else token[1:]
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
