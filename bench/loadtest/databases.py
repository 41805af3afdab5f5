"""The database in which a load test works: one of its own that is dropped afterwards, or one that is given.

    site's settings row ─► own database ─► workers, sender, counts

A given database is emptied, so it has to belong to load tests: the first one finds it empty and leaves a mark in it,
the schema ``commandbus_loadtest``.
"""

from __future__ import annotations

from contextlib import ExitStack, closing, contextmanager
from typing import TYPE_CHECKING

import psycopg
from psycopg import sql

from bench.loadtest.run_lock import LOCK
from bench.loadtest.statements import Database
from bench.testbed import Testbed
from e2e_site.locks import held_lock
from e2e_site.schema.own_database import OwnDatabaseError, given_database, own_database, set_up
from e2e_site.texts import one_line
from settings_app.values import HOW_NAMES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from e2e_site.schema.own_database import OwnDatabase

PURPOSE = "loadtest"


@contextmanager
def load_database(url: str | None, site: Database, run_id: int) -> Iterator[OwnDatabase]:
    """An empty database with the schema and the site's settings, made unless there is a ``url``.

    Raises `OwnDatabaseError` where none can be made, or the given one may not be used.
    """
    with ExitStack() as until_the_end:
        try:
            if url is None:
                database = until_the_end.enter_context(
                    own_database(PURPOSE, otherwise=", or name a database by --database")
                )
            else:
                database = until_the_end.enter_context(_prepared(given_database(url, PURPOSE), run_id))
            _take_settings(database, site)
        except psycopg.Error as exc:
            raise OwnDatabaseError(f"There is no database to work in: {one_line(exc)}") from exc
        yield database


@contextmanager
def _prepared(given: OwnDatabase, run_id: int) -> Iterator[OwnDatabase]:
    """The given database, set up and emptied; no other load test uses it meanwhile."""
    _refuse_the_sites(given, run_id)
    lock = held_lock(given.params, LOCK)
    if lock is None:
        raise OwnDatabaseError(f"--database names {given.name}, in which another load test works.")
    with closing(lock), closing(Database(given.params, name="prepare")) as asked:
        _mark(asked, given.name)
        set_up(given)
        with closing(Testbed(given)) as testbed:
            testbed.empty()
        yield given


def _mark(database: Database, name: str) -> None:
    """Make it one of the load tests'; refuse one that is not and has tables."""
    content = database.row("content") or {}
    if content["has_tables"] and not content["marked"]:
        raise OwnDatabaseError(
            f"--database names {name}, which has tables that no load test made: name an empty database, "
            "or one that load tests have used before."
        )
    database.run("mark")
    database.run("explain_mark")


def _take_settings(database: OwnDatabase, site: Database) -> None:
    """How the site's workers work. A site that is paused pauses no load test."""
    values = site.value("settings")
    assignments = sql.SQL(", ").join(
        sql.SQL("{} = {}").format(sql.Identifier(name), sql.Literal(values[name])) for name in HOW_NAMES
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
