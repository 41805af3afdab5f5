"""A migration's text taken apart into its statements by the rules of PostgreSQL's scanner and psql's. Asks no database.

A semicolon ends a statement unless it stands in a comment (which may hold others), a string, a quoted name, parentheses
or the body of a function between BEGIN ATOMIC and END. Strings are read as with standard_conforming_strings: on.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

_LINE_END = re.compile(r"\r\n|\r|\n")
_COMMENT_EDGE = re.compile(r"/\*|\*/")
# What has no end goes to the end of the text: the server says what is wrong with it.
_TOKEN = re.compile(
    r"""
      (?P<blank> [ \t\n\r\f\v]+ | --[^\n\r]*+ )
    | (?P<comment> /\* )
    | (?P<opaque>
          [eE] ' (?: [^'\\] | \\(?:.|\Z) | '' )*+ (?: '|\Z )
          (?:  # goes on after a new line, and is still a string with backslashes
              (?: [ \t\f\v] | --[^\n\r]*+ )*+ [\n\r] (?: [ \t\n\r\f\v] | --[^\n\r]*+[\n\r] )*+
              ' (?: [^'\\] | \\(?:.|\Z) | '' )*+ (?: '|\Z )
          )*+
        | ' (?: [^'] | '' )*+ (?: '|\Z )
        | " (?: [^"] | "" )*+ (?: "|\Z )
        | \$ (?P<tag> (?: [A-Za-z_\x80-\U0010ffff] [A-Za-z0-9_\x80-\U0010ffff]*+ )? ) \$ .*? (?: \$(?P=tag)\$ | \Z )
      )
    | (?P<word> [A-Za-z_\x80-\U0010ffff] [A-Za-z0-9_$\x80-\U0010ffff]*+ )
    | (?P<sign> . )
    """,
    re.VERBOSE | re.DOTALL,
)


@dataclass(frozen=True)
class Statement:
    """``text`` without its semicolon and what stands before it, the ``line`` of the file on which that begins, and
    ``code``: the same without comments, strings and quoted names, with single blanks.
    """

    text: str
    line: int
    code: str


class _Open:
    """Whether a semicolon would end the statement of which these words and signs are the beginning."""

    def __init__(self) -> None:
        self._words: list[str] = []
        self._parentheses = 0
        self._blocks = 0  # BEGIN ATOMIC, and each CASE in it

    @property
    def may_end(self) -> bool:
        return not self._parentheses and not self._blocks

    def take(self, kind: str, piece: str) -> None:
        if kind == "sign":
            self._parentheses = max(0, self._parentheses + {"(": 1, ")": -1}.get(piece, 0))
        elif kind == "word":
            self._take_word(piece.lower())

    def _take_word(self, word: str) -> None:
        if self._blocks:
            self._blocks += {"case": 1, "end": -1}.get(word, 0)
        elif word == "atomic" and self._words[-1:] == ["begin"] and self._makes_a_routine():
            self._blocks = 1
        self._words.append(word)

    def _makes_a_routine(self) -> bool:
        return self._words[0] == "create" and not {"function", "procedure"}.isdisjoint(self._words[1:4])


def split(text: str) -> Iterator[Statement]:
    """The statements in their order; one of nothing but comments is none."""
    line, counted = 1, 0
    for begin, end, code in _statements(text):
        line, counted = line + line_ends(text[counted:begin]), begin
        yield Statement(text=text[begin:end], line=line, code=code)


def line_ends(text: str) -> int:
    """How many there are: LF, CR LF or CR alone."""
    return len(_LINE_END.findall(text))


def _statements(text: str) -> Iterator[tuple[int, int, str]]:
    """Begin, end and ``code`` of each."""
    first: int | None = None
    code: list[str] = []
    state = _Open()
    for kind, begin, end in (*_tokens(text), ("sign", len(text), len(text))):
        piece = text[begin:end]
        if begin == len(text) or (piece == ";" and state.may_end):
            if first is not None:
                yield first, begin, " ".join("".join(code).split())
            first, code, state = None, [], _Open()
            continue
        if kind != "blank" and first is None:
            first = begin
        code.append(piece if kind in {"word", "sign"} else " ")
        state.take(kind, piece)


def _tokens(text: str) -> Iterator[tuple[str, int, int]]:
    """Kind, begin and end of each token; a comment is blank."""
    position = 0
    while match := _TOKEN.match(text, position):
        kind, position = str(match.lastgroup), match.end()
        if kind == "comment":
            kind, position = "blank", _comment_end(text, position)
        yield kind, match.start(), position


def _comment_end(text: str, position: int) -> int:
    """Where the comment ends whose inside begins here."""
    depth = 1
    for edge in _COMMENT_EDGE.finditer(text, position):
        depth += 1 if edge[0] == "/*" else -1
        if depth == 0:
            return edge.end()
    return len(text)
