"""Where a load test works: in a database of its own, or in one given to it, and never in one that has another use."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import psycopg
import pytest
from psycopg import sql

from bench import testbed
from bench.loadtest.databases import PURPOSE, load_database
from bench.loadtest.run_lock import LOCK, RunLock
from bench.loadtest.statements import Database
from e2e_site.database import connection_params
from e2e_site.locks import held_lock
from e2e_site.schema import pgmq
from e2e_site.schema.own_database import OwnDatabase, OwnDatabaseError, given_database, prefix, set_up
from tests.support.bus import HandBus
from tests.support.load_runs import plan

Enter = Callable[..., AbstractContextManager[OwnDatabase]]

COMMANDS = "SELECT count(*) FROM commandbus.command"
SETTINGS = "SELECT concurrency, max_delay_ms, backoff_multiplier::float8, heartbeat, paused FROM e2e_config"


@pytest.fixture
def enter(committed: str, django_db_blocker: Any) -> Iterator[Enter]:
    """Enters the database of a load test of the site: the one at an address, or one of its own."""
    with django_db_blocker.unblock():
        site = Database(connection_params(), name="test")

        @contextmanager
        def entered(url: str | None = None) -> Iterator[OwnDatabase]:
            with RunLock(site, plan=plan()) as run_lock, load_database(url, site, run_lock.run_id) as own:
                yield own

        yield entered
        site.close()


def value(url: str, query: str) -> tuple[Any, ...] | None:
    with psycopg.connect(url, autocommit=True) as conn:
        return conn.execute(query.encode()).fetchone()


def refused(enter: Enter, url: str) -> str:
    """Why a load test does not work there."""
    with pytest.raises(OwnDatabaseError) as caught, enter(url):
        pass
    return str(caught.value)


def test_its_own_has_the_settings_of_the_site_and_nothing_else_of_it(enter: Enter, bus: HandBus) -> None:
    bus.send()
    bus.conn.execute(
        "UPDATE e2e_config SET concurrency = 33, max_delay_ms = 70000, backoff_multiplier = 1.5, heartbeat = true,"
        " paused = true"
    )
    with enter() as own:
        assert own.name.startswith(prefix(PURPOSE))
        assert value(own.url, COMMANDS) == (0,)
        assert value(own.url, SETTINGS) == (33, 70_000, 1.5, True, False)  # paused is the site alone
    assert bus.rows("SELECT datname FROM pg_database WHERE datname = %s", [own.name]) == []
    assert value(bus.url, COMMANDS) == (1,)


def test_an_empty_one_is_set_up_emptied_at_each_start_and_stays(
    enter: Enter, empty_database: Callable[[], str], bus: HandBus
) -> None:
    url = empty_database()
    with psycopg.connect(url, autocommit=True) as conn:
        pgmq.install(conn)  # an administrator may have had to
    with enter(url):
        first = HandBus(url)
        first.send()
        first.begin(first.send())
        first.conn.close()
    bus.conn.execute("UPDATE e2e_config SET concurrency = 44")
    with enter(url):
        tables = ("commandbus.command", "commandbus.audit", "test_command", "pgmq.q_test__commands")
        assert [value(url, f"SELECT count(*) FROM {table}") for table in tables] == [(0,)] * len(tables)
        assert value(url, SETTINGS) == value(bus.url, SETTINGS)
    assert value(url, COMMANDS) == (0,), "it is still there"


def test_a_user_who_neither_may_create_databases_nor_owns_the_given_one_can_use_it(
    enter: Enter, empty_database: Callable[[], str], bus: HandBus, limited_user: Callable[[str], str]
) -> None:
    url = empty_database()
    limited = limited_user(url)
    names = [sql.Identifier(str(given_database(url, PURPOSE).name)), sql.Identifier(limited[11:].partition(":")[0])]
    with psycopg.connect(url, autocommit=True) as server:
        server.execute(sql.SQL("GRANT CREATE ON DATABASE {} TO {}").format(*names))
        server.execute(sql.SQL("GRANT CREATE ON SCHEMA public TO {}").format(names[1]))
    for _ in range(2):
        with enter(limited):
            assert value(limited, COMMANDS) == (0,)
    with psycopg.connect(bus.url, autocommit=True) as server:  # what its user has goes before that user
        server.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(names[0]))


def test_the_sites_own_is_refused_even_if_it_is_marked(enter: Enter, bus: HandBus) -> None:
    bus.send()
    bus.conn.execute("CREATE SCHEMA commandbus_loadtest")
    try:
        assert "names the database of this site" in refused(enter, bus.url)
        assert value(bus.url, COMMANDS) == (1,)
    finally:
        bus.conn.execute("DROP SCHEMA commandbus_loadtest")


@pytest.mark.parametrize("content", ["a table", "a queue", "another site without commands"])
def test_one_that_has_another_use_is_refused_and_stays_as_it_is(
    content: str, enter: Enter, empty_database: Callable[[], str]
) -> None:
    url = empty_database()
    with psycopg.connect(url, autocommit=True) as conn:
        if content == "a table":
            conn.execute("CREATE TABLE precious (id INTEGER)")
        elif content == "a queue":
            pgmq.install(conn)
            conn.execute("SELECT pgmq.create('precious')")
        else:
            set_up(given_database(url, PURPOSE))
    assert "has tables that no load test made" in refused(enter, url)
    assert value(url, "SELECT to_regnamespace('commandbus_loadtest') IS NULL") == (True,)
    if content == "another site without commands":
        assert value(url, "SELECT max(version) FROM e2e_config") == (1,)


def test_load_tests_of_two_sites_do_not_share_one(enter: Enter, empty_database: Callable[[], str]) -> None:
    url = empty_database()
    other = held_lock({"conninfo": url}, LOCK)
    assert other is not None
    assert "in which another load test works" in refused(enter, url)
    other.close()


def test_what_holds_its_tables_is_not_waited_for_without_end(
    enter: Enter, empty_database: Callable[[], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(testbed, "LOCKS_WITHIN_S", 0.1)
    url = empty_database()
    with enter(url):
        pass
    with psycopg.connect(url) as reader:
        reader.execute(COMMANDS.encode())
        assert "lock timeout" in refused(enter, url)


def test_one_of_another_schema_is_refused_with_what_to_do(enter: Enter, empty_database: Callable[[], str]) -> None:
    url = empty_database()
    with enter(url):
        pass
    with psycopg.connect(url) as conn:
        conn.execute("UPDATE flyway_schema_history SET checksum = 1 WHERE version = '001'")
    assert "cannot be set up: This database was made by an unreleased state of the schema" in refused(enter, url)
