"""Where a load test works: in a database of its own, or in the one that ``--database`` names.

A load test empties the latter at its start, so it has to belong to load tests: the first one finds it empty and leaves
a mark in it, the schema ``commandbus_loadtest``.
"""

from __future__ import annotations

import json
from contextlib import ExitStack, closing, contextmanager
from typing import TYPE_CHECKING, Any

import psycopg
from django.core.exceptions import ImproperlyConfigured

from bench.loadtest.errors import WorkplaceError
from bench.loadtest.run_lock import LOCK
from bench.loadtest.statements import STATEMENTS, TABLES, Database, one_line
from e2e_site.database import held_lock
from e2e_site.schema.own_database import MayNotCreateError, OwnDatabase, OwnDatabaseError, own_database, set_up

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from bench.loadtest.run_lock import RunLock

PURPOSE = "loadtest"
LOCK_TIMEOUT_MS = 10_000  # for what still works in a given database


def given_database(url: str) -> OwnDatabase:
    """The database of ``--database``; nothing is connected yet. Raises `WorkplaceError`."""
    try:
        return OwnDatabase.at(url, given_as="--database")
    except ImproperlyConfigured as exc:
        raise WorkplaceError(str(exc)) from exc


@contextmanager
def workplace(given: OwnDatabase | None, run_lock: RunLock, settings: Mapping[str, Any]) -> Iterator[OwnDatabase]:
    """A database with the whole schema, no commands and the site's settings row; one of its own is dropped afterwards.

    Raises `WorkplaceError`.
    """
    with ExitStack() as stack:
        try:
            database = stack.enter_context(own_database(PURPOSE) if given is None else _prepared(given, run_lock))
            _take_settings(database, settings)
        except MayNotCreateError as exc:
            raise WorkplaceError(f"{exc} Or name an empty database with --database.") from exc
        except OwnDatabaseError as exc:
            raise WorkplaceError(str(exc)) from exc
        except psycopg.Error as exc:
            raise WorkplaceError(f"There is no database to work in: {one_line(exc)}") from exc
        yield database


@contextmanager
def _prepared(given: OwnDatabase, run_lock: RunLock) -> Iterator[OwnDatabase]:
    """The given database, set up and emptied; no other load test may use it meanwhile."""
    with closing(Database(given.params, name="prepare")) as asked:
        lock = held_lock(given.params, LOCK)
        if lock is None and asked.value("is_the_site", pid=run_lock.server_pid, lock=LOCK):
            raise WorkplaceError("--database names the site's own database: name one that only load tests use.")
        if lock is None:
            raise WorkplaceError(f"Another load test works in database {given.name}.")
        with closing(lock):
            _mark(asked, given.name)
            set_up(given)
            _empty(given)
            yield given


def _mark(database: Database, name: str) -> None:
    """Make it one of the load tests'. Refuse one that is not and has tables."""
    content = database.row("content") or {}
    if content["has_tables"] and not content["marked"]:
        raise WorkplaceError(
            f"Database {name} has tables that no load test made, and a load test empties its database: "
            "name an empty one with --database, or one that load tests have used before."
        )
    database.run("mark")
    database.run("explain_mark")


def _empty(given: OwnDatabase) -> None:
    with psycopg.connect(**given.params) as conn:
        conn.execute("SELECT set_config('lock_timeout', %s, true)", [str(LOCK_TIMEOUT_MS)])
        conn.execute(STATEMENTS.text("empty", **TABLES))


def _take_settings(database: OwnDatabase, row: Mapping[str, Any]) -> None:
    with psycopg.connect(**database.params) as conn:
        conn.execute(STATEMENTS.text("forget_settings"))
        conn.execute(STATEMENTS.text("take_settings"), {"row": json.dumps(row)})
