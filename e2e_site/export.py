"""Rows as files for other programs: CSV and JSON lines, a line at a time: no export needs more memory than a row.

A value may be a text, a number, a truth value, a moment, a UUID, None, what JSON can hold, or a `StoredText`, which
goes out as the database holds it, with every digit. Moments are ISO 8601.
"""

import csv
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import Any
from uuid import UUID

import orjson

from e2e_site.stored_json import StoredText

PIECE = 64 * 1024  # characters

Rows = Iterable[Mapping[str, Any]]

# A spreadsheet takes a text that begins so for a formula, and may run what it says.
_BEGINS_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def csv_lines(rows: Rows, columns: Sequence[str]) -> Iterator[str]:
    """The names of the columns, then each row: RFC 4180, texts in quotes, None empty, JSON as its text.

    A text that a spreadsheet would take for a formula begins with an apostrophe. Numbers stay numbers.
    """
    # The writer returns what `write` returns, which here is the line itself. Quotes keep a semicolon from being read as
    # the end of a column, where a spreadsheet's language has it so.
    writer = csv.writer(_Returning(), quoting=csv.QUOTE_NONNUMERIC)
    yield writer.writerow(columns)
    for row in rows:
        yield writer.writerow([_cell(row[column]) for column in columns])


def json_lines(rows: Rows) -> Iterator[str]:
    """Each row as one JSON object on a line of its own."""
    for row in rows:
        try:
            yield orjson.dumps(row, default=_fragment, option=orjson.OPT_APPEND_NEWLINE).decode()
        except orjson.JSONEncodeError:  # a number of more than 64 bits
            yield f"{{{','.join(f'{json.dumps(name)}:{_json(value)}' for name, value in row.items())}}}\n"


def pieces(lines: Iterable[str], size: int = PIECE) -> Iterator[bytes]:
    """The lines in UTF-8, joined to pieces of about ``size`` characters: a server pays for each piece it sends."""
    piece: list[str] = []
    length = 0
    for line in lines:
        piece.append(line)
        length += len(line)
        if length >= size:
            yield "".join(piece).encode()
            piece, length = [], 0
    if piece:
        yield "".join(piece).encode()


class _Returning:
    """A file for `csv.writer` that hands each line back."""

    def write(self, line: str) -> str:
        return line


def _cell(value: Any) -> str | int | float | Decimal:
    match value:
        case str():  # most are
            text = value
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case int() | float() | Decimal():
            return value
        case _:
            text = _text(value)
    return f"'{text}" if text.startswith(_BEGINS_FORMULA) else text


def _text(value: Any) -> str:
    match value:
        case StoredText():
            return value.text
        case date():  # a datetime is one
            return value.isoformat()
        case UUID():
            return str(value)
        case _:
            return json.dumps(value, ensure_ascii=False)


def _fragment(value: Any) -> orjson.Fragment:
    """What orjson does not know."""
    match value:
        case StoredText():
            return orjson.Fragment(value.text)
        case Decimal():
            return orjson.Fragment(str(value))
        case _:
            raise TypeError(type(value).__name__)


def _json(value: Any) -> str:
    match value:
        case StoredText():
            return value.text
        case date() | UUID():
            return f'"{_text(value)}"'
        case Decimal():
            return str(value)
        case _:
            return json.dumps(value, ensure_ascii=False)
