"""PGMQ in a database: is it there, is it new enough, put it in.

Any PGMQ from 1.5 on will do. It comes as an extension where the server offers it, else as plain SQL: the script that
the PyPI package ``pgmq`` bundles, read when it is needed. The plain SQL has no version of its own, so the version is
written as the comment on the schema.
"""

import re
from dataclasses import dataclass
from importlib.resources import files

import psycopg
from psycopg import sql

from e2e_site.options import SiteError

OLDEST = "1.5"
RUN = "manage.py pgmq install"

# What 1.5 has and an older one lacks, and what is called here and by the library.
_FUNCTIONS = (
    "pgmq.create(text)",
    "pgmq.send(text,jsonb,integer)",
    "pgmq.send(text,jsonb,jsonb,integer)",
    "pgmq.send_batch(text,jsonb[],integer)",
    "pgmq.read(text,integer,integer,jsonb)",
    "pgmq.delete(text,bigint)",
    "pgmq.delete(text,bigint[])",
    "pgmq.archive(text,bigint)",
    "pgmq.archive(text,bigint[])",
    "pgmq.set_vt(text,bigint,integer)",
)
_COLUMNS = ("msg_id", "read_ct", "enqueued_at", "vt", "message", "headers")

_STATUS = """
SELECT to_regprocedure('pgmq.create(text)') IS NOT NULL,
       coalesce((SELECT extversion FROM pg_extension WHERE extname = 'pgmq'),
                substring(obj_description(to_regnamespace('pgmq'), 'pg_namespace') FROM '^PGMQ ([0-9.]+)')),
       ARRAY(SELECT name FROM unnest(%(functions)s::text[]) AS name WHERE to_regprocedure(name) IS NULL),
       ARRAY(SELECT name FROM unnest(%(columns)s::text[]) AS name WHERE NOT EXISTS (
           SELECT FROM pg_attribute
           WHERE attrelid = to_regclass('pgmq.message_record') AND attname = name AND NOT attisdropped))
"""


class PgmqError(SiteError):
    """PGMQ could not be installed; the message says why and what to do."""


@dataclass(frozen=True, kw_only=True)
class PgmqStatus:
    """``version`` is None where neither an extension nor our comment tells it; ``lacks`` names what is missing."""

    present: bool
    version: str | None
    lacks: tuple[str, ...]


def status(conn: psycopg.Connection) -> PgmqStatus:
    """What the database has. One statement; "too old" is judged by functions and columns, never by the version."""
    row = conn.execute(_STATUS, {"functions": list(_FUNCTIONS), "columns": list(_COLUMNS)}).fetchone()
    assert row is not None
    present, version, functions, columns = row
    return PgmqStatus(
        present=present,
        version=version,
        lacks=(*functions, *(f"pgmq.message_record.{name}" for name in columns)) if present else (),
    )


def install(conn: psycopg.Connection) -> bool:
    """Install PGMQ unless it is there, in a transaction of its own; True if something was installed.

    Two processes at once: the second waits and then finds it done. A PGMQ that is there is never changed.
    """
    with conn.transaction():
        conn.execute("SET LOCAL standard_conforming_strings = on")  # a database may have it off
        conn.execute("SELECT pg_advisory_xact_lock(hashtextextended('e2e_site.pgmq', 0))")
        if status(conn).present:
            return False
        offered = conn.execute("SELECT FROM pg_available_extensions WHERE name = 'pgmq'").fetchone()
        if offered is not None:
            _create_extension(conn)
        else:
            _run_bundled_sql(conn)
    return True


def _create_extension(conn: psycopg.Connection) -> None:
    try:
        conn.execute("CREATE EXTENSION pgmq")
    except psycopg.errors.InsufficientPrivilege as exc:
        raise PgmqError(
            f"This server offers PGMQ as an extension, but user {conn.info.user} may not create it. "
            f'Let a superuser run "CREATE EXTENSION pgmq" in database {conn.info.dbname}.'
        ) from exc


def _run_bundled_sql(conn: psycopg.Connection) -> None:
    folder = files("pgmq") / "sql"
    version = (folder / "VERSION").read_text(encoding="utf-8").strip()
    if not re.fullmatch(r"[0-9.]+", version):
        raise PgmqError(f"The package pgmq bundles SQL of an unreadable version: {version!r}.")
    try:
        conn.execute((folder / "pgmq.sql").read_bytes())
    except psycopg.errors.InsufficientPrivilege as exc:
        raise PgmqError(
            f"User {conn.info.user} may not install PGMQ in database {conn.info.dbname}: {exc.diag.message_primary}."
        ) from exc
    comment = f"PGMQ {version}, installed as plain SQL by {RUN}"
    conn.execute(sql.SQL("COMMENT ON SCHEMA pgmq IS {}").format(sql.Literal(comment)))
