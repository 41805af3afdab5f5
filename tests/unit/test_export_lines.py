"""Rows as CSV and as JSON lines: what spreadsheets and programs read of them is what the rows hold."""

import csv
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from e2e_site.export import csv_lines, json_lines, pieces
from e2e_site.stored_json import StoredText

ID = UUID(int=7)
AT = datetime(2026, 5, 4, 3, 2, 1, 999, UTC)


def read_csv(rows: list[dict[str, Any]], *columns: str) -> list[list[str]]:
    """What a reader of CSV makes of it, below the names of the columns."""
    text = "".join(csv_lines(rows, columns))
    names, *cells = csv.reader(text.splitlines(keepends=True), strict=True)
    assert names == list(columns)
    return cells


@pytest.mark.parametrize(
    ("value", "cell"),
    [
        (None, ""),
        ("", ""),
        ("plain", "plain"),
        ('a "quoted", one\nand more', 'a "quoted", one\nand more'),
        (True, "true"),
        (False, "false"),
        (-5, "-5"),
        (2**63, str(2**63)),
        (Decimal("1.50"), "1.50"),
        (ID, str(ID)),
        (AT, "2026-05-04T03:02:01.000999+00:00"),
        ({"ä": [1, None]}, '{"ä": [1, null]}'),
        (StoredText('{"n": 1.00000000000000000001}'), '{"n": 1.00000000000000000001}'),
    ],
)
def test_each_kind_of_value_has_its_spelling_in_csv(value: object, cell: str) -> None:
    assert read_csv([{"a": value}], "a") == [[cell]]


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", '=HYPERLINK("http://evil","x")'])
def test_a_text_that_would_be_a_formula_is_none(text: str) -> None:
    assert read_csv([{"a": text}], "a") == [[f"'{text}"]]


@pytest.mark.parametrize("text", ["a=1", "1+1", " =1", "'=1"])
def test_other_texts_stay_as_they_are(text: str) -> None:
    assert read_csv([{"a": text}], "a") == [[text]]


def test_stored_json_that_would_be_a_formula_is_none_either() -> None:
    assert read_csv([{"a": StoredText("-1")}], "a") == [["'-1"]]


def test_a_text_is_quoted_so_that_a_semicolon_ends_no_column() -> None:
    assert list(csv_lines([{"a": "x;=1+1", "b": 2}], ["a", "b"])) == ['"a","b"\r\n', '"x;=1+1",2\r\n']


def test_columns_come_in_the_order_asked_for_and_others_not_at_all() -> None:
    assert read_csv([{"a": 1, "b": 2, "c": 3}], "c", "a") == [["3", "1"]]


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0\r\n")), min_size=1))
def test_whatever_a_text_is_csv_gives_it_back_and_no_cell_begins_a_formula(texts: list[str]) -> None:
    cells = [cell for (cell,) in read_csv([{"a": text} for text in texts], "a")]
    assert [cell.removeprefix("'") for cell in cells] == [text.removeprefix("'") for text in texts]
    assert not any(cell.startswith(("=", "+", "-", "@", "\t")) for cell in cells)


def test_a_row_is_one_line_of_json_with_every_digit() -> None:
    row = {
        "id": ID, "at": AT, "n": 2**70, "none": None, "yes": True, "text": 'two\nlines "and" ä\u2028',
        "stored": StoredText('{"n": 12345678901234567890.10}'), "amount": Decimal("0.10"),
    }  # fmt: skip
    (line,) = json_lines([row])
    assert line.count("\n") == 1
    assert line.endswith("\n")
    assert json.loads(line, parse_float=Decimal) == {
        "id": str(ID), "at": AT.isoformat(), "n": 2**70, "none": None, "yes": True, "text": 'two\nlines "and" ä\u2028',
        "stored": {"n": Decimal("12345678901234567890.10")}, "amount": Decimal("0.10"),
    }  # fmt: skip


def test_nothing_is_read_before_it_is_written() -> None:
    read: list[int] = []

    def rows() -> Iterator[dict[str, int]]:
        for number in range(1_000_000):
            read.append(number)
            yield {"a": number}

    lines = csv_lines(rows(), ["a"])
    assert [next(lines) for _ in range(3)] == ['"a"\r\n', "0\r\n", "1\r\n"]
    assert len(next(pieces(json_lines(rows()), size=20))) == 24
    assert len(read) < 10


def test_pieces_are_the_lines_joined() -> None:
    assert list(pieces(["ab", "c", "dé", "f"], size=3)) == [b"abc", "déf".encode()]
    assert list(pieces([])) == []
