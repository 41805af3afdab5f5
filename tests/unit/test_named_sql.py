"""e2e_site/named_sql.py: statements of a file by name."""

from pathlib import Path

import pytest

from e2e_site.named_sql import NamedSql

TEXT = """-- What this file is for.

-- name: one
-- A comment stays.
SELECT 1
FROM pgmq.:"queue" WHERE note = 'a; b' AND kind = %(kind)s::text;

-- name: two
SELECT 2;
"""


@pytest.fixture
def statements(tmp_path: Path) -> NamedSql:
    file = tmp_path / "some.sql"
    file.write_text(TEXT)
    return NamedSql(file)


def test_a_statement_ends_with_the_line_that_ends_with_a_semicolon(statements: NamedSql) -> None:
    assert statements.text("two") == "SELECT 2;"
    assert statements.text("one", queue="q").splitlines()[-1].endswith("note = 'a; b' AND kind = %(kind)s::text;")


def test_an_identifier_is_quoted_and_no_cast_is_taken_for_one(statements: NamedSql) -> None:
    assert 'FROM pgmq."q""x" WHERE' in statements.text("one", queue='q"x')


def test_an_unknown_statement_and_a_missing_identifier_are_errors(statements: NamedSql) -> None:
    with pytest.raises(KeyError, match=r"some\.sql has no statement three"):
        statements.text("three")
    with pytest.raises(KeyError, match="queue"):
        statements.text("one")
