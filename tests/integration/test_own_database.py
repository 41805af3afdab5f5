"""A database of one's own: with the whole schema, for one purpose, and gone afterwards."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from e2e_site.database import held_lock, params_at
from e2e_site.schema.own_database import MayNotCreateError, OwnDatabase, own_database, prefix, renamed
from tests.integration.conftest import Manage
from tests.support.pooler import pooler_before

SCENE = "scene"  # a purpose that nothing else has


def names(url: str, purpose: str = SCENE) -> set[str]:
    """Those of this process: other test processes may have theirs meanwhile."""
    with psycopg.connect(url) as conn:
        rows = conn.execute(
            "SELECT datname FROM pg_database WHERE starts_with(datname, %s)", [f"{prefix(purpose)}{os.getpid()}_"]
        )
        return {name for (name,) in rows}


@contextmanager
def left_by(url: str, name: str) -> Iterator[None]:
    """A database of this name that no process of ours will drop, or only by its prefix."""
    with psycopg.connect(url, autocommit=True) as server:
        server.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        yield
        server.execute(sql.SQL("DROP DATABASE IF EXISTS {}").format(sql.Identifier(name)))


def test_it_has_the_whole_schema_and_is_dropped_afterwards(database_url: str) -> None:
    with own_database(SCENE) as own:
        assert names(database_url) == {own.name}
        with psycopg.connect(own.url) as conn:
            assert conn.execute("SELECT count(*) FROM commandbus.command").fetchone() == (0,)
            assert conn.execute("SELECT to_regclass('pgmq.q_test__commands') IS NOT NULL").fetchone() == (True,)
            assert conn.execute("SELECT count(*) > 0 FROM auth_permission").fetchone() == (True,)
    assert names(database_url) == set()


def test_it_is_dropped_after_ctrl_c_with_connections_still_open(database_url: str) -> None:
    def fail(own: OwnDatabase) -> None:
        connections.append(psycopg.connect(own.url))
        raise KeyboardInterrupt

    connections: list[psycopg.Connection] = []
    with pytest.raises(KeyboardInterrupt), own_database(SCENE) as own:
        fail(own)
    assert names(database_url) == set()
    connections[0].close()


def test_one_that_cannot_be_dropped_is_named_and_does_not_hide_how_the_work_ended(
    database_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    with psycopg.connect(database_url, autocommit=True) as server:
        with own_database(SCENE, template="template0") as own:
            server.execute(sql.SQL("ALTER DATABASE {} IS_TEMPLATE true").format(sql.Identifier(own.name)))
        assert names(database_url) == {own.name}
        server.execute(sql.SQL("ALTER DATABASE {} IS_TEMPLATE false").format(sql.Identifier(own.name)))
    (record,) = caplog.records
    assert record.action == "database_left"  # type: ignore[attr-defined]
    assert own.name in record.getMessage()
    with own_database(SCENE, template="template0"):
        assert own.name not in names(database_url)


def test_what_a_killed_process_left_is_dropped_by_the_next_start_and_what_lives_is_not(database_url: str) -> None:
    dead, alive, other = (f"{prefix(purpose)}{os.getpid()}_x{n}" for n, purpose in enumerate((SCENE, SCENE, "scent")))
    # The living one holds its lock in another database than the one that is asked.
    with left_by(database_url, dead), left_by(database_url, alive), left_by(database_url, other):
        lock = held_lock(params_at(database_url), alive)
        assert lock is not None
        with own_database(SCENE, template="template0") as own:
            assert names(database_url) == {alive, own.name}
            assert names(database_url, "scent") == {other}
        lock.close()
        with own_database(SCENE, template="template0") as own:
            assert names(database_url) == {own.name}


def test_behind_a_pooler_what_lives_is_not_dropped_either(database_url: str, tmp_path: Path) -> None:
    with pooler_before(database_url, tmp_path) as pooled:
        with (
            own_database(SCENE, server=pooled, template="template0") as first,
            own_database(SCENE, server=pooled, template="template0") as second,
        ):
            assert names(database_url) == {first.name, second.name}
        assert names(database_url) == set()


def test_it_may_be_a_copy_of_another_one(database_url: str) -> None:
    with own_database(SCENE) as first:
        with psycopg.connect(first.url) as conn:
            conn.execute("UPDATE e2e_config SET concurrency = 77")
        with own_database(SCENE, template=first.name) as second, psycopg.connect(second.url) as conn:
            assert conn.execute("SELECT concurrency FROM e2e_config").fetchone() == (77,)


def test_its_programs_work_on_nothing_else(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    own = OwnDatabase.at("postgres://bus:s%20cret@db.example.org/own?sslmode=require")
    monkeypatch.setenv("LISTEN_DATABASE_URL", database_url)
    environment = own.environment()
    assert (environment["DATABASE_URL"], environment["LISTEN_DATABASE_URL"]) == (own.url, "")
    assert (own.name, own.password, own.params["sslmode"]) == ("own", "s cret", "require")
    assert "cret" not in own.conninfo()
    assert "cret" not in repr(own)


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("postgres://u:p@host:5432/site", "postgres://u:p@host:5432/own"),
        ("postgres://u:p%2F@host/site?sslmode=require&x=a/b", "postgres://u:p%2F@host/own?sslmode=require&x=a/b"),
    ],
)
def test_its_address_is_the_site_s_with_another_name(url: str, expected: str) -> None:
    assert renamed(url, "own") == expected


def test_a_user_who_may_not_create_databases_is_told_so(database_url: str, limited_user: Callable[[str], str]) -> None:
    wanted = pytest.raises(MayNotCreateError, match=r'ALTER ROLE e2e_limited_.* CREATEDB"')
    with wanted, own_database(SCENE, server=limited_user(database_url)):
        pass
    assert names(database_url) == set()


def test_a_benchmark_says_in_one_line_that_it_may_not_create_its_database(
    database_url: str, limited_user: Callable[[str], str], manage: Manage
) -> None:
    done = manage(limited_user(database_url), "benchmark", "drain")
    assert done.returncode == 1
    assert "may not create a database" in done.stdout
    assert done.stdout.count("\n") == 1
