"""The statements of ``queries.sql`` by name, on a psycopg connection of their own; columns by name."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import psycopg
from psycopg.rows import dict_row

from bench.loadtest.errors import BrokenError
from commands.rules.words import DOMAIN, command_queue, queue_table
from e2e_site.named_sql import NamedSql, Row
from e2e_site.texts import one_line

_SQL = NamedSql(Path(__file__).with_name("queries.sql"))
_TABLES = {"commands": queue_table(command_queue(DOMAIN))}


class Database:
    """One autocommit connection, for one thread at a time; opened anew after it was lost.

    The statement that meets the loss raises `BrokenError`. Each statement may use ``%(domain)s``, and the command
    queue's table as ``:"commands"``.
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

    def _execute(self, name: str, values: Mapping[str, Any]) -> psycopg.Cursor[Row]:
        try:
            if self._conn is None or self._conn.closed:
                self._conn = psycopg.connect(**self._params, autocommit=True, row_factory=dict_row)
            return self._conn.execute(_SQL.text(name, **_TABLES), {"domain": DOMAIN, **values})
        except (psycopg.OperationalError, psycopg.InterfaceError) as exc:
            raise BrokenError(f"The database connection was lost: {one_line(exc)}") from exc
