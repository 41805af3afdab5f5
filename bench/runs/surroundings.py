"""What a run was measured on: versions, machine, server, durability, and how busy the machine was without it."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
from dataclasses import dataclass
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, LiteralString

import psutil
from django.conf import settings
from psycopg.rows import tuple_row

from bench import machine
from e2e_site import __version__

if TYPE_CHECKING:
    import psycopg

TIMES = 50  # writes to the disk and shortest statements: a fraction of a second
NOISY = 0.5  # of the processors: a load average before the run that is higher
_GIT_WITHIN_S = 5
# Settings that decide how fast or how durable a server is; those that are as PostgreSQL ships them are left out.
_SETTINGS: LiteralString = """
    SELECT name, setting || coalesce(' ' || unit, '') FROM pg_settings
    WHERE setting IS DISTINCT FROM boot_val AND name ~ %s ORDER BY name
"""
_PGMQ: LiteralString = """
    SELECT coalesce((SELECT extversion FROM pg_extension WHERE extname = 'pgmq'),
                    substring(obj_description(to_regnamespace('pgmq'), 'pg_namespace') FROM '^PGMQ ([0-9.]+)'))
"""
_MATTER = (
    "^(autovacuum|backend_flush|bgwriter|checkpoint|commit_|default_statistics|default_transaction|effective_|fsync|"
    "full_page|huge_pages|idle_|jit|lock_timeout|maintenance_work_mem|max_(connections|wal|parallel|worker)|"
    "random_page|shared_(buffers|preload)|statement_timeout|synchronous_|temp_buffers|track_|transaction_timeout|"
    "wal_|work_mem)"
)


@dataclass(frozen=True)
class Answers:
    """A connection as `bench.machine` asks it, whatever its rows are."""

    conn: psycopg.Connection[Any]

    def value(self, query: LiteralString, params: Any = ()) -> Any:
        with self.conn.cursor(row_factory=tuple_row) as cursor:
            row = cursor.execute(query, list(params)).fetchone()
        return row[0] if row else None


def versions(conn: psycopg.Connection[Any]) -> dict[str, str]:
    """Of the site (and the commit, where it is a checkout), the library, PGMQ, PostgreSQL and Python."""
    found = {"site": __version__}
    if commit := _commit():
        found["commit"] = commit
    return found | {
        "reliable-cmd": version("reliable-cmd"),
        "PGMQ": str(Answers(conn).value(_PGMQ) or "not told"),
        "PostgreSQL": str(Answers(conn).value("SHOW server_version")),
        "Python": platform.python_version(),
        "psycopg": version("psycopg"),
    }


def environment(conn: psycopg.Connection[Any], before: dict[str, float]) -> dict[str, Any]:
    """``before``: what `measure.costs` said when the run began. ``noisy``: others were using the processors then."""
    found = machine.environment(Answers(conn), TIMES)
    processors = psutil.cpu_count() or 1
    load = before.get("load")
    found["load_before"] = None if load is None else round(load, 2)
    found["load_after"] = round(os.getloadavg()[0], 2)
    found["noisy"] = load is not None and load > NOISY * processors
    found["settings"] = _settings(conn)
    return found


def _settings(conn: psycopg.Connection[Any]) -> dict[str, str]:
    with conn.cursor(row_factory=tuple_row) as cursor:
        return dict(cursor.execute(_SETTINGS, [_MATTER]).fetchall())


def _commit() -> str:
    """The commit of the checkout, with ``-dirty`` where it was changed; empty where there is none to tell."""
    git = shutil.which("git")
    if git is None or not (settings.BASE_DIR / ".git").exists():
        return ""
    command = [git, "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"]
    try:
        done = subprocess.run(  # noqa: S603  # no word of it comes from outside
            command, cwd=settings.BASE_DIR, capture_output=True, text=True, timeout=_GIT_WITHIN_S, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout.strip()
