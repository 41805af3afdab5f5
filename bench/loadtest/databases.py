"""The database in which a load test works: one of its own that is dropped afterwards, or one that is given.

    site's settings row ─► own database ─► workers, sender, counts

A given database is emptied at the start, so it has to belong to load tests: the first one finds it empty and leaves a
mark in it, the schema ``commandbus_loadtest``.
"""

from __future__ import annotations

from contextlib import ExitStack, closing, contextmanager
from typing import TYPE_CHECKING

import psycopg
from psycopg import sql

from bench.loadtest.run_lock import held_lock
from bench.testbed import Testbed
from e2e_site.schema.own_database import OwnDatabaseError, given_database, own_database, set_up
from settings_app.values import NAMES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bench.loadtest.statements import Database
    from e2e_site.schema.own_database import OwnDatabase

PURPOSE = "loadtest"
LOCK_TIMEOUT = "SET lock_timeout = '10s'"  # for what still works in a given database
_SITES = "SELECT FROM public.load_run WHERE run_id = %s AND state = 'running' AND beat_at > now() - interval '1 min'"
_CONTENT = """
    SELECT EXISTS (SELECT FROM pg_tables WHERE schemaname NOT IN ('pg_catalog', 'information_schema')),
           to_regnamespace('commandbus_loadtest') IS NOT NULL, to_regclass('public.load_run') IS NOT NULL
"""
_MARK = "CREATE SCHEMA IF NOT EXISTS commandbus_loadtest"
_EXPLAIN_MARK = "COMMENT ON SCHEMA commandbus_loadtest IS 'This database is of load tests alone: each empties it'"


@contextmanager
def load_database(url: str | None, site: Database, run_id: int) -> Iterator[OwnDatabase]:
    """An empty database with the schema and the site's settings, made unless there is a ``url``.

    Raises `OwnDatabaseError` where none can be made, or the given one may not be used.
    """
    if url is None:
        with own_database(PURPOSE, otherwise=", or name a database by --database") as made:
            _take_settings(made, site)
            yield made
        return
    given = given_database(url, PURPOSE)
    with ExitStack() as stack:
        if lock := held_lock(given.params):
            stack.callback(lock.close)
        _take_over(given, run_id, locked=lock is not None)
        set_up(given)
        _empty(given)
        _take_settings(given, site)
        yield given


def _take_settings(database: OwnDatabase, site: Database) -> None:
    values = site.value("settings")
    assignments = sql.SQL(", ").join(
        sql.SQL("{} = {}").format(sql.Identifier(name), sql.Literal(values[name])) for name in NAMES
    )
    with psycopg.connect(**database.params) as conn:
        conn.execute(sql.SQL("UPDATE public.e2e_config SET {}").format(assignments))


def _take_over(given: OwnDatabase, run_id: int, *, locked: bool) -> None:
    """Make it one of the load tests'. Refuse the site's, one in which another load test works, and one with tables."""
    with psycopg.connect(**given.params, autocommit=True) as conn:
        has_tables, marked, has_runs = conn.execute(_CONTENT).fetchone() or (True, False, False)
        # The row of this run, which was written a moment ago, is in the site's database alone.
        if has_runs and conn.execute(_SITES, [run_id]).fetchone() is not None:
            raise OwnDatabaseError(
                f"--database names {given.name}, the database of this site: name one for load tests."
            )
        if not locked:
            raise OwnDatabaseError(f"Another load test works in database {given.name}.")
        if has_tables and not marked:
            raise OwnDatabaseError(
                f"--database names {given.name}, which has tables that no load test made, and a load test empties its "
                "database: name an empty one, or one that load tests have used before."
            )
        conn.execute(_MARK)
        conn.execute(_EXPLAIN_MARK)


def _empty(given: OwnDatabase) -> None:
    with closing(Testbed(given)) as testbed:
        testbed.conn.execute(LOCK_TIMEOUT)
        testbed.empty()
