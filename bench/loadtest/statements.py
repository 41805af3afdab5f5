"""The statements of ``queries.sql`` by name, on a psycopg connection of their own; columns by name."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import psycopg
from psycopg.rows import dict_row

from bench.loadtest.errors import BrokenError
from commands.rules.words import DOMAIN, command_queue, reply_queue
from e2e_site.named_sql import NamedSql

STATEMENTS = NamedSql(Path(__file__).with_name("queries.sql"))
TABLES = {
    "queue": f"q_{command_queue(DOMAIN)}",
    "archive": f"a_{command_queue(DOMAIN)}",
    "reply_queue": f"q_{reply_queue(DOMAIN)}",
    "reply_archive": f"a_{reply_queue(DOMAIN)}",
}

Row = dict[str, Any]


def one_line(error: BaseException) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]


class Database:
    """One autocommit connection, for one thread at a time; opened anew after it was lost.

    The statement that meets the loss raises `BrokenError`. Each statement may use ``domain``, that of a load test.
    """

    def __init__(self, params: Mapping[str, Any], *, name: str) -> None:
        self._params = {**params, "application_name": f"loadtest {name}"}
        self._conn: psycopg.Connection[Row] | None = None

    def run(self, name: str, **values: Any) -> None:
        """Run a statement for what it does."""
        self._execute(name, values)

    def row(self, name: str, **values: Any) -> Row | None:
        """The first row of a statement; None without any."""
        return self._execute(name, values).fetchone()

    def value(self, name: str, **values: Any) -> Any:
        """The first column of the first row; None without any."""
        row = self.row(name, **values)
        return next(iter(row.values())) if row else None

    def close(self) -> None:
        if self._conn is not None:
            self._conn.close()

    def _execute(self, name: str, values: dict[str, Any]) -> psycopg.Cursor[Row]:
        statement = STATEMENTS.text(name, **TABLES)
        try:
            if self._conn is None or self._conn.closed:
                self._conn = psycopg.connect(**self._params, autocommit=True, row_factory=dict_row)
            return self._conn.execute(statement, {"domain": DOMAIN, **values})
        except (psycopg.OperationalError, psycopg.InterfaceError) as exc:
            raise BrokenError(f"The database connection was lost: {one_line(exc)}") from exc
