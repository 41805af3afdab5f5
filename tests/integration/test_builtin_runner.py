"""The built-in runner: what it applies, what it writes down, and what it refuses, each with the name of the file."""

import threading
from collections.abc import Callable

import psycopg
import pytest

from e2e_site.schema import flyway
from e2e_site.schema.migration_files import FlywayError
from tests.support.migration_folder import MigrationFolder
from tests.support.waiting import wait_until

MakeDatabase = Callable[[], str]


@pytest.fixture
def applied(migrations: MigrationFolder) -> MigrationFolder:
    """Three migrations, applied."""
    migrations.write(V1__one="CREATE TABLE one ();", V2__two="CREATE TABLE two ();", V3__three="CREATE TABLE three ();")
    migrations.run()
    return migrations


def test_what_is_pending_is_applied_in_order_and_nothing_twice(migrations: MigrationFolder) -> None:
    migrations.write(V1__make_a="CREATE TABLE a (x int);")
    assert migrations.run() == ["Applied V1__make_a.sql."]
    migrations.write(V2__fill_a="INSERT INTO a VALUES (1);", V10__double_a="INSERT INTO a SELECT x + 1 FROM a;")

    assert migrations.run() == ["Applied V2__fill_a.sql.", "Applied V10__double_a.sql."]
    assert migrations.run() == []
    assert migrations.query("SELECT x FROM a ORDER BY x") == [(1,), (2,)]


def test_the_history_says_what_flyway_would_say(migrations: MigrationFolder) -> None:
    migrations.write(V001__make_it="create table t(a int);\ncomment on table t is 'x';\n")
    migrations.run()

    (user,) = migrations.query("SELECT current_user")
    assert migrations.history() == [(1, "001", "make it", "SQL", "V001__make_it.sql", 796815992, user[0], True)]


def test_a_schema_that_is_not_empty_gets_a_baseline(migrations: MigrationFolder) -> None:
    migrations.query("CREATE TABLE before ()")
    migrations.write(V1__x="CREATE TABLE x ();")
    migrations.run()

    baseline, first = migrations.history()
    assert baseline[:6] == (1, "0", "<< Flyway Baseline >>", "BASELINE", "<< Flyway Baseline >>", None)
    assert first[1] == "1"


def test_a_schema_that_is_not_empty_stays_untouched_without_a_baseline(migrations: MigrationFolder) -> None:
    migrations.query("CREATE FUNCTION before() RETURNS int LANGUAGE sql AS 'SELECT 1'")
    migrations.conf.write_text(migrations.conf.read_text().replace("baselineOnMigrate=true", "baselineOnMigrate=false"))

    with pytest.raises(FlywayError, match="not empty"):
        migrations.run()
    assert migrations.query("SELECT to_regclass('flyway_schema_history')") == [(None,)]


def test_a_migration_that_fails_is_named_and_leaves_nothing_behind(migrations: MigrationFolder) -> None:
    migrations.write(
        V1__good="CREATE TABLE good ();", V2__bad="CREATE TABLE half ();\n\nINSERT INTO nowhere VALUES (1);"
    )

    with pytest.raises(FlywayError, match=r"V2__bad\.sql failed at line 3 .*nowhere"):
        migrations.run()
    assert [row[1] for row in migrations.history()] == ["1"]
    assert migrations.query("SELECT to_regclass('good') IS NULL, to_regclass('half') IS NULL") == [(False, True)]


def test_a_failed_migration_can_be_mended_and_applied(migrations: MigrationFolder) -> None:
    migrations.write(V1__bad="SELECT 1 / 0;")
    with pytest.raises(FlywayError, match=r"V1__bad\.sql failed"):
        migrations.run()
    migrations.write(V1__bad="SELECT 1;")

    assert migrations.run() == ["Applied V1__bad.sql."]


@pytest.mark.parametrize("action", ["migrate", "validate"])
def test_a_changed_migration_is_named(applied: MigrationFolder, action: flyway.Action) -> None:
    applied.write(V2__two="CREATE TABLE two (changed int);")

    with pytest.raises(FlywayError, match=r"V2__two\.sql was changed"):
        applied.run(action)


