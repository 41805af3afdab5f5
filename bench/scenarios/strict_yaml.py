"""YAML without its surprises: what a person wrote, with its lines, and everything that is wrong with it. Pure.

    text ─► events of PyYAML ─► mappings, lists, texts, numbers, true, false, null

Refused is what one reader of YAML takes for one thing and another for another (``yes``, ``010``, ``1:30``, a date),
what no scenario needs (anchors, aliases, tags, several documents), and a key that is there twice.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import yaml

from bench.scenarios.model import KeyPath

if TYPE_CHECKING:
    from collections.abc import Iterator

DEEPEST = 12
_WHOLE = re.compile(r"[-+]?(0|[1-9][0-9]{0,18})")
_DECIMAL = re.compile(r"[-+]?(0|[1-9][0-9]*)(\.[0-9]+([eE][-+]?[0-9]{1,3})?|[eE][-+]?[0-9]{1,3})")
_WORDS: dict[str, Any] = {"true": True, "false": False, "null": None}
_PLAINLY = "write it plainly, or quote it"
_SURPRISES = tuple(
    (re.compile(pattern, re.IGNORECASE), advice)
    for pattern, advice in (
        (r"yes|on|true", "is true in some YAML and a text in other: write true, or quote it"),
        (r"no|off|false", "is false in some YAML and a text in other: write false, or quote it"),
        (r"|~|null", "has no value: write one, null for none, or leave the key out"),
        (r"\d{4}-\d\d?-\d\d?([t \t].*)?", "is a date in some YAML and a text in other: quote it"),
        (r"[-+]?\d+(:\d\d?)+(\.\d*)?", "is a number to the base of 60 in some YAML: quote it, or write a unit"),
        (r"[-+]?\.(inf|nan)", "is no number that a scenario can have"),
        (r"[-+]?0[xob][\da-f_]*|[-+]?0[\d_]+", f"is a number to another base in some YAML: {_PLAINLY}"),
        (r"[-+]?(\d[\d_]*\.?[\d_]*|\.\d[\d_]*)(e[-+]?\d*)?", f"is a number to some readers: {_PLAINLY}"),
    )
)


@dataclass(frozen=True)
class Fault:
    """Something wrong in a line (from 1), at a path."""

    line: int
    path: KeyPath
    text: str


@dataclass
class Read:
    """``value`` is as good as could be made out; ``lines``: where each key and each item of a list stands."""

    value: Any = None
    lines: dict[KeyPath, int] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)

    def line_of(self, path: KeyPath) -> int:
        """The line of it, or of the nearest around it."""
        while path and path not in self.lines:
            path = path[:-1]
        return self.lines.get(path, 1)


def read(text: str) -> Read:
    """Never raises: what cannot be read at all is a fault too."""
    reader = _Reader(text)
    try:
        reader.whole()
    except _TooDeepError as exc:
        reader.say(exc.event, (), f"is nested more than {DEEPEST} deep")
    except yaml.reader.ReaderError as exc:
        line = text.count("\n", 0, exc.position) + 1
        reader.read.faults.append(Fault(line, (), f"the character U+{exc.character:04X} may not stand in YAML"))
    except yaml.MarkedYAMLError as exc:
        mark = exc.problem_mark or exc.context_mark
        said = " ".join(part for part in (exc.context, exc.problem) if part)
        reader.read.faults.append(Fault(mark.line + 1 if mark else 1, (), f"this is no YAML: {said}"))
    return reader.read


def scalar(text: str) -> Any:
    """What a text without quotes stands for: a number, true, false, null or itself. ValueError: a surprise."""
    if text in _WORDS:
        return _WORDS[text]
    if _WHOLE.fullmatch(text):
        return int(text)
    if _DECIMAL.fullmatch(text) and math.isfinite(number := float(text)):
        return number
    for surprise, advice in _SURPRISES:
        if surprise.fullmatch(text):
            raise ValueError(f"{text[:40]} {advice}".strip())
    return text


class _TooDeepError(Exception):
    def __init__(self, event: yaml.Event) -> None:
        super().__init__()
        self.event = event


class _Reader:
    def __init__(self, text: str) -> None:
        self.read = Read()
        self._text = text

    def whole(self) -> None:
        events: Iterator[Any] = yaml.parse(self._text, Loader=yaml.SafeLoader)
        documents = 0
        for event in events:
            if isinstance(event, yaml.DocumentStartEvent):
                documents += 1
                if documents > 1:
                    self.say(event, (), "a second document begins; a file holds one scenario")
                    return
                self.read.value = self._node(next(events), events, ())
        if not documents:
            self.read.faults.append(Fault(1, (), "there is nothing in it"))

    def say(self, event: Any, path: KeyPath, text: str) -> None:
        self.read.faults.append(Fault(event.start_mark.line + 1, path, text))

    def _node(self, event: Any, events: Iterator[Any], path: KeyPath) -> Any:
        self.read.lines.setdefault(path, event.start_mark.line + 1)
        if len(path) > DEEPEST:
            raise _TooDeepError(event)
        if isinstance(event, yaml.AliasEvent):
            self.say(event, path, f"*{str(event.anchor)[:40]} is an alias; write out what it stands for")
            return None
        if event.anchor is not None:
            self.say(event, path, f"&{event.anchor[:40]} is an anchor, which a scenario does not need")
        if event.tag is not None:
            self.say(event, path, f"the tag {event.tag[:60]} is not taken; leave it out")
        if isinstance(event, yaml.MappingStartEvent):
            return self._mapping(events, path)
        if isinstance(event, yaml.SequenceStartEvent):
            return self._list(events, path)
        return self._scalar(event, path)

    def _mapping(self, events: Iterator[Any], path: KeyPath) -> dict[str, Any]:
        found: dict[str, Any] = {}
        while not isinstance(event := next(events), yaml.MappingEndEvent):
            line = event.start_mark.line + 1
            if not isinstance(event, yaml.ScalarEvent):
                self.say(event, path, "a key has to be a plain text")
                self._node(event, events, (*path, "?"))
                self._node(next(events), events, (*path, "?"))
                continue
            key = event.value
            at = (*path, key)
            if key == "<<" and event.style is None:
                self.say(event, path, "<< merges mappings, which a scenario does not need")
            if event.anchor is not None or event.tag is not None:
                self.say(event, at, "a key has no anchor and no tag")
            if key in found:
                self.say(event, at, f"is there twice, in lines {self.read.lines[at]} and {line}")
                self._node(next(events), events, (*at, "?"))
                continue
            self.read.lines[at] = line
            found[key] = self._node(next(events), events, at)
        return found

    def _list(self, events: Iterator[Any], path: KeyPath) -> list[Any]:
        found: list[Any] = []
        while not isinstance(event := next(events), yaml.SequenceEndEvent):
            found.append(self._node(event, events, (*path, len(found))))
        return found

    def _scalar(self, event: Any, path: KeyPath) -> Any:
        if event.style is not None:  # in quotes, or a block of text
            if any(character == "\0" or "\ud800" <= character <= "\udfff" for character in event.value):
                self.say(event, path, "holds a NUL character or half a surrogate pair")
            return event.value
        try:
            return scalar(event.value)
        except ValueError as exc:
            self.say(event, path, str(exc))
            return event.value
