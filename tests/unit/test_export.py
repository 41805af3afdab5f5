"""Cells of a CSV file: no spreadsheet takes one for a formula."""

import csv
import io

import pytest

from commands.pages.export import csv_lines, defused


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1"])
def test_what_begins_like_a_formula_is_text(text: str) -> None:
    assert defused(text) == f"'{text}"


@pytest.mark.parametrize("text", ["", "plain", "a=1", " =1", "'=1"])
def test_other_texts_stay(text: str) -> None:
    assert defused(text) == text


def test_cells_are_quoted_where_they_need_it() -> None:
    lines = csv_lines([["=cmd()", 'a "b", c\nd', 3, -4, None]]).decode()
    assert list(csv.reader(io.StringIO(lines, newline=""))) == [["'=cmd()", 'a "b", c\nd', "3", "-4", ""]]
