"""The built-in runner: a migration is applied whole or not at all, says truly which, and leaves no setting behind."""

from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from e2e_site.schema import builtin_runner
from e2e_site.schema.migration_files import FlywayError, Migration, read_config
from e2e_site.schema.own_database import OwnDatabase, own_database
from e2e_site.schema.statements import split
from tests.support.clusters import server_url
from tests.support.migration_folder import MigrationFolder
from tests.support.pooler import pooler_before

Row = tuple[object, ...]


@pytest.fixture(scope="module")
def database(database_url: str) -> Iterator[OwnDatabase]:
    """One for all of these tests: to make one takes longer than most of them."""
    with own_database("test", server=server_url(), template="template1") as own:
        yield own


@pytest.fixture
def migrations(tmp_path: Path, database: OwnDatabase) -> Iterator[MigrationFolder]:
    yield MigrationFolder(tmp_path, database.url)
    with psycopg.connect(database.url, autocommit=True) as conn:
        conn.execute("DROP SCHEMA IF EXISTS s CASCADE; DROP SCHEMA public CASCADE; CREATE SCHEMA public")
        conn.execute(sql.SQL("ALTER DATABASE {} RESET ALL").format(sql.Identifier(database.name)))


def tables(migrations: MigrationFolder) -> list[Row]:
    return migrations.query(
        "SELECT schemaname, tablename FROM pg_tables WHERE schemaname !~ '^(pg_|information)' "
        "AND tablename <> 'flyway_schema_history' ORDER BY tablename"
    )


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("CREATE TABLE a (x int);\nEND;\nSELECT 1/0;", 2),
        ("CREATE TABLE a (x int); ABORT;", 1),
        ("CREATE TABLE a (x int);\nSELECT E'\\''; COMMIT; SELECT '';", 2),
        ("CREATE TABLE a (x int);\n/* /* */ ' */ COMMIT; -- '", 2),
        ("CREATE TABLE a (x int); -- so far\rCOMMIT;\rSELECT 1/0;", 2),
    ],
    ids=["END", "ABORT", "after a string with a backslash", "after nested comments", "after CR"],
)
def test_what_would_end_the_transaction_is_refused_before_anything_is_changed(
    migrations: MigrationFolder, text: str, line: int
) -> None:
    migrations.write(V1__fine="CREATE TABLE fine ();")
    (migrations.folder / "V2__half.sql").write_bytes(text.encode())
    with pytest.raises(FlywayError, match=rf"V2__half\.sql, line {line}: (END|ABORT|COMMIT) does not fit"):
        migrations.run()
    assert tables(migrations) == []
    assert migrations.history() == []


def test_words_in_strings_and_comments_are_none(migrations: MigrationFolder) -> None:
    migrations.write(
        V1__strings=r"CREATE TABLE a AS SELECT E'it\'s; BEGIN;' AS said;",
        V2__comments="/* a /* b */ ; COMMIT; */ CREATE TABLE b ();",
        V3__body="CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT 1; SELECT 2; END; SAVEPOINT x; ROLLBACK TO x;",
    )
    migrations.run()
    assert migrations.query("SELECT said, f() FROM a") == [("it's; BEGIN;", 2)]
    assert tables(migrations) == [("public", "a"), ("public", "b")]


@pytest.mark.parametrize(
    ("end", "left", "kept"),
    [
        ("COMMIT", "what it did until then is kept", [("public", "a")]),
        ("COMMIT AND CHAIN", "what it did until then is kept", [("public", "a")]),
        ("COMMIT AND CHAIN; SELECT 1/0", "what it did until then is kept", [("public", "a")]),
        ("ROLLBACK", "left nothing behind", []),
        ("ROLLBACK AND CHAIN", "left nothing behind", []),
    ],
)
def test_whether_the_transaction_was_ended_all_the_same_is_asked_of_the_server(
    migrations: MigrationFolder, end: str, left: str, kept: list[Row]
) -> None:
    """No file comes so far: such a statement is refused first. This is what holds if one is ever missed."""
    text = f"SELECT 1;\nCREATE TABLE a ();\n{end};\nCREATE TABLE b ();"
    migration = Migration(version="1", description="x", script="V1__x.sql", text=text)
    with psycopg.connect(migrations.url, autocommit=True) as conn:
        with pytest.raises(FlywayError, match=rf"\AV1__x\.sql failed at line [34] and .*{left}"):
            builtin_runner.apply(conn, read_config(migrations.conf), migration, list(split(text)))
        assert conn.execute("SELECT 1").fetchone() == (1,)
    assert tables(migrations) == kept


def test_the_server_takes_no_two_statements_for_one(migrations: MigrationFolder) -> None:
    """Without standard_conforming_strings it sees a COMMIT where the file, read as all files are, has a string."""
    migrations.write(
        V1__x="CREATE TABLE a ();\nSET standard_conforming_strings = off;\nSELECT 'x\\''; COMMIT; SELECT 1/0; --';"
    )
    with pytest.raises(FlywayError, match=r"V1__x\.sql failed at line 3 and left nothing behind: .*multiple commands"):
        migrations.run()
    assert tables(migrations) == []


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("CREATE TABLE a (x int);\n\nINSERT INTO a\nSELECT y FROM a;", 4),
        ("CREATE TABLE a (x int);\n\nINSERT INTO a\nSELECT 1/0;", 3),
        ("CREATE TABLE a (x int);\r\rINSERT INTO a\rSELECT y FROM a;", 4),
        ("CREATE TABLE a (x int);\nDISCARD ALL", 2),
    ],
    ids=["with a place", "without a place", "CR", "not in a transaction"],
)
def test_an_error_has_its_line(migrations: MigrationFolder, text: str, line: int) -> None:
    (migrations.folder / "V1__x.sql").write_bytes(text.encode())
    with pytest.raises(FlywayError, match=rf"\AV1__x\.sql failed at line {line} and left nothing behind: "):
        migrations.run()
    assert tables(migrations) == []


