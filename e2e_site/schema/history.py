"""Flyway's history table in the database: made, read and written exactly as Flyway does it."""

from dataclasses import dataclass
from datetime import datetime

import psycopg
from psycopg import sql
from psycopg.rows import class_row

from e2e_site.schema.migration_files import Config, FlywayError, Migration

_BASELINE = "<< Flyway Baseline >>"

# Exactly Flyway's own table, so that either runner takes the other's for its own.
_CREATE = """
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
    """One row of the history. A repeatable migration has no version, and a row for each time that it was applied."""

    version: str | None
    description: str
    type: str
    script: str
    checksum: int | None
    installed_on: datetime
    success: bool


def has_history(conn: psycopg.Connection, config: Config) -> bool:
    name = _table(config).as_string(conn)
    return conn.execute("SELECT to_regclass(%s) IS NOT NULL", [name]).fetchone() == (True,)


def read_history(conn: psycopg.Connection, config: Config) -> list[Applied]:
    """The rows in the order in which they were written; no table is an empty one."""
    if not has_history(conn, config):
        return []
    query = sql.SQL(_SELECT).format(table=_table(config))
    with conn.cursor(row_factory=class_row(Applied)) as cursor:
        return cursor.execute(query).fetchall()


def start_history(conn: psycopg.Connection, config: Config) -> None:
    """Make the table; a schema that is not empty gets a baseline, or FlywayError where none is configured."""
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
        conn.execute(sql.SQL(_CREATE).format(**names))
        if has_objects:
            _insert(
                conn,
                config,
                version=config.baseline_version,
                description=_BASELINE,
                type="BASELINE",
                script=_BASELINE,
                checksum=None,
                milliseconds=0,
            )


def record(conn: psycopg.Connection, config: Config, migration: Migration, *, milliseconds: int) -> None:
    """Write down that ``migration`` was applied, in the caller's transaction."""
    _insert(
        conn,
        config,
        version=migration.version,
        description=migration.description,
        type="SQL",
        script=migration.script,
        checksum=migration.checksum,
        milliseconds=milliseconds,
    )


def _table(config: Config) -> sql.Identifier:
    return sql.Identifier(config.schema, config.table)


def _insert(conn: psycopg.Connection, config: Config, **row: str | int | None) -> None:
    conn.execute(sql.SQL(_INSERT).format(table=_table(config)), row)
