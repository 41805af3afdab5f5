"""The database of a benchmark: its own, and gone afterwards."""

import os
from collections.abc import Callable

import psycopg
import pytest
from psycopg import sql

from e2e_site.schema.own_database import PREFIX, OwnDatabase, own_database, renamed
from tests.integration.conftest import Manage

DJANGO = pytest.mark.django_db(transaction=True)  # its settings say where the server is


def benchmark_databases(url: str) -> set[str]:
    with psycopg.connect(url) as conn:
        rows = conn.execute("SELECT datname FROM pg_database WHERE starts_with(datname, %s)", [PREFIX])
        return {name for (name,) in rows}


def own_of_this_process(url: str) -> set[str]:
    """Other test processes may have theirs meanwhile."""
    return {name for name in benchmark_databases(url) if name.startswith(f"{PREFIX}{os.getpid()}_")}


@DJANGO
def test_it_has_the_whole_schema_and_is_dropped_afterwards(database_url: str) -> None:
    with own_database() as own:
        assert own_of_this_process(database_url) == {own.name}
        with psycopg.connect(own.url) as conn:
            assert conn.execute("SELECT count(*) FROM commandbus.command").fetchone() == (0,)
            assert conn.execute("SELECT to_regclass('pgmq.q_loadtest__commands') IS NOT NULL").fetchone() == (True,)
    assert own_of_this_process(database_url) == set()


@DJANGO
def test_it_is_dropped_after_an_error_with_connections_still_open(database_url: str) -> None:
    def fail(own: OwnDatabase) -> None:
        connections.append(psycopg.connect(own.url))
        raise KeyboardInterrupt

    connections: list[psycopg.Connection] = []
    with pytest.raises(KeyboardInterrupt), own_database() as own:
        fail(own)
    assert own_of_this_process(database_url) == set()
    connections[0].close()


@DJANGO
def test_what_a_killed_benchmark_left_is_dropped_by_the_next_one_and_a_running_one_is_not(database_url: str) -> None:
    dead, alive = f"{PREFIX}{os.getpid()}_dead", f"{PREFIX}{os.getpid()}_alive"
    with (
        psycopg.connect(database_url, autocommit=True) as server,
        psycopg.connect(database_url, application_name=alive),
    ):
        for name in (dead, alive):
            server.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        with own_database() as own:
            assert own_of_this_process(database_url) == {alive, own.name}
    with own_database() as own:
        assert own_of_this_process(database_url) == {own.name}


@DJANGO
def test_its_programs_work_on_nothing_else(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LISTEN_DATABASE_URL", database_url)
    with own_database() as own:
        environment = own.environment()
        assert own.password not in own.conninfo() or not own.password
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


def test_a_user_who_may_not_create_databases_is_told_so(
    database_url: str, limited_user: Callable[[str], str], manage: Manage
) -> None:
    done = manage(limited_user(database_url), "benchmark", "drain")
    assert done.returncode == 1
    assert "may not create one" in done.stdout
    assert "ALTER ROLE" in done.stdout
    assert "Traceback" not in done.stdout
