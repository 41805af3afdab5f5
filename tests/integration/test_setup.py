"""``manage.py setup``: everything in order, nothing twice, from anywhere, in one line each."""

import subprocess
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg
import pytest
from psycopg import sql
from pytest_django import DjangoDbBlocker

from e2e_site.roles import ROLES
from e2e_site.schema.setup import missing_in_django, set_up
from tests.integration.conftest import Manage
from tests.support.clusters import CHECKOUT

MakeDatabase = Callable[[], str]

EVERYTHING = """
SELECT to_regclass('public.test_command') IS NOT NULL, to_regclass('public.auth_user') IS NOT NULL,
       to_regclass('pgmq.q_test__commands') IS NOT NULL, (SELECT count(*) FROM e2e_config) = 1,
       (SELECT array_agg(name::TEXT ORDER BY id) FROM auth_group)
"""


def everything_is_there(url: str) -> bool:
    with psycopg.connect(url) as conn:
        return conn.execute(EVERYTHING).fetchone() == (True, True, True, True, list(ROLES))


def succeeded(done: "subprocess.CompletedProcess[str]") -> str:
    assert done.returncode == 0, done.stdout
    return done.stdout


def test_a_database_that_does_not_exist_is_made_whole_once(manage: Manage, missing_database: MakeDatabase) -> None:
    url = missing_database()

    said = succeeded(manage(url, "setup")).splitlines()

    assert everything_is_there(url)
    migrations = len(list((CHECKOUT / "migrations_flyway").glob("*.sql")))
    assert [line.split()[0] for line in said] == ["Database", "PGMQ", str(migrations), "Django's"]
    # A second one does nothing.
    assert succeeded(manage(url, "setup")) == "The database is ready; nothing to do.\n"


def test_where_nothing_changed_nothing_is_run(database_url: str, django_uses: Callable[[str], None]) -> None:
    django_uses(database_url)
    said: list[str] = []

    # Django's own `migrate` would need its database connection, which this test may not use.
    set_up(said.append)

    assert said == []


def test_a_database_that_another_process_makes_meanwhile_is_taken(
    missing_database: MakeDatabase,
    database_url: str,
    django_uses: Callable[[str], None],
    django_db_blocker: DjangoDbBlocker,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    url = missing_database()
    django_uses(url)
    connect = psycopg.connect

    def connect_late(*args: Any, **kwargs: Any) -> Any:
        try:
            return connect(*args, **kwargs)
        except psycopg.OperationalError:
            with connect(database_url, autocommit=True) as other:
                other.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(url.rpartition("/")[2])))
            raise

    monkeypatch.setattr(psycopg, "connect", connect_late)
    with django_db_blocker.unblock():
        set_up(lambda line: None)

    assert everything_is_there(url)


def test_two_setups_at_once_do_everything_once(manage: Manage, missing_database: MakeDatabase) -> None:
    url = missing_database()
    with ThreadPoolExecutor(max_workers=3) as pool:
        said = "".join(succeeded(done) for done in pool.map(lambda _: manage(url, "setup"), range(3)))

    assert everything_is_there(url)
    for once in ("created", "PGMQ", "migrations applied", "Django's tables"):
        assert said.count(once) == 1, said


@pytest.mark.parametrize("order", [("migrate", "flyway"), ("flyway", "migrate")], ids="-then-".join)
def test_django_and_flyway_may_migrate_in_either_order(
    manage: Manage, empty_database: MakeDatabase, order: tuple[str, str]
) -> None:
    url = empty_database()
    succeeded(manage(url, "pgmq", "install"))
    for tool in order:
        succeeded(manage(url, *(["migrate"] if tool == "migrate" else ["flyway", "--runner", "builtin", "migrate"])))

    assert everything_is_there(url)
    assert succeeded(manage(url, "setup")) == "The database is ready; nothing to do.\n"


def test_migrate_on_an_empty_database_says_what_is_missing_and_works(
    manage: Manage, empty_database: MakeDatabase
) -> None:
    said = succeeded(manage(empty_database(), "migrate"))

    assert "commands.W002" in said
    assert "Applying auth.0001_initial... OK" in said


LATER_RIGHT = """
    WITH later AS (
        INSERT INTO public.auth_permission (name, content_type_id, codename)
        SELECT 'Can do more', id, 'do_more' FROM public.django_content_type WHERE model = 'testcommand' RETURNING id
    )
    INSERT INTO public.auth_group_permissions (group_id, permission_id)
    SELECT g.id, later.id FROM public.auth_group g, later WHERE g.name = 'operator'
"""  # of a version that comes after this one, which works on beside it


def test_permissions_and_roles_are_missing_until_setup_ran(manage: Manage, complete_database: MakeDatabase) -> None:
    url = complete_database()
    with psycopg.connect(url, autocommit=True) as conn:
        assert missing_in_django(conn) == []
        conn.execute("TRUNCATE auth_group_permissions")
        conn.execute("DELETE FROM auth_permission WHERE codename = 'add_testcommand'")

        assert missing_in_django(conn) == ["commands.add_testcommand"]
        succeeded(manage(url, "setup"))
        assert missing_in_django(conn) == []
        conn.execute("DELETE FROM auth_group_permissions USING auth_group g WHERE g.id = group_id AND name = 'admin'")
        conn.execute("INSERT INTO auth_group (name) VALUES ('auditors')")
        assert missing_in_django(conn) == ["the role admin"]
        conn.execute(LATER_RIGHT)
        assert missing_in_django(conn) == ["the role admin"]
        said = succeeded(manage(url, "setup"))
        assert "permissions and roles brought up to date (1 missing, first the role admin)" in said
        assert missing_in_django(conn) == []


def test_a_database_that_this_user_may_not_make_is_one_clear_line(
    manage: Manage, missing_database: MakeDatabase, limited_user: Callable[[str], str]
) -> None:
    done = manage(limited_user(missing_database()), "setup")

    assert done.returncode == 1
    assert "may not create it: let an administrator run" in done.stdout
    assert done.stdout.count("\n") == 1


@pytest.mark.parametrize("command", [["setup"], ["flyway", "info"], ["pgmq", "install"]], ids=" ".join)
def test_a_server_that_does_not_answer_is_one_clear_line(manage: Manage, command: list[str]) -> None:
    done = manage("postgres://nobody@127.0.0.1:1/nowhere", *command)

    assert done.returncode == 1
    assert "CommandError: The database cannot be used: connection failed" in done.stdout
    assert done.stdout.count("\n") == 1


def test_a_changed_migration_stops_setup_and_is_named(manage: Manage, complete_database: MakeDatabase) -> None:
    url = complete_database()
    with psycopg.connect(url) as conn:
        conn.execute("UPDATE flyway_schema_history SET checksum = 1 WHERE version = '004'")

    done = manage(url, "setup")

    assert done.returncode == 1
    assert "V004__config_table.sql was changed after it was applied" in done.stdout
