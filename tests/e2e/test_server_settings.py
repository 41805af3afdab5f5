"""A database, or a user of it, with settings of its own for every session: what the site does goes by none of them."""

from collections.abc import Iterator
from pathlib import Path
from typing import LiteralString

import environ
import psycopg
import pytest
from psycopg import sql

from e2e_site.schema.own_database import renamed
from tests.conftest import StartManage
from tests.support.clusters import server_url
from tests.support.pooler import pooler_before

NAME = "commandbus_odd_settings"
OF_THE_DATABASE = {
    "client_encoding": "LATIN1",
    "bytea_output": "escape",
    "datestyle": "SQL, DMY",
    "default_transaction_isolation": "serializable",
    "extra_float_digits": "-15",
    "intervalstyle": "sql_standard",
    "lc_time": "C",
    "quote_all_identifiers": "on",
    "row_security": "off",
    "search_path": "nonsense",
    "standard_conforming_strings": "off",
    "timezone": "Asia/Kathmandu",
}
SEND = """
from commands.rules.behaviors import Behavior, BehaviorType
from commands.bus.send import send_test_command
for kind in ("success", "fail_permanent"):
    send_test_command(Behavior(type=BehaviorType(kind)), payload={"price": "1 €", "path": "C:\\\\new"})
"""
LOOK = """
from django.test import Client
from commands.models import TestCommand
for path in ("/", *(f"/commands/{sent.command_id}/" for sent in TestCommand.objects.all())):
    print(Client().get(path, headers={"host": "localhost"}).status_code)
"""


@pytest.fixture
def server(database_url: str) -> Iterator[psycopg.Connection]:
    """A superuser's connection to the server of the tests."""
    with psycopg.connect(server_url("postgres"), autocommit=True) as conn:
        if conn.execute("SELECT FROM pg_roles WHERE rolname = current_user AND rolsuper").fetchone() is None:
            pytest.skip("The server's user may not make users and databases.")
        yield conn
        conn.execute(ddl("DROP DATABASE IF EXISTS {} WITH (FORCE)", NAME))


@pytest.fixture
def odd_database(server: psycopg.Connection) -> str:
    """The address of an empty database with such settings."""
    server.execute(ddl("CREATE DATABASE {}", NAME))
    for setting, value in OF_THE_DATABASE.items():
        server.execute(ddl("ALTER DATABASE {} SET {} = ", NAME, setting) + sql.Literal(value))
    return renamed(server_url("postgres"), NAME)


@pytest.fixture
def named_like_our_schema(server: psycopg.Connection) -> Iterator[str]:
    """The address of an empty database for its owner, whose sessions find the schema of their own name first."""
    server.execute(ddl("CREATE ROLE {} LOGIN PASSWORD 'x'", "commandbus"))
    server.execute(ddl("CREATE DATABASE {} OWNER {}", NAME, "commandbus"))
    server.execute(ddl("ALTER DATABASE {} SET datestyle = 'SQL, DMY'", NAME))
    at = environ.Env.db_url_config(server_url("postgres"))
    yield f"postgres://commandbus:x@{at['HOST']}:{at['PORT']}/{NAME}"
    server.execute(ddl("DROP DATABASE {} WITH (FORCE)", NAME))
    server.execute(ddl("DROP ROLE {}", "commandbus"))


def ddl(statement: LiteralString, *names: str) -> sql.Composed:
    return sql.SQL(statement).format(*map(sql.Identifier, names))


def test_setup_sending_working_looking_and_pruning_go_by_no_setting_of_the_database(
    odd_database: str, start_manage: StartManage
) -> None:
    def manage(*words: str) -> str:
        program = start_manage(*words, DATABASE_URL=odd_database, PUBLIC_READ="true")
        assert program.wait(60) == 0, program.output
        return program.output

    manage("setup")
    assert "nothing to do" in manage("setup")
    manage("shell", "-v0", "-c", SEND)
    manage("runworker", "--once", "--max-wait=30")
    assert manage("shell", "-v0", "-c", LOOK).splitlines() == ["200"] * 3
    with psycopg.connect(odd_database, client_encoding="UTF8") as conn:
        rows = conn.execute(
            "SELECT status, payload ->> 'price', payload ->> 'path' FROM commandbus.command"
            " JOIN public.test_command USING (command_id) ORDER BY id"
        ).fetchall()
        assert rows == [("COMPLETED", "1 €", r"C:\new"), ("IN_TROUBLESHOOTING_QUEUE", "1 €", r"C:\new")]
        conn.execute("UPDATE commandbus.command SET updated_at = now() - interval '2 days'")
    assert "Removed 1 " in manage("prune", "--older-than=1d")


def test_a_user_named_like_our_schema_has_the_tables_of_django_in_public_and_works_through_a_pooler(
    named_like_our_schema: str, start_manage: StartManage, tmp_path: Path
) -> None:
    def setup(url: str) -> tuple[int, str]:
        program = start_manage("setup", DATABASE_URL=url)
        return program.wait(60), program.output

    with pooler_before(named_like_our_schema, tmp_path) as pooled:
        code, said = setup(pooled)
        assert code == 1
        assert said.splitlines()[-1] == (
            "CommandError: Django's tables would land in schema commandbus and not in public: let user commandbus run "
            f'"ALTER ROLE commandbus IN DATABASE {NAME} SET search_path = public".'
        )
        assert setup(named_like_our_schema)[0] == 0
        assert setup(pooled) == (0, "The database is ready; nothing to do.\n")
        look = start_manage(
            "shell", "-v0", "-c", SEND + LOOK, DATABASE_URL=pooled, PUBLIC_READ="true", LOG_LEVEL="ERROR"
        )
        assert look.wait() == 0, look.output
        assert look.output.splitlines() == ["200"] * 3
    with psycopg.connect(named_like_our_schema) as conn:
        found = conn.execute("SELECT DISTINCT schemaname FROM pg_tables WHERE tablename ~ '^(django|auth)_'").fetchall()
        assert found == [("public",)]
