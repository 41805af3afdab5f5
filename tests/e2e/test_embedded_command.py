"""The embedded PostgreSQL as the site's programs use it, in a checkout below a directory of mode 0700."""

import os
import pwd
import shutil
import signal
import stat
from pathlib import Path

import psycopg

from e2e_site.embedded.home import SERVER_USER
from tests.support.checkouts import Checkout
from tests.support.waiting import wait_until

PYTHON = ".venv/bin/python"
WAITING = (
    "import time; from django.db import connection; connection.ensure_connection(); print('connected'); time.sleep(600)"
)


def modes_above(directory: Path) -> dict[Path, int]:
    return {parent: stat.S_IMODE(parent.stat().st_mode) for parent in (directory, *directory.parents)}


def test_below_a_directory_of_mode_0700_it_runs_and_changes_no_directorys_mode(tmp_path: Path) -> None:
    private = tmp_path / "private"
    private.mkdir(mode=0o700)
    checkout = Checkout(private / "checkout")
    try:
        before = modes_above(checkout.directory)
        checkout.manage("embeddedpg", "start")
        ((data,),) = checkout.query("SHOW data_directory")
        assert modes_above(checkout.directory) == before
        owner = pwd.getpwuid(Path(str(data)).stat().st_uid).pw_name
        if os.geteuid() == 0:
            assert owner == SERVER_USER
            assert str(data).startswith("/var/lib/commandbus-e2e/")
        else:
            assert str(data).startswith(str(checkout.directory / ".data"))
    finally:
        checkout.remove()


def test_it_is_started_stopped_and_shown_by_hand(checkout: Checkout) -> None:
    status = checkout.run(PYTHON, "manage.py", "embeddedpg", "status")
    assert (status.exit_code, status.output) == (3, "Not running.\n")
    started = checkout.manage("embeddedpg", "start")
    assert f"Started on 127.0.0.1:{checkout.cluster.port}." in started
    assert checkout.manage("embeddedpg", "start") == f"Running on 127.0.0.1:{checkout.cluster.port}.\n"
    assert "0 client connections" in checkout.manage("embeddedpg", "status")
    with psycopg.connect(checkout.manage("embeddedpg", "url").strip()) as conn:
        assert conn.execute("SELECT current_database()").fetchone() == ("commandbus_e2e",)
    assert checkout.manage("embeddedpg", "stop") == "Stopped.\n"
    assert checkout.manage("embeddedpg", "stop") == "Not running.\n"


def test_what_works_without_the_database_starts_and_writes_nothing(checkout: Checkout) -> None:
    for words, code in (
        (["-c", "import e2e_site.wsgi"], 0),
        (["manage.py", "help", "runworker"], 0),
        (["manage.py", "runworker", "--help"], 0),
        (["manage.py", "check"], 0),
        (["manage.py", "collectstatic", "--noinput", "--dry-run", "--verbosity=0"], 0),
        (["manage.py", "shell", "--command", "print('no question to the database')"], 0),
        (["manage.py", "runworker", "--processes=0"], 2),
        (["manage.py", "prune", "--older-than=forever"], 2),
    ):
        program = checkout.run(PYTHON, *words)
        assert program.exit_code == code, program.output
        assert not checkout.directory.joinpath(".data").exists(), words


