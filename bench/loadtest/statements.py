"""The statements of ``queries.sql`` by name, on a psycopg connection of their own; columns by name."""

import re
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql
from psycopg.rows import dict_row

from bench.loadtest.errors import BrokenError
from e2e_site.texts import one_line

_TEXT = Path(__file__).with_name("queries.sql").read_text("utf-8")
_STATEMENTS = dict(re.findall(r"^-- name: (\w+)\n(.*?;)$", _TEXT, re.DOTALL | re.MULTILINE))

Row = dict[str, Any]


class Database:
    """One autocommit connection, for one thread at a time; opened anew after it was lost.

    The statement that meets the loss raises `BrokenError`.
    """

    def __init__(self, params: dict[str, Any], *, name: str) -> None:
        self._params = {**params, "application_name": f"loadtest {name}"}
        self._conn: psycopg.Connection[Row] | None = None

    def run(self, name: str, **values: Any) -> None:
        """Run a statement for what it does."""
        self._execute(_STATEMENTS[name], values)

    def row(self, name: str, **values: Any) -> Row | None:
        """The first row of a statement; None without any."""
        return self._execute(_STATEMENTS[name], values).fetchone()

    def rows(self, name: str, **values: Any) -> list[Row]:
        return self._execute(_STATEMENTS[name], values).fetchall()

    def value(self, name: str, **values: Any) -> Any:
        """The first column of the first row; None without any."""
        row = self.row(name, **values)
        return next(iter(row.values())) if row else None

    def vacuum(self, table: sql.Identifier) -> None:
        """Vacuum and analyze, so that autovacuum has no reason to come in the middle of what is measured."""
        self._execute(sql.SQL("VACUUM (ANALYZE) {}").format(table), {})

    def close(self) -> None:
        if self._conn is not None:
            self._conn.close()

    def _execute(self, statement: Any, values: dict[str, Any]) -> psycopg.Cursor[Row]:
        try:
            if self._conn is None or self._conn.closed:
                self._conn = psycopg.connect(**self._params, autocommit=True, row_factory=dict_row)
            return self._conn.execute(statement, values)
        except (psycopg.OperationalError, psycopg.InterfaceError) as exc:
            raise BrokenError(f"The database connection was lost: {one_line(exc)}") from exc
