"""The built-in runner: applies Flyway's files where there is no Flyway, and keeps the history that Flyway would.

Either of the two can go on where the other stopped. Each migration runs in a transaction of its own together with
its row in the history: one that fails leaves nothing behind.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

import psycopg
from psycopg import sql
from psycopg.rows import class_row

from e2e_site.flyway_files import Config, FlywayError, Migration, read_migrations, version_key

_BASELINE = "<< Flyway Baseline >>"

# Exactly Flyway's own table, so that either runner takes the other's for its own.
_CREATE_HISTORY = """
CREATE TABLE {table} (
    installed_rank INTEGER NOT NULL CONSTRAINT {primary_key} PRIMARY KEY,
    version        VARCHAR(50),
    description    VARCHAR(200) NOT NULL,
    type           VARCHAR(20) NOT NULL,
    script         VARCHAR(1000) NOT NULL,
    checksum       INTEGER,
    installed_by   VARCHAR(100) NOT NULL,
    installed_on   TIMESTAMP NOT NULL DEFAULT now(),
    execution_time INTEGER NOT NULL,
    success        BOOLEAN NOT NULL
);
CREATE INDEX {index} ON {table} (success)
"""
_INSERT = """
INSERT INTO {table} (
    installed_rank, version, description, type, script, checksum, installed_by, execution_time, success)
SELECT coalesce(max(installed_rank), 0) + 1, %(version)s, %(description)s, %(type)s, %(script)s, %(checksum)s,
       current_user, %(milliseconds)s, true
