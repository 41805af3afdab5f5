"""Where a load test works: in a database of its own, or in one given to it, and never in one that has another use."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import psycopg
import pytest
from psycopg import sql

from bench.loadtest import workplace as workplace_module
from bench.loadtest.errors import WorkplaceError
from bench.loadtest.run_lock import LOCK, RunLock
from bench.loadtest.statements import Database
from bench.loadtest.workplace import PURPOSE, given_database, workplace
from e2e_site.database import connection_params, held_lock
from e2e_site.schema import pgmq
from e2e_site.schema.own_database import OwnDatabase, prefix, set_up
from tests.support.bus import HandBus
from tests.support.load_runs import plan

Enter = Callable[..., AbstractContextManager[OwnDatabase]]

COMMANDS = "SELECT count(*) FROM commandbus.command"
SETTINGS = "SELECT concurrency, max_delay_ms, backoff_multiplier::float8, version FROM e2e_config"


@pytest.fixture
def enter(committed: str, django_db_blocker: Any) -> Iterator[Enter]:
    """Enters the workplace of a load test of the site: the database at an address, or one of its own."""
    with django_db_blocker.unblock():
        site = Database(connection_params(), name="test")

        @contextmanager
        def entered(url: str | None = None) -> Iterator[OwnDatabase]:
            given = given_database(url) if url else None
            with RunLock(site, plan=plan()) as run_lock, workplace(given, run_lock, site.value("settings")) as own:
                yield own

        yield entered
        site.close()


def value(url: str, query: str) -> tuple[Any, ...] | None:
    with psycopg.connect(url, autocommit=True) as conn:
        return conn.execute(query.encode()).fetchone()


def refused(enter: Enter, url: str) -> str:
    """Why a load test does not work there."""
    with pytest.raises(WorkplaceError) as caught, enter(url):
        pass
    return str(caught.value)


# -- of its own ------------------------------------------------------------------------------------------------------


def test_its_own_database_has_the_settings_of_the_site_and_nothing_else_of_it(enter: Enter, bus: HandBus) -> None:
    bus.send()
    bus.conn.execute("UPDATE e2e_config SET concurrency = 33, max_delay_ms = 70000, backoff_multiplier = 1.5")
    with enter() as own:
        assert own.name.startswith(prefix(PURPOSE))
        assert value(own.url, COMMANDS) == (0,)
        assert value(own.url, SETTINGS) == (33, 70_000, 1.5, 2) == value(bus.url, SETTINGS)
    assert bus.rows("SELECT datname FROM pg_database WHERE datname = %s", [own.name]) == []
    assert value(bus.url, COMMANDS) == (1,)


def test_a_user_who_may_not_create_one_hears_of_the_option(
    enter: Enter, bus: HandBus, limited_user: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", limited_user(bus.url))
    with pytest.raises(WorkplaceError, match=r"ALTER ROLE .* Or name an empty database with --database\.$"), enter():
        pass
    (row,) = bus.rows("SELECT state, verdict FROM load_run")
    assert row["state"] == "failed"
    assert "with --database" in row["verdict"]


# -- given to it -----------------------------------------------------------------------------------------------------


def test_an_empty_database_is_set_up_emptied_at_each_start_and_stays(
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
        assert value(url, "SELECT nextval(pg_get_serial_sequence('commandbus.audit', 'audit_id'))") == (1,)
    assert value(url, COMMANDS) == (0,), "it is still there"


def test_a_given_database_of_another_schema_is_refused_by_the_name_of_the_file(
    enter: Enter, empty_database: Callable[[], str], bus: HandBus
) -> None:
    url = empty_database()
    with enter(url):
        pass
    with psycopg.connect(url) as conn:
        conn.execute("UPDATE flyway_schema_history SET checksum = 1 WHERE version = '001'")
    assert "cannot be set up: V001__" in refused(enter, url)
    assert "cannot be set up: V001__" in bus.value("SELECT verdict FROM load_run WHERE state = 'failed'")


def test_a_user_who_may_not_create_one_can_use_a_given_one(
    enter: Enter, empty_database: Callable[[], str], bus: HandBus, limited_user: Callable[[str], str]
) -> None:
    url = empty_database()
    name = given_database(url).name
    limited = limited_user(url)
    user = given_database(limited).params["user"]
    with psycopg.connect(url, autocommit=True) as server:
        server.execute(sql.SQL("ALTER DATABASE {} OWNER TO {}").format(*map(sql.Identifier, (name, user))))
    for _ in range(2):
        with enter(limited):
            assert value(limited, COMMANDS) == (0,)
    with psycopg.connect(bus.url, autocommit=True) as server:  # its user goes before it would
        server.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


def test_the_site_s_own_database_is_refused_even_if_it_is_marked(enter: Enter, bus: HandBus) -> None:
    bus.send()
    bus.conn.execute("CREATE SCHEMA commandbus_loadtest")
    try:
        assert "names the site's own database" in refused(enter, bus.url)
        assert value(bus.url, COMMANDS) == (1,)
    finally:
        bus.conn.execute("DROP SCHEMA commandbus_loadtest")


@pytest.mark.parametrize("content", ["a table", "a queue", "a site"])
def test_a_database_that_has_another_use_is_refused_and_stays_as_it_is(
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
            set_up(given_database(url))
    assert "has tables that no load test made" in refused(enter, url)
    assert value(url, "SELECT to_regnamespace('commandbus_loadtest') IS NULL") == (True,)
    if content == "a site":
        assert value(url, "SELECT max(version) FROM e2e_config") == (1,)


def test_two_load_tests_of_two_sites_do_not_share_a_database(enter: Enter, empty_database: Callable[[], str]) -> None:
    url = empty_database()
    other = held_lock(given_database(url).params, LOCK)
    assert other is not None
    assert "Another load test works in database" in refused(enter, url)
    other.close()


def test_what_holds_its_tables_is_not_waited_for_without_end(
    enter: Enter, empty_database: Callable[[], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workplace_module, "LOCK_TIMEOUT_MS", 100)
    url = empty_database()
    with enter(url):
        pass
    with psycopg.connect(url) as reader:
        reader.execute(COMMANDS.encode())
        assert "lock timeout" in refused(enter, url)


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("postgres://bus:secret@127.0.0.1:1/none", "There is no database to work in: connection failed"),
        ("postgres://bus:secret@127.0.0.1/", "--database must name a PostgreSQL database: postgres://user:"),
        ("mysql://bus:secret@127.0.0.1/none", "--database must name a PostgreSQL database: postgres://user:"),
        ("secret", "--database must name a PostgreSQL database: postgres://user:"),
        ("postgres://bus:secret@127.0.0.1:port/none", "--database cannot be read; expected postgres://user:"),
    ],
)
def test_an_address_that_leads_nowhere_is_one_line_without_its_password(url: str, problem: str, enter: Enter) -> None:
    said = refused(enter, url)
    assert said.startswith(problem)
    assert "secret" not in said
    assert "\n" not in said