def test_an_error_at_the_end_of_the_transaction_leaves_nothing_behind(migrations: MigrationFolder) -> None:
    migrations.write(
        V1__x="CREATE TABLE a (x int UNIQUE DEFERRABLE INITIALLY DEFERRED); INSERT INTO a VALUES (1), (1);"
    )
    with pytest.raises(FlywayError, match=r"\AV1__x\.sql failed and left nothing behind: duplicate key"):
        migrations.run()
    assert (tables(migrations), migrations.history()) == ([], [])


def test_a_connection_that_is_lost_in_a_statement_leaves_nothing_behind(migrations: MigrationFolder) -> None:
    migrations.write(V1__x="CREATE TABLE a ();\nSELECT pg_terminate_backend(pg_backend_pid());")
    with pytest.raises(FlywayError, match=r"V1__x\.sql failed at line 2 and left nothing behind: "):
        migrations.run()
    assert (tables(migrations), migrations.history()) == ([], [])


def test_a_connection_that_is_lost_at_the_end_leaves_open_what_became_of_it(migrations: MigrationFolder) -> None:
    migrations.write(
        V1__x="""
            CREATE TABLE a ();
            CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS
                'BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); RETURN NULL; END';
            CREATE CONSTRAINT TRIGGER t AFTER INSERT ON a INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION f();
            INSERT INTO a DEFAULT VALUES;
        """
    )
    with pytest.raises(FlywayError, match=r"V1__x\.sql failed and may be applied all the same"):
        migrations.run()


@pytest.mark.parametrize(
    "setting",
    [
        "SET search_path TO s",
        "SELECT set_config('search_path', 's', false)",
        "SET LOCAL search_path TO s",
        "SET ROLE pg_monitor",
        "SET SESSION AUTHORIZATION pg_monitor",
        "SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY",
        "SET standard_conforming_strings TO off",
    ],
)
def test_a_setting_ends_with_its_migration(migrations: MigrationFolder, setting: str) -> None:
    migrations.write(
        V1__set=f"CREATE SCHEMA s; {setting};",
        V2__two=r"CREATE TABLE two AS SELECT current_user AS who, session_user AS login, '\' AS said",
    )
    migrations.run()
    ((user,),) = migrations.query("SELECT current_user")
    assert migrations.query("SELECT * FROM public.two") == [(user, user, "\\")]
    assert [row[6] for row in migrations.history()] == [user, user]


def test_through_a_pooler_no_setting_reaches_other_clients(migrations: MigrationFolder, tmp_path: Path) -> None:
    migrations.write(
        V1__set="CREATE SCHEMA s; SET search_path TO s; SET ROLE pg_monitor; SET statement_timeout = '1min';",
        V2__two="CREATE TABLE two ();",
    )
    session = "SELECT current_setting('search_path'), current_user, current_setting('statement_timeout')"
    before = migrations.query(session)
    with pooler_before(migrations.url, tmp_path) as pooled:
        through = MigrationFolder(tmp_path, pooled)
        assert through.run() == ["Applied V1__set.sql.", "Applied V2__two.sql."]
        assert through.query(session) == before
    assert tables(migrations) == [("public", "two")]


def test_what_a_database_is_set_to_does_not_change_a_migration(migrations: MigrationFolder) -> None:
    ((name,),) = migrations.query("SELECT quote_ident(current_database())")
    for setting in ("search_path = s, public", "standard_conforming_strings = off", "client_encoding = 'LATIN1'"):
        migrations.query(f"ALTER DATABASE {name} SET {setting}")
    migrations.query("CREATE SCHEMA s")
    (migrations.folder / "V1__one.sql").write_text(r"CREATE TABLE one AS SELECT '\ é' AS said;", encoding="utf-8")
    migrations.run()
    assert tables(migrations) == [("public", "one")]
    assert migrations.query("SELECT said = chr(92) || ' ' || chr(233) FROM public.one") == [(True,)]


@pytest.mark.parametrize(
    "data",
    [
        "SELECT 'é';".encode("latin-1"),
        "CREATE TABLE two ();".encode("utf-16-be"),
        b"CREATE TABLE two ();\0\nCREATE TABLE three ();",
    ],
    ids=["Latin-1", "UTF-16BE", "NUL"],
)
def test_a_file_that_is_no_text_is_one_line_and_changes_nothing(migrations: MigrationFolder, data: bytes) -> None:
    migrations.write(V1__one="CREATE TABLE one ();")
    (migrations.folder / "V2__two.sql").write_bytes(data)
    with pytest.raises(FlywayError, match=r"\AV2__two\.sql, line 1: [^\n]*\Z"):
        migrations.run()
    assert migrations.query("SELECT to_regclass('flyway_schema_history')") == [(None,)]
