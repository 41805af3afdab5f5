"""The built-in runner: what it applies, what it writes down, and what it refuses, each with the name of the file."""

import threading
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest

from e2e_site import flyway
from e2e_site.flyway_files import FlywayError
from tests.waiting import wait_until

MakeDatabase = Callable[[], str]
HISTORY = "SELECT version, description, type, script, checksum, installed_by, success FROM flyway_schema_history"


class Files:
    """A folder of migrations with its own flyway.conf, and a database to apply them to."""

    def __init__(self, folder: Path, url: str) -> None:
        self.conf = folder / "flyway.conf"
        self.conf.write_text(
            "flyway.locations=filesystem:.\nflyway.placeholderReplacement=false\n"
            "flyway.baselineOnMigrate=true\nflyway.baselineVersion=0\n"
        )
        self.url = url

    def write(self, **texts: str) -> None:
        for name, text in texts.items():
            (self.conf.parent / f"{name}.sql").write_text(text)

    def run(self, action: flyway.Action = "migrate") -> list[str]:
        said: list[str] = []
        flyway.run(action, {"conninfo": self.url}, runner="builtin", say=said.append, config_file=self.conf)
        return said[1:]

    def query(self, statement: str) -> list[tuple[object, ...]]:
        with psycopg.connect(self.url, autocommit=True) as conn:
            cursor = conn.execute(statement.encode())
            return cursor.fetchall() if cursor.description else []


@pytest.fixture
def files(tmp_path: Path, empty_database: MakeDatabase) -> Files:
    return Files(tmp_path, empty_database())


@pytest.fixture
def applied(files: Files) -> Files:
    """Three migrations, applied."""
    files.write(V1__one="CREATE TABLE one ();", V2__two="CREATE TABLE two ();", V3__three="CREATE TABLE three ();")
    files.run()
    return files


def test_what_is_pending_is_applied_in_order_and_nothing_twice(files: Files) -> None:
    files.write(V1__make_a="CREATE TABLE a (x int);")
    assert files.run() == ["Applied V1__make_a.sql."]
    files.write(V2__fill_a="INSERT INTO a VALUES (1);", V10__double_a="INSERT INTO a SELECT x + 1 FROM a;")

    assert files.run() == ["Applied V2__fill_a.sql.", "Applied V10__double_a.sql."]
    assert files.run() == []
    assert files.query("SELECT x FROM a ORDER BY x") == [(1,), (2,)]


def test_the_history_says_what_flyway_would_say(files: Files) -> None:
    files.write(V001__make_it="create table t(a int);\ncomment on table t is 'x';\n")
    files.run()

    (row,) = files.query(HISTORY)
    (user,) = files.query("SELECT current_user")
    assert row == ("001", "make it", "SQL", "V001__make_it.sql", 796815992, user[0], True)


def test_a_schema_that_is_not_empty_gets_a_baseline(files: Files) -> None:
    files.query("CREATE TABLE before ()")
    files.write(V1__x="CREATE TABLE x ();")
    files.run()

    baseline, first = files.query(f"{HISTORY} ORDER BY installed_rank")
    assert baseline[:5] == ("0", "<< Flyway Baseline >>", "BASELINE", "<< Flyway Baseline >>", None)
    assert first[0] == "1"


def test_a_schema_that_is_not_empty_stays_untouched_without_a_baseline(files: Files) -> None:
    files.query("CREATE FUNCTION before() RETURNS int LANGUAGE sql AS 'SELECT 1'")
    files.conf.write_text(files.conf.read_text().replace("baselineOnMigrate=true", "baselineOnMigrate=false"))

    with pytest.raises(FlywayError, match="not empty"):
        files.run()
    assert files.query("SELECT to_regclass('flyway_schema_history')") == [(None,)]


def test_a_migration_that_fails_is_named_and_leaves_nothing_behind(files: Files) -> None:
    files.write(V1__good="CREATE TABLE good ();", V2__bad="CREATE TABLE half ();\n\nINSERT INTO nowhere VALUES (1);")

    with pytest.raises(FlywayError, match=r"V2__bad\.sql failed at line 3 .*nowhere"):
        files.run()
    assert [row[0] for row in files.query(HISTORY)] == ["1"]
    assert files.query("SELECT to_regclass('good') IS NULL, to_regclass('half') IS NULL") == [(False, True)]


def test_a_failed_migration_can_be_mended_and_applied(files: Files) -> None:
    files.write(V1__bad="SELECT 1 / 0;")
    with pytest.raises(FlywayError, match=r"V1__bad\.sql failed"):
        files.run()
    files.write(V1__bad="SELECT 1;")

    assert files.run() == ["Applied V1__bad.sql."]


