"""Statements of a ``.sql`` file, by name: the one loader.

``-- name: word`` begins a statement, a line that ends with a semicolon ends it. Values are psycopg's ``%(name)s``. A
table whose name depends on the domain is written as psql writes a variable, ``pgmq.:"queue"``, and gets its name here::

    statements = NamedSql(Path(__file__).with_name("queries.sql"))
    conn.execute(statements.text("waiting", queue="q_test__commands"), {"limit": 10})
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, LiteralString

from django.db import connection
from psycopg import sql

from e2e_site import stored_json

_STATEMENT = re.compile(r"^-- name: (\w+)\n(.*?;)$", re.DOTALL | re.MULTILINE)
_IDENTIFIER = re.compile(r':"(\w+)"')
_JSONB = 3802  # PostgreSQL's type number; Django hands jsonb out as text

_LIKE = re.compile(r"([\\%_])")  # what LIKE takes for more than itself

Row = dict[str, Any]


def containing(text: str) -> str:
    """The pattern by which LIKE finds what contains ``text``, all of it meant as it stands."""
    return "%" + _LIKE.sub(r"\\\1", text) + "%"


class NamedSql:
    """The statements of the file at ``path``."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._texts = dict(_STATEMENT.findall(path.read_text("utf-8")))

    @property
    def names(self) -> list[str]:
        """Those of its statements, in their order."""
        return list(self._texts)

    def text(self, name: str, **identifiers: str) -> LiteralString:
        """The statement of that name, with each ``:"word"`` replaced by that identifier, quoted.

        Raises KeyError for a name that the file does not have, and for an identifier that is not given.
        """

        def quoted(found: re.Match[str]) -> str:
            return sql.Identifier(identifiers[found[1]]).as_string(None)

        if name not in self._texts:
            raise KeyError(f"{self._path.name} has no statement {name}")
        return _IDENTIFIER.sub(quoted, self._texts[name])  # as literal as the file is: identifiers are quoted

    def rows(self, name: str, identifiers: Mapping[str, str] | None = None, /, **parameters: Any) -> list[Row]:
        """What the statement of that name answers on Django's connection, by column name; jsonb is read."""
        return rows_of(self.text(name, **identifiers or {}), parameters)


def rows_of(statement: LiteralString, parameters: Mapping[str, Any]) -> list[Row]:
    """The same for a statement that is made of several texts."""
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)
        columns = [(column.name, column.type_code == _JSONB) for column in cursor.description]
        return [dict(map(_named, columns, row)) for row in cursor.fetchall()]


def _named(column: tuple[str, bool], value: Any) -> tuple[str, Any]:
    name, is_json = column
    return name, stored_json.read(value) if is_json and value is not None else value
