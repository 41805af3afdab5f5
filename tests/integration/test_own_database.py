"""A database of one's own: with the whole schema, and gone afterwards."""

import os
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from e2e_site.locks import held_lock
from e2e_site.schema.own_database import (
    OwnDatabase,
    OwnDatabaseError,
    given_database,
    own_database,
    prefix,
    renamed,
    without_password,
)
from tests.integration.conftest import Manage
from tests.support.pooler import pooler_before

PURPOSE = "proof"
PREFIX = prefix(PURPOSE)
DJANGO = pytest.mark.django_db(transaction=True)  # its settings say where the server is


def databases_of_proofs(url: str) -> set[str]:
    with psycopg.connect(url) as conn:
        rows = conn.execute("SELECT datname FROM pg_database WHERE starts_with(datname, %s)", [PREFIX])
        return {name for (name,) in rows}


def own_of_this_process(url: str) -> set[str]:
    """Other test processes may have theirs meanwhile."""
    return {name for name in databases_of_proofs(url) if name.startswith(f"{PREFIX}{os.getpid()}_")}


@DJANGO
def test_it_has_the_whole_schema_and_is_dropped_afterwards(database_url: str) -> None:
    with own_database(PURPOSE) as own:
        assert own_of_this_process(database_url) == {own.name}
        with psycopg.connect(own.url) as conn:
            assert conn.execute("SELECT count(*) FROM commandbus.command").fetchone() == (0,)
            assert conn.execute("SELECT to_regclass('pgmq.q_test__commands') IS NOT NULL").fetchone() == (True,)
    assert own_of_this_process(database_url) == set()


@DJANGO
def test_it_is_dropped_after_an_error_with_connections_still_open(database_url: str) -> None:
    def fail(own: OwnDatabase) -> None:
        connections.append(psycopg.connect(own.url))
        raise KeyboardInterrupt

    connections: list[psycopg.Connection] = []
    with pytest.raises(KeyboardInterrupt), own_database(PURPOSE) as own:
        fail(own)
    assert own_of_this_process(database_url) == set()
    connections[0].close()


@DJANGO
def test_what_a_killed_owner_left_is_dropped_by_the_next_one_and_that_of_a_living_one_is_not(database_url: str) -> None:
    dead, alive = f"{PREFIX}{os.getpid()}_dead", f"{PREFIX}{os.getpid()}_alive"
    lock = held_lock({"conninfo": database_url}, alive)  # held in another database than the next owner's
    assert lock is not None
    with psycopg.connect(database_url, autocommit=True) as server:
        for name in (dead, alive):
            server.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        with own_database(PURPOSE) as own:
            assert own_of_this_process(database_url) == {alive, own.name}
    lock.close()
    with own_database(PURPOSE) as own:
        assert own_of_this_process(database_url) == {own.name}


@DJANGO
def test_behind_a_pooler_that_of_a_living_one_is_not_dropped_either(
    database_url: str, django_uses: Callable[[str], None], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with pooler_before(database_url, tmp_path) as pooled:
        django_uses(pooled)
        monkeypatch.setenv("DATABASE_URL", pooled)
        with own_database(PURPOSE) as first, own_database(PURPOSE) as second:
            assert own_of_this_process(database_url) == {first.name, second.name}
        assert own_of_this_process(database_url) == set()
        django_uses(database_url)


@DJANGO
def test_one_that_cannot_be_dropped_is_named_and_does_not_hide_how_the_work_ended(
    database_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    with psycopg.connect(database_url, autocommit=True) as server:
        with own_database(PURPOSE) as own:
            server.execute(sql.SQL("ALTER DATABASE {} IS_TEMPLATE true").format(sql.Identifier(own.name)))
        assert own_of_this_process(database_url) == {own.name}
        server.execute(sql.SQL("ALTER DATABASE {} IS_TEMPLATE false").format(sql.Identifier(own.name)))
    (record,) = (record for record in caplog.records if getattr(record, "action", "") == "database_left")
    assert own.name in record.getMessage()
    with own_database(PURPOSE):
        assert own.name not in own_of_this_process(database_url)


def test_it_may_be_a_copy_of_another_one_on_a_server_that_is_named(database_url: str) -> None:
    with own_database(PURPOSE, server=database_url, template="template0") as first:
        with psycopg.connect(first.url) as conn:
            conn.execute("CREATE TABLE kept (id INTEGER)")
        with own_database(PURPOSE, server=database_url, template=first.name) as second:
            assert own_of_this_process(database_url) == {first.name, second.name}
            with psycopg.connect(**second.params) as conn:
                assert conn.execute("SELECT count(*) FROM kept").fetchone() == (0,)
    assert own_of_this_process(database_url) == set()


@DJANGO
def test_its_programs_work_on_nothing_else(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LISTEN_DATABASE_URL", database_url)
    with own_database(PURPOSE) as own:
        environment = own.environment()
        assert own.password not in own.conninfo() or not own.password
        assert own.password not in repr(own) or not own.password
    assert environment["DATABASE_URL"] == own.url != database_url
    assert "LISTEN_DATABASE_URL" not in environment


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("postgres://u:p@host:5432/site", "postgres://u:p@host:5432/own"),
        ("postgres://u:p%2F@host/site?sslmode=require&x=a/b", "postgres://u:p%2F@host/own?sslmode=require&x=a/b"),
    ],
)
def test_its_address_is_the_site_s_with_another_name(url: str, expected: str) -> None:
    assert renamed(url, "own") == expected


def test_one_that_is_given_stays_where_it_is_and_has_to_be_there(database_url: str) -> None:
    given = given_database(database_url, PURPOSE)
    with psycopg.connect(**given.params) as conn:
        row = conn.execute("SELECT current_database(), current_setting('application_name')").fetchone()
    assert row == (given.name, PURPOSE)
    with pytest.raises(OwnDatabaseError, match="cannot be used") as caught:
        given_database(renamed(database_url, "no_such_database"), PURPOSE)
    assert given.password not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgres://u:p@host:5432/site", "postgres://u@host:5432/site"),
        ("postgres://host/site", "postgres://host/site"),
        ("host=x password=y", "that is given"),
    ],
)
def test_a_password_is_not_shown(url: str, shown: str) -> None:
    assert without_password(url) == shown


@pytest.mark.parametrize(
    ("command", "otherwise"),
    [(("benchmark", "drain"), ""), (("loadtest", "--commands=1"), ", or name a database by --database")],
)
def test_a_user_who_may_not_create_databases_is_told_so(
    command: tuple[str, ...], otherwise: str, database_url: str, limited_user: Callable[[str], str], manage: Manage
) -> None:
    url = limited_user(database_url)
    user = url.partition("://")[2].partition(":")[0]
    with psycopg.connect(database_url, autocommit=True) as server:  # to the tables, not to databases
        server.execute(sql.SQL("GRANT {} TO {}").format(sql.Identifier(server.info.user), sql.Identifier(user)))
    done = manage(url, *command)
    with psycopg.connect(database_url, autocommit=True) as server:
        server.execute(sql.SQL("REVOKE {} FROM {}").format(sql.Identifier(server.info.user), sql.Identifier(user)))
        server.execute("TRUNCATE public.load_run CASCADE")
    assert done.returncode == 2
    assert (
        f'user {user} may not create one: let an administrator run "ALTER ROLE {user} CREATEDB"{otherwise}.'
        in done.stdout
    )
    assert "Traceback" not in done.stdout