@pytest.mark.parametrize("action", ["migrate", "validate"])
def test_a_changed_migration_is_named(applied: Files, action: flyway.Action) -> None:
    applied.write(V2__two="CREATE TABLE two (changed int);")

    with pytest.raises(FlywayError, match=r"V2__two\.sql was changed"):
        applied.run(action)


@pytest.mark.parametrize("action", ["migrate", "validate"])
def test_a_missing_migration_is_named(applied: Files, action: flyway.Action) -> None:
    (applied.conf.parent / "V2__two.sql").unlink()

    with pytest.raises(FlywayError, match=r"V2__two\.sql was applied, but the file is missing"):
        applied.run(action)


@pytest.mark.parametrize("action", ["migrate", "validate"])
def test_a_migration_that_the_history_calls_failed_is_named(applied: Files, action: flyway.Action) -> None:
    applied.query("UPDATE flyway_schema_history SET success = false WHERE version = '3'")

    with pytest.raises(FlywayError, match=r"V3__three\.sql failed when it was applied"):
        applied.run(action)


def test_a_migration_that_comes_too_late_is_named(applied: Files) -> None:
    applied.write(V1_5__late="CREATE TABLE late ();")

    with pytest.raises(FlywayError, match=r"V1_5__late\.sql was not applied"):
        applied.run()
    assert applied.query("SELECT to_regclass('late')") == [(None,)]


def test_a_history_entry_of_another_kind_is_left_to_flyway(applied: Files) -> None:
    applied.query("UPDATE flyway_schema_history SET type = 'UNDO_SQL', script = 'U3__three.sql' WHERE version = '3'")

    with pytest.raises(FlywayError, match=r"U3__three\.sql.*use Flyway itself"):
        applied.run("validate")


def test_a_database_newer_than_the_files_is_valid(applied: Files) -> None:
    (applied.conf.parent / "V3__three.sql").unlink()

    applied.run("validate")
    assert applied.run() == []


def test_validate_names_what_is_not_applied_yet(applied: Files) -> None:
    applied.write(V4__four="CREATE TABLE four ();")

    with pytest.raises(FlywayError, match=r"V4__four\.sql is not applied yet"):
        applied.run("validate")


def test_info_shows_applied_and_pending_and_changes_nothing(files: Files) -> None:
    files.write(V1__x="CREATE TABLE x ();")
    (line,) = files.run("info")
    assert line.split() == ["1", "pending", "V1__x.sql"]
    assert files.query("SELECT to_regclass('flyway_schema_history')") == [(None,)]

    files.run()
    assert files.run("info")[0].split()[:2] == ["1", "applied"]


def test_repeatable_migrations_are_applied_last_and_again_when_they_change(files: Files) -> None:
    files.write(R__b="CREATE OR REPLACE VIEW b AS SELECT x FROM a;", R__a="CREATE VIEW a AS SELECT x FROM t;")
    files.write(V1__t="CREATE TABLE t (x int);")
    assert files.run() == ["Applied V1__t.sql.", "Applied R__a.sql.", "Applied R__b.sql."]
    assert files.run() == []

    files.write(R__b="CREATE OR REPLACE VIEW b AS SELECT x, x AS y FROM a;")
    assert files.run() == ["Applied R__b.sql."]
    assert files.run() == []
    assert files.query("SELECT version, description, type, script FROM flyway_schema_history") == [
        ("1", "t", "SQL", "V1__t.sql"),
        (None, "a", "SQL", "R__a.sql"),
        (None, "b", "SQL", "R__b.sql"),
        (None, "b", "SQL", "R__b.sql"),
    ]


@pytest.mark.parametrize("action", ["migrate", "validate"])
def test_a_missing_repeatable_migration_is_named(files: Files, action: flyway.Action) -> None:
    files.write(R__a="SELECT 1;")
    files.run()
    (files.conf.parent / "R__a.sql").unlink()

    with pytest.raises(FlywayError, match=r"R__a\.sql was applied, but the file is missing"):
        files.run(action)


def test_a_second_runner_waits_and_then_finds_the_work_done(files: Files) -> None:
    files.write(V1__x="SELECT pg_advisory_xact_lock(1); CREATE TABLE x ();")
    said: list[list[str]] = []

    def waiting() -> int:
        (row,) = files.query(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'advisory'"
        )
        return int(str(row[0]))

    with psycopg.connect(files.url) as brake:
        brake.execute("SELECT pg_advisory_xact_lock(1)")
        runners = [threading.Thread(target=lambda: said.append(files.run())) for _ in range(2)]
        for runner in runners:
            runner.start()
        # One waits in its migration, the other for the first.
        wait_until(lambda: waiting() == 2)
    for runner in runners:
        runner.join(timeout=10)

    assert sorted(said) == [[], ["Applied V1__x.sql."]]