def test_the_first_connection_starts_it_whatever_makes_it_and_the_secret_key_is_what_it_was(
    checkout: Checkout, tmp_path: Path
) -> None:
    script = (
        "import django; from django.conf import settings; before = settings.SECRET_KEY; django.setup()\n"
        "from django.db import connection; connection.ensure_connection(); print(before)"
    )
    program = checkout.run(PYTHON, "-c", script, DJANGO_SETTINGS_MODULE="e2e_site.settings")
    assert program.exit_code == 0, program.output
    assert checkout.cluster.is_running()
    key = program.output.splitlines()[-1]
    assert checkout.manage("shell", "-v0", "-c", "from django.conf import settings; print(settings.SECRET_KEY)") == (
        f"{key}\n"
    )

    # `dbshell` starts it too, and knows the way.
    checkout.cluster.stop()
    psql = tmp_path / "psql"
    psql.write_text('#!/bin/sh\necho "$@" "password of ${#PGPASSWORD} letters"\n')
    psql.chmod(0o755)
    program = checkout.run(PYTHON, "manage.py", "dbshell", PATH=f"{tmp_path}:{os.environ['PATH']}")
    words = f"-U postgres -h 127.0.0.1 -p {checkout.cluster.port} commandbus_e2e password of 32 letters"
    assert words in program.output
    assert checkout.cluster.is_running()


def test_a_process_that_has_used_it_does_not_start_it_again_after_a_stop(checkout: Checkout) -> None:
    script = (
        "import time; from django.db import connection, OperationalError; said = ''\n"
        "while 'refused' not in said:\n"
        "    try: connection.ensure_connection(); connection.close(); print('connected')\n"
        "    except OperationalError as exc: said = str(exc)\n"
        "    time.sleep(0.1)\n"
    )
    program = checkout.start(PYTHON, "manage.py", "shell", "--command", script)
    program.wait_for_output("connected")
    checkout.manage("embeddedpg", "stop")
    assert program.wait(20) == 0
    assert not checkout.cluster.is_running()


def test_where_it_cannot_start_a_command_says_why_in_one_line(checkout: Checkout) -> None:
    in_the_way = checkout.directory / ".data" / "lock"
    in_the_way.mkdir(parents=True)
    program = checkout.run(PYTHON, "manage.py", "setup")
    in_the_way.rmdir()
    assert program.exit_code == 1
    (line,) = program.output.splitlines()
    assert line.startswith("CommandError: The database cannot be used: The embedded PostgreSQL cannot start: ")


def test_a_command_that_needs_it_starts_it_and_it_outlives_the_command(checkout: Checkout) -> None:
    checkout.manage("setup")
    assert checkout.cluster.is_running()
    checkout.cluster.stop()
    shell = checkout.start(PYTHON, "manage.py", "shell", "--command", WAITING)
    shell.wait_for_output("connected")
    assert checkout.cluster.is_running()
    os.killpg(shell.pid, signal.SIGINT)  # as Ctrl-C in a terminal
    wait_until(lambda: shell.exit_code is not None, message="End of the shell")
    assert checkout.query("SELECT count(*) FROM public.e2e_config") == [(1,)]


def test_with_a_database_url_it_is_left_alone(checkout: Checkout, database_url: str) -> None:
    program = checkout.run(PYTHON, "manage.py", "showmigrations", DATABASE_URL=database_url, SECRET_KEY="x" * 50)
    assert program.exit_code == 0, program.output
    assert not checkout.directory.joinpath(".data").exists()


def test_a_database_of_an_unreleased_schema_is_kept_and_can_be_made_anew_as_setup_says(checkout: Checkout) -> None:
    checkout.manage("setup")
    first = checkout.directory / "migrations_flyway" / "V001__commandbus_schema.sql"
    older = first.read_text()
    first.write_text(f"{older}-- edited in place\n")

    refused = checkout.run(PYTHON, "manage.py", "setup")
    assert refused.exit_code == 1
    (line,) = refused.output.splitlines()
    assert "V001__commandbus_schema.sql was changed after it was applied" in line
    assert '"manage.py embeddedpg stop" and remove .data' in line

    # "Keep it with the checkout that made it", ...
    newer = first.read_text()
    first.write_text(older)
    assert "nothing to do" in checkout.manage("setup")
    # ... "or start anew".
    first.write_text(newer)
    checkout.manage("embeddedpg", "stop")
    shutil.rmtree(checkout.directory / ".data")
    assert "migrations applied" in checkout.manage("setup")
