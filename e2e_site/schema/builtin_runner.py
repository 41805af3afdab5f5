"""The built-in runner: applies Flyway's files where there is no Flyway, and keeps the history that Flyway would.

Either of the two can go on where the other stopped. Each migration runs in a transaction of its own together with
its row in the history: one that fails leaves nothing behind. Repeatable files come after all versioned ones, and come
again, with a row more, when their text has changed.
"""

import time

import psycopg

from e2e_site.schema.history import has_history, read_history, record, start_history
from e2e_site.schema.migration_files import Config, FlywayError, Migration, read_migrations
from e2e_site.schema.state import State, compare


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
    for migration in found.pending:
        _apply(conn, config, migration)
    return list(found.pending)


def _apply(conn: psycopg.Connection, config: Config, migration: Migration) -> None:
    started = time.monotonic()
    text = migration.text.removeprefix("\ufeff")
    try:
        with conn.transaction():
            conn.execute(text.encode())
            record(conn, config, migration, milliseconds=round((time.monotonic() - started) * 1000))
    except psycopg.Error as exc:
        raise FlywayError(_failure(migration, text, exc)) from exc


def _failure(migration: Migration, text: str, exc: psycopg.Error) -> str:
    """``V002__x.sql failed at line 7 and left nothing behind: <what PostgreSQL said>``"""
    position = exc.diag.statement_position
    where = f" at line {text.count(chr(10), 0, int(position) - 1) + 1}" if position else ""
    said = exc.diag.message_primary or str(exc)
    hint = f" {exc.diag.message_hint}" if exc.diag.message_hint else ""
    return f"{migration.script} failed{where} and left nothing behind: {said.removesuffix('.')}.{hint}"
