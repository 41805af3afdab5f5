"""Repeatable files with the built-in runner: applied last, again when their text changes, and never half."""

import pytest

from e2e_site.schema import flyway
from e2e_site.schema.migration_files import FlywayError
from tests.support.migration_folder import MigrationFolder


def test_repeatable_migrations_are_applied_last_and_again_when_they_change(migrations: MigrationFolder) -> None:
    migrations.write(R__b="CREATE OR REPLACE VIEW b AS SELECT x FROM a;", R__a="CREATE VIEW a AS SELECT x FROM t;")
    migrations.write(V1__t="CREATE TABLE t (x int);")
    assert migrations.run() == ["Applied V1__t.sql.", "Applied R__a.sql.", "Applied R__b.sql."]
    assert migrations.run() == []

    migrations.write(R__b="CREATE OR REPLACE VIEW b AS SELECT x, x AS y FROM a;", V2__u="CREATE TABLE u ();")
    assert migrations.run() == ["Applied V2__u.sql.", "Applied R__b.sql."]
    assert migrations.run() == []
    assert migrations.query("SELECT y FROM b") == []
    assert [row[1:5] for row in migrations.history()] == [
        ("1", "t", "SQL", "V1__t.sql"),
        (None, "a", "SQL", "R__a.sql"),
        (None, "b", "SQL", "R__b.sql"),
        ("2", "u", "SQL", "V2__u.sql"),
        (None, "b", "SQL", "R__b.sql"),
    ]


def test_a_changed_repeatable_migration_waits_and_validate_names_it(migrations: MigrationFolder) -> None:
    migrations.write(V1__t="CREATE TABLE t ();", R__a="SELECT 1;", R__b="SELECT 1;")
    migrations.run()
    migrations.write(R__a="SELECT 2;")

    with pytest.raises(FlywayError, match=r"\AR__a\.sql is not applied as it is now\.\Z"):
        migrations.run("validate")
    assert [line[1:] for line in migrations.info()] == [
        ("Success", "V1__t.sql"),
        ("Outdated", "R__a.sql"),
        ("Success", "R__b.sql"),
        ("Pending", "R__a.sql"),
    ]

    migrations.run()
    migrations.run("validate")
    assert [line[1:] for line in migrations.info()] == [
        ("Success", "V1__t.sql"),
        ("Superseded", "R__a.sql"),
        ("Success", "R__b.sql"),
        ("Success", "R__a.sql"),
    ]


def test_a_repeatable_migration_that_goes_back_to_an_older_text_is_applied_again(migrations: MigrationFolder) -> None:
    for text in ("SELECT 1;", "SELECT 2;", "SELECT 1;"):
        migrations.write(R__a=text)
        assert migrations.run() == ["Applied R__a.sql."]

    assert migrations.run() == []
    assert len(migrations.history()) == 3


def test_a_repeatable_migration_that_fails_leaves_the_older_one_and_its_history(migrations: MigrationFolder) -> None:
    migrations.write(R__a="CREATE OR REPLACE VIEW a AS SELECT 1 AS x;")
    migrations.run()
    before = migrations.history()
    migrations.write(R__a="CREATE OR REPLACE VIEW a AS SELECT 1 AS x, 2 AS y;\nSELECT 1 / 0;")

    with pytest.raises(FlywayError, match=r"R__a\.sql failed at line 2 and left nothing behind: division by zero"):
        migrations.run()
    assert migrations.history() == before
    assert migrations.query("SELECT * FROM a") == [(1,)]


@pytest.mark.parametrize("action", ["migrate", "validate"])
def test_a_missing_repeatable_migration_is_named(migrations: MigrationFolder, action: flyway.Action) -> None:
    migrations.write(R__a="SELECT 1;")
    migrations.run()
    migrations.remove("R__a")

    with pytest.raises(FlywayError, match=r"R__a\.sql was applied, but the file is missing"):
        migrations.run(action)
