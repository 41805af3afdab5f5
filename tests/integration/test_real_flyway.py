"""The real Flyway and the built-in runner on each other's databases. Each call of Flyway takes seconds: few tests."""

import stat
import subprocess
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest

from e2e_site.schema import pgmq
from tests.integration.conftest import Manage

MakeDatabase = Callable[[], str]
PlainFlyway = Callable[[str, str], "subprocess.CompletedProcess[str]"]

pytestmark = pytest.mark.timeout(300)

BOTH = [["flyway", "builtin"], ["builtin", "flyway"]]


@pytest.fixture
def database_with_pgmq(empty_database: MakeDatabase) -> str:
    url = empty_database()
    with psycopg.connect(url) as conn:
        pgmq.install(conn)
    return url


def history(url: str) -> list[tuple[object, ...]]:
    with psycopg.connect(url) as conn:
        return conn.execute(
            "SELECT installed_rank, version, description, type, script, checksum, installed_by, success "
            "FROM flyway_schema_history ORDER BY installed_rank"
        ).fetchall()


@pytest.mark.parametrize(("first", "second"), BOTH, ids=["flyway first", "built-in first"])
def test_what_one_runner_migrates_the_other_finds_valid_and_complete(
    manage: Manage, real_flyway: str, database_with_pgmq: str, first: str, second: str
) -> None:
    for runner, action in ((first, "migrate"), (second, "validate"), (second, "migrate")):
        done = manage(database_with_pgmq, "flyway", "--runner", runner, action, FLYWAY_BIN=real_flyway)
        assert done.returncode == 0, done.stdout
        if action == "migrate" and runner == second:
            assert "Applied V" not in done.stdout
            assert "Migrating schema" not in done.stdout


def test_both_runners_write_the_same_history_where_django_came_first(
    manage: Manage, real_flyway: str, empty_database: MakeDatabase
) -> None:
    urls = {"flyway": empty_database(), "builtin": empty_database()}
    for runner, url in urls.items():
        for command in (["migrate", "-v0"], ["pgmq", "install"], ["flyway", "--runner", runner, "migrate"]):
            done = manage(url, *command, FLYWAY_BIN=real_flyway)
            assert done.returncode == 0, done.stdout

    assert history(urls["flyway"])[0][:4] == (1, "0", "<< Flyway Baseline >>", "BASELINE")
    assert history(urls["flyway"]) == history(urls["builtin"])


def test_plain_flyway_stops_where_pgmq_is_missing_and_goes_on_once_it_is_there(
    manage: Manage, plain_flyway: PlainFlyway, empty_database: MakeDatabase
) -> None:
    url = empty_database()
    stopped = plain_flyway(url, "migrate")
    assert stopped.returncode != 0
    assert "V002__pgmq_queues.sql" in stopped.stdout
    assert "manage.py pgmq install" in stopped.stdout

    assert manage(url, "pgmq", "install").returncode == 0
    done = plain_flyway(url, "migrate")
    assert done.returncode == 0, done.stdout
    info = manage(url, "flyway", "--runner", "builtin", "info").stdout
    assert "pending" not in info
    assert "V001__commandbus_schema.sql" in info


def test_a_wrong_checksum_is_found_by_both_and_the_file_is_named(
    manage: Manage, real_flyway: str, database_with_pgmq: str
) -> None:
    manage(database_with_pgmq, "flyway", "--runner", "builtin", "migrate")
    with psycopg.connect(database_with_pgmq) as conn:
        conn.execute("UPDATE flyway_schema_history SET checksum = checksum + 1 WHERE version = '003'")

    for runner in ("builtin", "flyway"):
        found = manage(database_with_pgmq, "flyway", "--runner", runner, "validate", FLYWAY_BIN=real_flyway)
        assert found.returncode == 1
        assert "V003__test_command_table.sql was changed after it was applied" in found.stdout


def test_flyway_gets_address_user_and_password_by_environment_alone(
    manage: Manage, real_flyway: str, database_with_pgmq: str, tmp_path: Path
) -> None:
    recorder = tmp_path / "flyway"
    recorder.write_text(f'#!/bin/sh\necho "$@" >{tmp_path}/arguments\nexec {real_flyway} "$@"\n')
    recorder.chmod(recorder.stat().st_mode | stat.S_IXUSR)

    done = manage(database_with_pgmq, "flyway", "migrate", FLYWAY_BIN=str(recorder))

    assert done.returncode == 0, done.stdout
    (words,) = (tmp_path / "arguments").read_text().splitlines()
    assert words.split()[1:] == ["migrate"]
    assert words.startswith("-configFiles=")
    assert words.split()[0].endswith("flyway.conf")


def test_a_flyway_that_is_no_program_is_one_clear_line(manage: Manage, database_url: str) -> None:
    done = manage(database_url, "flyway", "validate", FLYWAY_BIN="/nowhere/flyway")

    assert done.returncode == 1
    assert done.stdout == "CommandError: FLYWAY_BIN is '/nowhere/flyway', which is no program.\n"
