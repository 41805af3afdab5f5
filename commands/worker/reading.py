"""What the server answers, as Python values, also where Python cannot read a part of it. Pure.

PostgreSQL stores numbers of any length and thousands of levels of nesting; Python's json refuses both, and the whole
text with them. Here only the part that cannot be read is lost: an `Unreadable` stands in its place.
"""

import json
import re
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from e2e_site.texts import cut, one_line, text_of

SHOWN = 200  # of what cannot be read, in characters

_DECODER = json.JSONDecoder()
_BETWEEN = re.compile(r"[\s,:]*")
_SCALAR = re.compile(r"[^\s,:\]}]+")
_TOKEN = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"|[\[{]|[\]}]')


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A JSON value of which Python can make nothing: ``why``, and its ``text`` as far as it is shown."""

    why: str
    text: str

    def said_of(self, name: str) -> str:
        """A sentence for people, who know the value by this name."""
        return f"Its {name} cannot be read: {self.why}. It begins: {self.text}"


def answer(text: str) -> dict[str, Any]:
    """What ``receive_commands`` answered; in a command's array an `Unreadable` stands for what cannot be read."""
    found: dict[str, Any] = _read(text, 3)  # the commands, their arrays, what is in these
    return found


def message(text: str) -> Any:
    """A message of a queue; where it is an object, an `Unreadable` stands for each value that cannot be read."""
    return _read(text, 1)


def any_value(text: str) -> Any:
    """Any JSON value, or one `Unreadable`."""
    return _read(text, 0)


def parsed(kind: Callable[[str], Any], text: Any) -> Any:
    """What ``kind`` makes of a text, or an `Unreadable`: PostgreSQL knows times without an end, for one."""
    try:
        return kind(text)
    except (AttributeError, TypeError, ValueError) as exc:
        return Unreadable(one_line(exc), cut(text_of(text), SHOWN))


def first_unreadable(**values: Any) -> str | None:
    """What is wrong with the first of these values that cannot be read."""
    for name, value in values.items():
        if isinstance(value, Unreadable):
            return value.said_of(name)
    return None


def _read(text: str, levels: int) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return _value(text, _skip(text, 0), levels)[0]


def _value(text: str, at: int, levels: int) -> tuple[Any, int]:
    """The value that begins at ``at``, and where it ends. So many ``levels`` of it are read part by part."""
    try:
        return _DECODER.raw_decode(text, at)
    except (ValueError, RecursionError) as exc:
        end = _end(text, at)
        if levels and text[at] == "[":
            return list(_items(text, at, levels - 1)), end
        if levels and text[at] == "{":
            return dict(_members(text, at, levels - 1)), end
        return Unreadable(_why(exc), cut(text[at : min(end, at + SHOWN + 1)], SHOWN)), end


def _items(text: str, at: int, levels: int) -> Iterator[Any]:
    at = _skip(text, at + 1)
    while text[at] != "]":
        item, at = _value(text, at, levels)
        yield item
        at = _skip(text, at)


def _members(text: str, at: int, levels: int) -> Iterator[tuple[str, Any]]:
    at = _skip(text, at + 1)
    while text[at] != "}":
        key, at = _DECODER.raw_decode(text, at)
        member, at = _value(text, _skip(text, at), levels)
        yield key, member
        at = _skip(text, at)


def _skip(text: str, at: int) -> int:
    """Where the next value, key or closing bracket begins: the server writes nothing else than JSON."""
    found = _BETWEEN.match(text, at)
    return found.end() if found else at


def _end(text: str, at: int) -> int:
    """Where the value that begins at ``at`` ends."""
    if text[at] not in '"[{':
        scalar = _SCALAR.match(text, at)
        return scalar.end() if scalar else len(text)
    depth = 0
    for token in _TOKEN.finditer(text, at):
        if token[0] in "[{":
            depth += 1
        elif token[0] in "]}":
            depth -= 1
        if not depth:
            return token.end()
    return len(text)


def _why(error: Exception) -> str:
    match error:
        case RecursionError():
            return "it is nested too deeply"
        case json.JSONDecodeError():
            return f"it is no JSON to Python ({error.msg})"
        case _:
            return f"a number has more than {sys.get_int_max_str_digits():,} digits"
