"""The set-up checks: each id, what it names, and that it never stops the cure."""

from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest
from django.core.checks import Tags, run_checks

from commands import checks
from commands.rules import readiness
from e2e_site.schema import flyway
from tests.support.migration_folder import MigrationFolder

MakeDatabase = Callable[[], str]
UseDatabase = Callable[[str], None]


@pytest.fixture
def ready_database(complete_database: MakeDatabase, django_uses: UseDatabase) -> str:
    """The address of a database that is set up; Django uses it."""
    url = complete_database()
    django_uses(url)
    return url


def execute(url: str, statement: str) -> None:
    with psycopg.connect(url, autocommit=True) as conn:
        conn.execute(statement.encode())


def test_a_ready_database_has_no_problem(database_url: str, django_uses: UseDatabase) -> None:
    django_uses(database_url)

    assert checks.problems() == []


def test_a_server_that_does_not_answer(django_uses: UseDatabase) -> None:
    django_uses("postgres://somebody:secret@127.0.0.1:1/nowhere")

    (problem,) = checks.problems()
    assert problem.id == readiness.UNREACHABLE == "commands.W001"
    assert "secret" not in str(problem)
    assert "DATABASE_URL" in str(problem.hint)


def test_a_database_that_does_not_exist(missing_database: MakeDatabase, django_uses: UseDatabase) -> None:
    django_uses(missing_database())

    (problem,) = checks.problems()
    assert problem.id == readiness.UNREACHABLE
    assert "manage.py setup" in str(problem.hint)


def test_a_migration_that_is_no_text_is_named(
    database_url: str, django_uses: UseDatabase, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    files = MigrationFolder(tmp_path, database_url)
    (tmp_path / "V1__x.sql").write_bytes(b"SELECT 'caf\xe9';")
    monkeypatch.setattr(flyway, "CONFIG_FILE", files.conf)
    django_uses(database_url)

    (problem,) = checks.problems()
    assert problem.id == readiness.SCHEMA == "commands.W002"
    assert problem.msg.startswith("V1__x.sql, line 1: the byte 0xe9 is not UTF-8")


def test_an_empty_database_lacks_schema_and_pgmq(empty_database: MakeDatabase, django_uses: UseDatabase) -> None:
    django_uses(empty_database())

    schema, django_tables, pgmq = checks.problems()
    assert (schema.id, django_tables.id, pgmq.id) == ("commands.W002", "commands.W002", "commands.W003")
    assert "missing: it lacks V001__commandbus_schema.sql" in schema.msg
    assert "admin.0001_initial" in django_tables.msg
    assert {schema.hint, django_tables.hint, pgmq.hint} == {'Run "manage.py setup".'}


def test_a_schema_older_than_the_code(ready_database: str) -> None:
    execute(
        ready_database,
        "DELETE FROM flyway_schema_history WHERE version = (SELECT max(version) FROM flyway_schema_history)",
    )

    (problem,) = checks.problems()
    assert problem.id == readiness.SCHEMA
    assert "older than the code: it lacks V0" in problem.msg


def test_functions_that_a_newer_release_has_replaced_since_are_no_problem(ready_database: str) -> None:
    execute(
        ready_database,
        "INSERT INTO flyway_schema_history (installed_rank, description, type, script, checksum, installed_by,"
        " execution_time, success) SELECT 1000, description, type, script, 1, installed_by, 1, TRUE"
        " FROM flyway_schema_history WHERE script = 'R__02_engine.sql'",
    )
    assert checks.problems() == []


def test_functions_that_were_never_applied_as_they_are(ready_database: str) -> None:
    execute(ready_database, "UPDATE flyway_schema_history SET checksum = 1 WHERE script = 'R__02_engine.sql'")

    (problem,) = checks.problems()
    assert "older than the code: it lacks R__02_engine.sql" in problem.msg


def test_a_migration_changed_after_it_was_applied(ready_database: str) -> None:
    execute(ready_database, "UPDATE flyway_schema_history SET checksum = 1 WHERE version = '002'")

    (problem,) = checks.problems()
    assert problem.id == readiness.SCHEMA
    assert "V002__pgmq_queues.sql was changed" in problem.msg
    assert "manage.py flyway validate" in str(problem.hint)


def test_a_pgmq_that_is_too_old(ready_database: str) -> None:
    execute(ready_database, "ALTER TYPE pgmq.message_record DROP ATTRIBUTE headers CASCADE")

    (problem,) = checks.problems()
    assert problem.id == readiness.PGMQ
    assert "is older than 1.5: it lacks pgmq.message_record.headers" in problem.msg


def test_a_queue_that_is_missing(ready_database: str) -> None:
    execute(ready_database, "SELECT pgmq.drop_queue('test__replies')")

    (problem,) = checks.problems()
    assert problem.id == readiness.QUEUE == "commands.W004"
    assert "test__replies" in problem.msg

    execute(ready_database, str(problem.hint).removeprefix("Run in SQL: "))
    assert checks.problems() == []


def test_as_system_checks_they_are_warnings_and_silent_where_no_database_is_asked(django_uses: UseDatabase) -> None:
    django_uses("postgres://somebody@127.0.0.1:1/nowhere")

    assert [found.id for found in run_checks(tags=[Tags.database], databases=["default"])] == ["commands.W001"]
    assert not any(found.is_serious() for found in checks.problems())
    assert run_checks(tags=[Tags.database]) == []
