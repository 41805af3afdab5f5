"""The real Flyway and the built-in runner on each other's databases. Each call of Flyway takes seconds: few tests."""

import itertools
import re
import stat
import subprocess
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict
from pytest_django.fixtures import Settings

from e2e_site.schema import pgmq
from e2e_site.schema.flyway import Runner
from e2e_site.schema.migration_files import FlywayError
from tests.integration.conftest import Manage
from tests.support.clusters import server_url
from tests.support.migration_folder import MigrationFolder

MakeDatabase = Callable[[], str]
PlainFlyway = Callable[[str, str], "subprocess.CompletedProcess[str]"]
MakeFolder = Callable[[], MigrationFolder]

pytestmark = pytest.mark.timeout(300)

BOTH: list[tuple[Runner, Runner]] = [("flyway", "builtin"), ("builtin", "flyway")]


@pytest.fixture
def recorder(real_flyway: str, tmp_path: Path) -> Path:
    """A Flyway that writes the arguments of its call into the file ``arguments`` beside it."""
    program = tmp_path / "flyway"
    program.write_text(f'#!/bin/sh\necho "$@" >{tmp_path}/arguments\nexec {real_flyway} "$@"\n')
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    return program


@pytest.fixture
def small_files(real_flyway: str, settings: Settings, tmp_path: Path, empty_database: MakeDatabase) -> MakeFolder:
    """Makes folders of small migrations, each with a database of its own, for either runner."""
    settings.FLYWAY_BIN = real_flyway
    numbers = itertools.count()
    return lambda: MigrationFolder(tmp_path / str(next(numbers)), empty_database())


def copy(source: str, target: str) -> None:
    """Make the target, a database that is missing, a copy of the source."""
    names = [sql.Identifier(str(conninfo_to_dict(url)["dbname"])) for url in (target, source)]
    with psycopg.connect(server_url(), autocommit=True) as server:
        server.execute(sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(*names))


def history(url: str) -> list[tuple[object, ...]]:
    with psycopg.connect(url) as conn:
        return conn.execute(
            "SELECT installed_rank, version, description, type, script, checksum, installed_by, success "
            "FROM flyway_schema_history ORDER BY installed_rank"
        ).fetchall()


@pytest.mark.long
def test_both_runners_write_the_same_history_and_find_the_others_valid_complete_or_spoiled(
    manage: Manage, real_flyway: str, recorder: Path, empty_database: MakeDatabase, missing_database: MakeDatabase
) -> None:
    """One flow, because each step begins where the one before it ended, and each call takes seconds."""

    def run(url: str, *arguments: str, code: int = 0, flyway: str = real_flyway) -> str:
        done = manage(url, *arguments, FLYWAY_BIN=flyway)
        assert done.returncode == code, done.stdout
        return done.stdout

    # Django came first, in two databases that are alike.
    urls = {"flyway": empty_database(), "builtin": missing_database()}
    run(urls["flyway"], "migrate", "-v0")
    run(urls["flyway"], "pgmq", "install")
    copy(urls["flyway"], urls["builtin"])

    # Without --runner FLYWAY_BIN decides; it gets address, user and password by the environment alone.
    run(urls["flyway"], "flyway", "migrate", flyway=str(recorder))
    (words,) = recorder.with_name("arguments").read_text().splitlines()
    assert words.split()[1:] == ["migrate"]
    assert words.startswith("-configFiles=")
    assert words.split()[0].endswith("flyway.conf")
    run(urls["builtin"], "flyway", "--runner", "builtin", "migrate")
    assert history(urls["flyway"])[0][:4] == (1, "0", "<< Flyway Baseline >>", "BASELINE")
    assert history(urls["flyway"]) == history(urls["builtin"])

    run(urls["flyway"], "flyway", "--runner", "builtin", "validate")
    assert "Applied " not in run(urls["flyway"], "flyway", "--runner", "builtin", "migrate")
    said = run(urls["builtin"], "flyway", "--runner", "flyway", "migrate")  # it validates first
    assert "Successfully validated" in said
    assert "Migrating schema" not in said

    with psycopg.connect(urls["builtin"]) as conn:
        conn.execute("UPDATE flyway_schema_history SET checksum = checksum + 1 WHERE version = '003'")
    for runner in urls:
        said = run(urls["builtin"], "flyway", "--runner", runner, "validate", code=1)
        assert "V003__test_command_table.sql was changed after it was applied" in said
        assert said.count("This database was made by an unreleased state of the schema") == 1


def test_plain_flyway_stops_where_pgmq_is_missing_and_goes_on_once_it_is_there(
    manage: Manage, plain_flyway: PlainFlyway, empty_database: MakeDatabase
) -> None:
    url = empty_database()
    stopped = plain_flyway(url, "migrate")
    assert stopped.returncode != 0
    assert "V002__pgmq_queues.sql" in stopped.stdout
    assert "manage.py pgmq install" in stopped.stdout

    with psycopg.connect(url) as conn:
        pgmq.install(conn)  # what that command does
    done = plain_flyway(url, "migrate")
    assert done.returncode == 0, done.stdout
    assert manage(url, "flyway", "--runner", "builtin", "validate").returncode == 0
    info = manage(url, "flyway", "--runner", "builtin", "info").stdout
    assert "Pending" not in info
    assert "V001__commandbus_schema.sql" in info