@pytest.mark.parametrize("action", ["migrate", "validate"])
def test_a_missing_migration_is_named(applied: MigrationFolder, action: flyway.Action) -> None:
    applied.remove("V2__two")

    with pytest.raises(FlywayError, match=r"V2__two\.sql was applied, but the file is missing"):
        applied.run(action)


@pytest.mark.parametrize("action", ["migrate", "validate"])
def test_a_migration_that_the_history_calls_failed_is_named(applied: MigrationFolder, action: flyway.Action) -> None:
    applied.query("UPDATE flyway_schema_history SET success = false WHERE version = '3'")

    with pytest.raises(FlywayError, match=r"V3__three\.sql failed when it was applied"):
        applied.run(action)


def test_a_migration_that_comes_too_late_is_named(applied: MigrationFolder) -> None:
    applied.write(V1_5__late="CREATE TABLE late ();")

    with pytest.raises(FlywayError, match=r"V1_5__late\.sql was not applied"):
        applied.run()
    assert applied.query("SELECT to_regclass('late')") == [(None,)]


def test_a_history_entry_of_another_kind_is_left_to_flyway(applied: MigrationFolder) -> None:
    applied.query("UPDATE flyway_schema_history SET type = 'UNDO_SQL', script = 'U3__three.sql' WHERE version = '3'")

    with pytest.raises(FlywayError, match=r"U3__three\.sql.*use Flyway itself"):
        applied.run("validate")


def test_a_database_newer_than_the_files_is_valid(applied: MigrationFolder) -> None:
    applied.remove("V3__three")

    applied.run("validate")
    assert applied.run() == []


def test_validate_names_what_is_not_applied_yet(applied: MigrationFolder) -> None:
    applied.write(V4__four="CREATE TABLE four ();")

    with pytest.raises(FlywayError, match=r"V4__four\.sql is not applied yet"):
        applied.run("validate")


def test_info_shows_both_kinds_and_changes_nothing(migrations: MigrationFolder) -> None:
    migrations.write(V1__x="CREATE TABLE x ();", R__a="SELECT 1;")
    assert migrations.info() == [("1", "Pending", "V1__x.sql"), ("", "Pending", "R__a.sql")]
    assert migrations.query("SELECT to_regclass('flyway_schema_history')") == [(None,)]

    migrations.run()
    assert migrations.info() == [("1", "Success", "V1__x.sql"), ("", "Success", "R__a.sql")]
    ((installed,),) = migrations.query(
        "SELECT date_trunc('second', max(installed_on))::text FROM flyway_schema_history"
    )
    assert str(installed) in migrations.run("info")[2]


@pytest.mark.parametrize("action", ["migrate", "validate"])
def test_a_database_of_other_files_gets_one_sentence_with_the_way_on(
    applied: MigrationFolder, action: flyway.Action
) -> None:
    before = applied.history()
    for name in ("V1__one", "V2__two", "V3__three"):
        applied.remove(name)
    applied.write(V1__all="CREATE TABLE one (); CREATE TABLE two ();", V2__three="SELECT 1;", R__a="SELECT 1;")

    with pytest.raises(FlywayError) as error:
        applied.run(action)

    (line,) = str(error.value).splitlines()
    assert line.startswith("This database was made by an unreleased state of the schema")
    assert "V1__one.sql was changed after it was applied (the first of 2 such files)." in line
    assert all(way in line for way in ("the checkout that made it", "embeddedpg stop", "drop the database", "setup"))
    assert applied.history() == before


def test_a_second_runner_waits_and_then_finds_the_work_done(migrations: MigrationFolder) -> None:
    migrations.write(V1__x="SELECT pg_advisory_xact_lock(1); CREATE TABLE x ();")
    said: list[list[str]] = []

    def waiting() -> int:
        (row,) = migrations.query(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'advisory'"
        )
        return int(str(row[0]))

    with psycopg.connect(migrations.url) as brake:
        brake.execute("SELECT pg_advisory_xact_lock(1)")
        runners = [threading.Thread(target=lambda: said.append(migrations.run())) for _ in range(2)]
        for runner in runners:
            runner.start()
        # One waits in its migration, the other for the first.
        wait_until(lambda: waiting() == 2)
    for runner in runners:
        runner.join(timeout=10)

    assert sorted(said) == [[], ["Applied V1__x.sql."]]
