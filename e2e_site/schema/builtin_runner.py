"""The built-in runner: applies Flyway's files where there is no Flyway, and keeps the history that Flyway would.

Either of the two can go on where the other stopped. Each migration runs in a transaction of its own together with
its row in the history: one that fails leaves nothing behind, and the settings that it changes end with it. Repeatable
files come after all versioned ones, and come again, with a row more, when their text has changed.
"""

import time
from collections.abc import Sequence
from typing import LiteralString

import psycopg
from psycopg import sql
from psycopg.pq import TransactionStatus

from e2e_site.schema.history import has_history, read_history, record, start_history
from e2e_site.schema.migration_files import Config, FlywayError, Migration, read_migrations, statements_of
from e2e_site.schema.state import State, compare
from e2e_site.schema.statements import Statement, line_ends

# As with Flyway, names without a schema mean the managed one first. Strings and letters mean what they do in the file,
# whatever the settings of database and role. All of it ends with the transaction.
_BEGIN = """
SELECT set_config('search_path', concat_ws(',', %s::text, nullif(current_setting('search_path'), '')), true),
       set_config('standard_conforming_strings', 'on', true), set_config('client_encoding', 'UTF8', true)
"""
# Before the history is written: it is the runner who writes it, and the next migration begins as this one did.
_PUT_BACK = ("RESET SESSION AUTHORIZATION", "RESET ROLE", "RESET ALL")


def state(conn: psycopg.Connection, config: Config) -> State:
    """Compare the files with the history; changes nothing, and no history is an empty one."""
    return compare(read_migrations(config), read_history(conn, config))


def migrate(conn: psycopg.Connection, config: Config) -> list[Migration]:
    """Apply what is pending, in order, and return it. The caller holds the lock; ``conn`` is in autocommit mode.

    FlywayError names the file that is wrong or that failed; what came before it stays applied.
    """
    found = state(conn, config)
    if found.problems:
        raise FlywayError("\n".join(found.problems))
    if not has_history(conn, config):
        start_history(conn, config)
        found = state(conn, config)
    plan = [(migration, statements_of(migration)) for migration in found.pending]
    for migration, statements in plan:
        apply(conn, config, migration, statements)
    return list(found.pending)


class _EndedFromWithinError(Exception):
    """The migration's transaction is not the one in which it began."""


def apply(conn: psycopg.Connection, config: Config, migration: Migration, statements: Sequence[Statement]) -> None:
    """Execute the statements and write the history, in one transaction. FlywayError says what is left of it."""
    started = time.monotonic()
    transaction: str | None = None
    statement: Statement | None = None
    try:
        with conn.transaction():
            transaction = _begin(conn, config)
            for statement in statements:
                _execute(conn, statement)
            _refuse_another(conn, transaction)
            statement = None
            for command in _PUT_BACK:
                conn.execute(command)
            record(conn, config, migration, milliseconds=round((time.monotonic() - started) * 1000))
    except (psycopg.Error, _EndedFromWithinError) as exc:
        left = _left_behind(conn, transaction, statement)
        raise FlywayError(f"{migration.script} failed{_place(statement, exc)} and {left}: {_said(exc)}") from exc


def _begin(conn: psycopg.Connection, config: Config) -> str:
    """Make the session what a migration expects; answers the transaction's number."""
    conn.execute(_BEGIN, [sql.Identifier(config.schema).as_string(conn)])
    return str(_value(conn, "SELECT pg_current_xact_id()::text"))


def _execute(conn: psycopg.Connection, statement: Statement) -> None:
    with conn.pipeline():  # what goes this way, the server refuses where it takes it for more than one statement
        conn.execute(statement.text.encode())
    if conn.info.transaction_status != TransactionStatus.INTRANS:
        raise _EndedFromWithinError


def _refuse_another(conn: psycopg.Connection, transaction: str) -> None:
    if _value(conn, "SELECT pg_current_xact_id_if_assigned()::text") != transaction:
        raise _EndedFromWithinError


def _value(conn: psycopg.Connection, query: LiteralString, *params: object) -> object:
    row = conn.execute(query, params).fetchone()
    return row and row[0]


def _left_behind(conn: psycopg.Connection, transaction: str | None, statement: Statement | None) -> str:
    """What the migration left that failed in this statement, or after its last one; as the server knows it."""
    if conn.closed:  # the end was not asked for while a statement was under way
        return "left nothing behind" if statement else 'may be applied all the same, as "flyway info" will show'
    match transaction and _value(conn, "SELECT pg_xact_status(%s::xid8)", transaction):
        case None | "aborted":
            return "left nothing behind"
        case "committed":
            return "had ended its own transaction before, so what it did until then is kept and the history lacks it"
        case _:
            return "left a prepared transaction, which the history lacks"


def _place(statement: Statement | None, exc: Exception) -> str:
    if statement is None:
        return ""
    position = exc.diag.statement_position if isinstance(exc, psycopg.Error) else None
    return f" at line {statement.line + line_ends(statement.text[: int(position or 1) - 1])}"


def _said(exc: Exception) -> str:
    if not isinstance(exc, psycopg.Error):
        return "a migration must not end the transaction in which it runs."
    said = exc.diag.message_primary or str(exc)
    hint = f" {exc.diag.message_hint}" if exc.diag.message_hint else ""
    return f"{said.removesuffix('.')}.{hint}"