FROM {table}
"""
_SELECT = """
SELECT version, description, type, script, checksum, installed_on, success FROM {table} ORDER BY installed_rank
"""
# What Flyway calls a schema that is not empty: a relation, a type or a function that belongs to no extension.
_HAS_OBJECTS = """
SELECT EXISTS (
    SELECT oid FROM pg_class WHERE relnamespace = to_regnamespace(%(schema)s) AND relkind NOT IN ('i', 'I', 'c', 't')
        AND NOT EXISTS (SELECT FROM pg_depend WHERE objid = pg_class.oid AND deptype = 'e')
    UNION ALL
    SELECT oid FROM pg_type WHERE typnamespace = to_regnamespace(%(schema)s) AND typcategory NOT IN ('A', 'C')
        AND NOT EXISTS (SELECT FROM pg_depend WHERE objid = pg_type.oid AND deptype = 'e')
    UNION ALL
    SELECT oid FROM pg_proc WHERE pronamespace = to_regnamespace(%(schema)s)
        AND NOT EXISTS (SELECT FROM pg_depend WHERE objid = pg_proc.oid AND deptype = 'e')
)
"""


@dataclass(frozen=True, kw_only=True)
class Applied:
    """One row of the history."""

    version: str | None
    description: str
    type: str
    script: str
    checksum: int | None
    installed_on: datetime
    success: bool


@dataclass(frozen=True, kw_only=True)
class State:
    """Files and history laid side by side. ``problems`` are sentences that name a file."""

    applied: tuple[Applied, ...]
    pending: tuple[Migration, ...]
    problems: tuple[str, ...]


def state(conn: psycopg.Connection, config: Config) -> State:
    """Compare the files with the history; changes nothing, and no history is an empty one."""
    migrations = read_migrations(config)
    applied = _read_history(conn, config)
    baseline = max(
        (version_key(row.version) for row in applied if row.type == "BASELINE" and row.version), default=(-1,)
    )
    due = {key: m for m in migrations if m.version and (key := version_key(m.version)) > baseline}
    repeatable = {m.description: m for m in migrations if not m.version}
    rows = [row for row in applied if row.type not in {"BASELINE", "SCHEMA"}]
    problems = [problem for row in rows if (problem := _problem(row, due, repeatable))]
    done = {version_key(row.version) for row in rows if row.version}
    newest = max(done, default=baseline)
    problems += [
        f"{m.script} was not applied, but a later migration was: give it a higher version."
        for key, m in due.items()
        if key not in done and key < newest
    ]
    pending = [m for key, m in due.items() if key not in done and key > newest]
    as_applied = {row.description: row.checksum for row in rows if row.version is None}
    pending += [m for m in repeatable.values() if as_applied.get(m.description) != m.checksum]
    return State(applied=tuple(applied), pending=tuple(pending), problems=tuple(problems))


def migrate(conn: psycopg.Connection, config: Config) -> list[Migration]:
    """Apply what is pending, in order, and return it. The caller holds the lock; ``conn`` is in autocommit mode.

    FlywayError names the file that is wrong or that failed; what came before it stays applied.
    """
    found = state(conn, config)
    if found.problems:
        raise FlywayError("\n".join(found.problems))
    if not _has_history(conn, config):
        _start_history(conn, config)
        found = state(conn, config)
    for migration in found.pending:
        _apply(conn, config, migration)
    return list(found.pending)


def _table(config: Config) -> sql.Identifier:
    return sql.Identifier(config.schema, config.table)


def _has_history(conn: psycopg.Connection, config: Config) -> bool:
    name = _table(config).as_string(conn)
    return conn.execute("SELECT to_regclass(%s) IS NOT NULL", [name]).fetchone() == (True,)


def _read_history(conn: psycopg.Connection, config: Config) -> list[Applied]:
    if not _has_history(conn, config):
        return []
    query = sql.SQL(_SELECT).format(table=_table(config))
    with conn.cursor(row_factory=class_row(Applied)) as cursor:
        return cursor.execute(query).fetchall()


def _problem(row: Applied, due: Mapping[tuple[int, ...], Migration], repeatable: Mapping[str, Migration]) -> str | None:
    if row.type != "SQL":
        return f"{row.script}: the built-in runner cannot judge a history entry of type {row.type}; use Flyway itself."
    if not row.success:
        return f"{row.script} failed when it was applied: clean up what it left, then run Flyway's `repair`."
    if row.version is None:
        known = row.description in repeatable
        return None if known else f"{row.script} was applied, but the file is missing: put it back."
    key = version_key(row.version)
    migration = due.get(key)
    if migration is None:
        # Newer than every file: a later version of the code was here. Flyway lets that pass, and so do we.
        return (
            None if key > max(due, default=(0,)) else f"{row.script} was applied, but the file is missing: put it back."
        )
    if migration.checksum != row.checksum or migration.description != row.description:
        return (
            f"{migration.script} was changed after it was applied (checksum {migration.checksum}, in the history "
            f"{row.checksum}): put it back as it was and write a new migration."
        )
    return None


def _start_history(conn: psycopg.Connection, config: Config) -> None:
    has_objects = conn.execute(_HAS_OBJECTS, {"schema": config.schema}).fetchone() == (True,)
    if has_objects and not config.baseline_on_migrate:
        raise FlywayError(
            f"Schema {config.schema} is not empty and has no {config.table}; see flyway.baselineOnMigrate."
        )
    with conn.transaction():
        names = {
            "table": _table(config),
            "primary_key": sql.Identifier(f"{config.table}_pk"),
            "index": sql.Identifier(f"{config.table}_s_idx"),
        }
        conn.execute(sql.SQL(_CREATE_HISTORY).format(**names))
        if has_objects:
            _record(
                conn,
                config,
                version=config.baseline_version,
                description=_BASELINE,
                type="BASELINE",
                script=_BASELINE,
                checksum=None,
                milliseconds=0,
            )


def _record(conn: psycopg.Connection, config: Config, **row: str | int | None) -> None:
    conn.execute(sql.SQL(_INSERT).format(table=_table(config)), row)


def _apply(conn: psycopg.Connection, config: Config, migration: Migration) -> None:
    started = time.monotonic()
    text = migration.text.removeprefix("\ufeff")
    try:
        with conn.transaction():
            conn.execute(text.encode())
            _record(
                conn,
                config,
                version=migration.version,
                description=migration.description,
                type="SQL",
                script=migration.script,
                checksum=migration.checksum,
                milliseconds=round((time.monotonic() - started) * 1000),
            )
    except psycopg.Error as exc:
        raise FlywayError(_failure(migration, text, exc)) from exc


def _failure(migration: Migration, text: str, exc: psycopg.Error) -> str:
    """``V002__x.sql failed at line 7 and left nothing behind: <what PostgreSQL said>``"""
    position = exc.diag.statement_position
    where = f" at line {text.count(chr(10), 0, int(position) - 1) + 1}" if position else ""
    said = exc.diag.message_primary or str(exc)
    hint = f" {exc.diag.message_hint}" if exc.diag.message_hint else ""
    return f"{migration.script} failed{where} and left nothing behind: {said.removesuffix('.')}.{hint}"