@pytest.mark.long
def test_repeatable_files_are_applied_alike_and_again_by_either(small_files: MakeFolder) -> None:
    histories = []
    for first, second in BOTH:
        files = small_files()
        files.write(V1__t="CREATE TABLE t (x int);", R__10_b="CREATE OR REPLACE VIEW b AS SELECT x FROM a;")
        files.write(R__02_a="CREATE OR REPLACE VIEW a AS SELECT x FROM t;", R__1="SELECT 1;")
        files.write(R__1_z="SELECT 1;", R__C="SELECT 1;", R__c2="SELECT 1;", R__b="SELECT 1;")
        files.run("migrate", first)
        if second == "builtin":  # Flyway itself does so below, before it migrates
            files.run("validate", second)

        files.write(R__10_b="CREATE OR REPLACE VIEW b AS SELECT x, x AS y FROM a;", V2__u="CREATE TABLE u ();")
        with pytest.raises(FlywayError):
            files.run("validate", second)
        files.run("migrate", second)
        files.run("validate", first)
        assert files.query("SELECT y FROM b") == []
        histories.append(files.history())

    assert histories[0] == histories[1]
    assert [row[4] for row in histories[0]] == [
        "V1__t.sql",
        "R__02_a.sql",
        "R__1.sql",
        "R__1_z.sql",
        "R__10_b.sql",
        "R__C.sql",
        "R__b.sql",
        "R__c2.sql",
        "V2__u.sql",
        "R__10_b.sql",
    ]


def test_both_take_the_same_text_for_statements_and_begin_each_file_in_the_same_schema(
    small_files: MakeFolder,
) -> None:
    found = []
    runners: tuple[Runner, ...] = ("flyway", "builtin")
    for runner in runners:
        files = small_files()
        files.write(
            V1__text=r"CREATE TABLE said AS SELECT E'it\'s; BEGIN;' AS x; /* a /* b */ ; COMMIT; */ CREATE SCHEMA s;",
            V2__path="SET search_path TO s; SET ROLE pg_monitor; RESET ROLE; CREATE TABLE one ();",
            V3__role="SET ROLE pg_monitor;",
            V4__two="CREATE TABLE two AS SELECT current_user AS who, current_setting('search_path') AS path;",
        )
        files.run("migrate", runner)
        places = "SELECT schemaname, tablename FROM pg_tables WHERE tablename IN ('said', 'one', 'two') ORDER BY 2"
        found.append((files.query(places), files.query("SELECT * FROM two, said"), files.history()))

    assert found[0] == found[1]
    assert found[0][0] == [("s", "one"), ("public", "said"), ("public", "two")]


def test_both_say_the_same_of_each_entry(small_files: MakeFolder) -> None:
    files = small_files()
    files.query("CREATE TABLE before ()")
    files.write(**dict.fromkeys(["V1__a", "V2__b", "V3__c", "V4__d", "R__a", "R__b", "R__c"], "SELECT 1;"))
    files.run()
    files.write(R__a="SELECT 2;")
    files.run()
    for name in ("V2__b", "V4__d", "R__b"):
        files.remove(name)
    files.write(V1_5__late="SELECT 1;", R__c="SELECT 2;", R__d="SELECT 1;")

    # Category, Version, Description, Type, Installed On, State, Undoable
    heading, *table = [line.split("|")[1:-1] for line in files.run("info", "flyway") if line.startswith("|")]
    version, state = (next(n for n, cell in enumerate(heading) if word in cell) for word in ("Version", "State"))
    entries = [(cells[version].strip(), cells[state].strip()) for cells in table]

    assert "V2__b.sql was applied, but the file is missing (the first of 2 such files)" in files.run("info")[-1]
    assert [line[:2] for line in files.info()[:-1]] == entries
    assert {state for _, state in entries} == {
        "Baseline", "Success", "Missing", "Future", "Superseded", "Outdated", "Ignored", "Pending",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("names", "ours", "theirs"),
    [
        (["V1__a", "V01__b"], "have the same version", "more than one migration with version"),
        (["R__a_b", "R__a b"], "have the same description", "repeatable migration with description a b"),
    ],
    ids=["version", "description"],
)
def test_both_refuse_one_twice_and_change_nothing(
    small_files: MakeFolder, names: list[str], ours: str, theirs: str
) -> None:
    files = small_files()
    files.write(V1__a="SELECT 1;")
    files.run()
    before = files.history()
    files.write(**dict.fromkeys(names, "SELECT 1;"))

    with pytest.raises(FlywayError, match=ours):
        files.run("migrate", "builtin")
    with pytest.raises(FlywayError, match=theirs):
        files.run("migrate", "flyway")
    assert files.history() == before


def test_both_refuse_where_files_are_missing_and_change_nothing(small_files: MakeFolder) -> None:
    files = small_files()
    files.write(**dict.fromkeys(["V1__a", "V2__b", "R__a"], "SELECT 1;"))
    files.run()
    before = files.history()
    files.remove("R__a")
    with pytest.raises(FlywayError, match=r"R__a\.sql was applied, but"):
        files.run("migrate", "builtin")
    files.remove("V1__a")
    with pytest.raises(FlywayError, match=r"V1__a\.sql was applied, but"):
        files.run("migrate", "builtin")
    with pytest.raises(FlywayError) as caught:
        files.run("migrate", "flyway")
    for name in ("1", "a"):
        assert re.search(f"applied migration not resolved locally: {name}\\b", str(caught.value))
    assert files.history() == before


def test_a_flyway_that_is_no_program_is_one_clear_line(manage: Manage, database_url: str) -> None:
    done = manage(database_url, "flyway", "validate", FLYWAY_BIN="/nowhere/flyway")

    assert done.returncode == 1
    assert done.stdout == "CommandError: FLYWAY_BIN is '/nowhere/flyway', which is no program.\n"
