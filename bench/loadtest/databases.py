"""The database in which a load test works: one of its own that is dropped afterwards, or one that is given.

    site's settings row ─► own database ─► workers, sender, counts

A given database is emptied. So it has to be empty, or of load tests alone: a comment on it says that it is.
"""

from __future__ import annotations

from contextlib import closing, contextmanager
from typing import TYPE_CHECKING

import psycopg
from psycopg import sql

from bench.testbed import Testbed
from e2e_site.schema.own_database import OwnDatabaseError, given_database, own_database, set_up
from settings_app.values import NAMES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bench.loadtest.statements import Database
    from e2e_site.schema.own_database import OwnDatabase

PURPOSE = "loadtest"
MARK = "Of load tests alone: each empties it"
_HAS_COMMANDS = "SELECT to_regclass('commandbus.command') IS NOT NULL"
_COMMENT = """
SELECT shobj_description(oid, 'pg_database') FROM pg_database WHERE datname = current_database()
"""


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
    _refuse_the_sites(given, run_id)
    _refuse_the_commands_of_others(given)
    set_up(given)
    with closing(Testbed(given)) as testbed:
        testbed.empty()
        testbed.conn.execute(
            sql.SQL("COMMENT ON DATABASE {} IS {}").format(sql.Identifier(given.name), sql.Literal(MARK))
        )
    _take_settings(given, site)
    yield given


def _take_settings(database: OwnDatabase, site: Database) -> None:
    values = site.value("settings")
    assignments = sql.SQL(", ").join(
        sql.SQL("{} = {}").format(sql.Identifier(name), sql.Literal(values[name])) for name in NAMES
    )
    with psycopg.connect(**database.params) as conn:
        conn.execute(sql.SQL("UPDATE public.e2e_config SET {}").format(assignments))


def _refuse_the_sites(given: OwnDatabase, run_id: int) -> None:
    """The row of this run, which was written a moment ago, is in the site's database alone."""
    query = "SELECT FROM public.load_run WHERE run_id = %s AND state = 'running' AND beat_at > now() - interval '1 min'"
    with psycopg.connect(**given.params, autocommit=True) as conn:
        known = conn.execute("SELECT to_regclass('public.load_run') IS NOT NULL").fetchone() == (True,)
        if known and conn.execute(query, [run_id]).fetchone() is not None:
            raise OwnDatabaseError(
                f"--database names the database of this site, {given.name}: a load test empties its database."
            )


def _refuse_the_commands_of_others(given: OwnDatabase) -> None:
    with psycopg.connect(**given.params, autocommit=True) as conn:
        if conn.execute(_HAS_COMMANDS).fetchone() != (True,) or conn.execute(_COMMENT).fetchone() == (MARK,):
            return
        if conn.execute("SELECT FROM commandbus.command LIMIT 1").fetchone() is not None:
            raise OwnDatabaseError(
                f"--database names {given.name}, which has commands that no load test sent: name an empty database."
            )
