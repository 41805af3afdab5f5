"""Running Flyway, which owns the schema: the real one where it is installed, else the built-in runner.

Both apply ``migrations_flyway/`` by ``flyway.conf`` and keep the same history table. Whichever runs holds an advisory
lock in the database, so that a second process waits and then finds the work done.
"""

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Literal
from urllib.parse import quote, urlencode

import psycopg
from django.conf import settings

from e2e_site.locks import one_at_a_time
from e2e_site.schema import builtin_runner
from e2e_site.schema.migration_files import FlywayError, Migration, read_config
from e2e_site.schema.state import State

Runner = Literal["flyway", "builtin"]
Action = Literal["migrate", "info", "validate"]

CONFIG_FILE = Path(__file__).resolve().parent.parent.parent / "flyway.conf"

# Parameters of libpq that the JDBC driver knows too, by the name it has there.
_JDBC_NAMES = {"connect_timeout": "connectTimeout", "sslmode": "sslmode", "sslrootcert": "sslrootcert"}


def run(
    action: Action,
    params: Mapping[str, Any],
    *,
    runner: Runner | None = None,
    say: Callable[[str], object],
    config_file: Path = CONFIG_FILE,
) -> Runner:
    """Do ``action`` in the database that psycopg's ``params`` name; ``say`` gets each line of the outcome.

    Without ``runner``: Flyway where there is one, else the built-in runner, which says so. Returns the one that ran.
    Raises FlywayError.
    """
    program = None if runner == "builtin" else _find_flyway()
    if runner == "flyway" and program is None:
        raise FlywayError("No Flyway: set FLYWAY_BIN, put `flyway` on PATH, or use --runner builtin.")
    with one_at_a_time(params, "e2e_site.flyway"), psycopg.connect(**params, autocommit=True) as conn:
        if program:
            _run_flyway(program, action, conn, say, config_file)
            return "flyway"
        say("Built-in runner: the same files and the same history as Flyway.")
        _run_builtin(action, conn, say, config_file)
        return "builtin"


def migrate(params: Mapping[str, Any], *, runner: Runner | None = None) -> Runner:
    """Apply what is pending, without a word; returns the runner that did it. FlywayError holds all that was said."""
    said: list[str] = []
    try:
        return run("migrate", params, runner=runner, say=said.append)
    except FlywayError as exc:
        raise FlywayError("\n".join([*said, str(exc)])) from exc


def state(conn: psycopg.Connection) -> State:
    """Files and history compared, in one or two statements."""
    return builtin_runner.state(conn, read_config(CONFIG_FILE))


def _run_builtin(action: Action, conn: psycopg.Connection, say: Callable[[str], object], config_file: Path) -> None:
    config = read_config(config_file)
    if action == "migrate":
        for migration in builtin_runner.migrate(conn, config):
            say(f"Applied {migration.script}.")
        return
    found = builtin_runner.state(conn, config)
    if action == "info":
        for line in _info(found):
            say(line)
        return
    if wrong := [*found.problems, *(_not_applied(migration) for migration in found.pending)]:
        raise FlywayError("\n".join(wrong))
    say(f"Every file is applied as it is; the history has {len(found.applied)} entries.")


def _not_applied(migration: Migration) -> str:
    # A repeatable one may have been, with another text.
    return f"{migration.script} is not applied {'yet' if migration.version else 'as it is now'}."


def _info(found: State) -> Iterator[str]:
    yield f"{'Version':<8} {'State':<10} {'Installed on':<19}  Script"
    for entry in found.entries:
        when = f"{entry.installed_on:%F %T}" if entry.installed_on else ""
        yield f"{entry.version or '':<8} {entry.standing:<10} {when:<19}  {entry.script}"
    yield from found.problems


def _find_flyway() -> str | None:
    if settings.FLYWAY_BIN and not shutil.which(settings.FLYWAY_BIN):
        raise FlywayError(f"FLYWAY_BIN is {settings.FLYWAY_BIN!r}, which is no program.")
    return shutil.which(settings.FLYWAY_BIN or "flyway")


def _run_flyway(
    program: str, action: Action, conn: psycopg.Connection, say: Callable[[str], object], config_file: Path
) -> None:
    at = conn.info
    # By environment: a command line is there for everyone to read.
    secrets = {
        "FLYWAY_URL": jdbc_url(at.host, at.port, at.dbname, at.get_parameters()),
        "FLYWAY_USER": at.user,
        "FLYWAY_PASSWORD": at.password,
        "FLYWAY_INIT_SQL": "SET standard_conforming_strings = on",  # a database may have it off
    }
    with subprocess.Popen(  # noqa: S603 — the operator names the program
        [program, f"-configFiles={config_file}", action],
        cwd=config_file.parent,
        env={**os.environ, **secrets},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            say(line.rstrip("\n"))
    if process.returncode:
        # Flyway speaks of versions and descriptions; the person who mends it looks for files.
        problems = builtin_runner.state(conn, read_config(config_file)).problems
        raise FlywayError("\n".join([f"Flyway's {action} failed, exit status {process.returncode}.", *problems]))


def jdbc_url(host: str, port: int, dbname: str, parameters: Mapping[str, str]) -> str:
    """The address as Flyway's driver takes it; of libpq's ``parameters`` those that it knows. Raises FlywayError."""
    if host.startswith("/"):
        raise FlywayError(f"Flyway needs TCP, but the database is at the socket {host}: use --runner builtin.")
    host = f"[{host}]" if ":" in host else host
    options = urlencode({name: parameters[key] for key, name in _JDBC_NAMES.items() if key in parameters})
    return f"jdbc:postgresql://{host}:{port}/{quote(dbname, safe='')}{'?' if options else ''}{options}"
