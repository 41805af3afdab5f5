"""Set-up checks: is the database what the site and its worker need?

Registered as Django system checks they are warnings: an error under ``Tags.database`` would stop ``manage.py migrate``,
which is a part of the cure. Commands that work on the database ask for `problems` and
refuse to start.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import psycopg
from django.apps import AppConfig
from django.core.checks import CheckMessage, Warning  # noqa: A004 — Django's name for it

from commands.rules.readiness import PGMQ, QUEUE, SCHEMA, UNREACHABLE
from e2e_site.database import connection_params
from e2e_site.limits import LimitedConnection, connect_timeout
from e2e_site.options import Exit, SiteError
from e2e_site.schema import flyway, pgmq
from e2e_site.schema.migration_files import FlywayError
from e2e_site.schema.setup import missing_in_django
from e2e_site.texts import one_line

_SETUP = 'Run "manage.py setup".'


def problems() -> list[CheckMessage]:
    """What is missing, each with a stable id, a sentence (``msg``) and what to run (``hint``). Changes nothing."""
    try:
        with LimitedConnection.connect(**connect_timeout(connection_params()), autocommit=True) as conn:
            return [*_schema_problems(conn), *_pgmq_problems(conn)]
    except psycopg.Error as exc:
        return [
            Warning(
                f"The database cannot be used: {one_line(exc)}",
                hint='Start it, check DATABASE_URL, or run "manage.py setup" to create the database.',
                id=UNREACHABLE,
            )
        ]


class NotReadyError(SiteError):
    """The database is not what the code needs: a line for each thing that is missing."""

    def __init__(self, found: Sequence[CheckMessage]) -> None:
        super().__init__("\n".join(f"{problem.msg} {problem.hint}" for problem in found))
        self.exit_code = Exit.FAILED if found[0].id == UNREACHABLE else Exit.REFUSED


def refuse(found: Sequence[CheckMessage]) -> None:
    """Raise NotReadyError where there are `problems`."""
    if found:
        raise NotReadyError(found)


def check_setup(
    app_configs: Sequence[AppConfig] | None, databases: Sequence[str] | None = None, **options: Any
) -> list[CheckMessage]:
    """The system check: nothing unless Django was asked to look at the database."""
    return problems() if databases and "default" in databases else []


def _schema_problems(conn: psycopg.Connection) -> Iterator[CheckMessage]:
    try:
        found = flyway.state(conn)
    except FlywayError as exc:
        yield Warning(str(exc), hint='Run "manage.py flyway validate".', id=SCHEMA)
        return
    for problem in found.problems:
        yield Warning(problem, hint='Run "manage.py flyway validate".', id=SCHEMA)
    if found.lacking:
        what = "older than the code" if found.applied else "missing"
        scripts = [migration.script for migration in found.lacking]
        yield Warning(f"The schema is {what}: it lacks {_first_of(scripts)}.", hint=_SETUP, id=SCHEMA)
    if missing := missing_in_django(conn):
        yield Warning(f"Django's own tables lack {_first_of(missing)}.", hint=_SETUP, id=SCHEMA)
    if not found.lacking and not found.problems:
        yield from _queue_problems(conn)


def _first_of(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{names[0]} and {len(names) - 1} more"


def _queue_problems(conn: psycopg.Connection) -> Iterator[CheckMessage]:
    """Asked only where the schema is complete: the migrations make the queues."""
    queues = "SELECT unnest(ARRAY[command_queue, reply_queue]) FROM commandbus.domain ORDER BY since, name"
    for (queue,) in conn.execute(queues).fetchall():
        row = conn.execute(
            "SELECT to_regclass(%s) IS NULL OR to_regclass(%s) IS NULL", [f"pgmq.q_{queue}", f"pgmq.a_{queue}"]
        )
        if row.fetchone() == (True,):
            yield Warning(
                f"The queue {queue} is missing.", hint=f"Run in SQL: SELECT pgmq.create('{queue}');", id=QUEUE
            )


def _pgmq_problems(conn: psycopg.Connection) -> Iterator[CheckMessage]:
    found = pgmq.status(conn)
    if not found.present:
        yield Warning("PGMQ is missing.", hint=_SETUP, id=PGMQ)
    elif found.lacks:
        yield Warning(
            f"PGMQ {found.version or ''} is older than {pgmq.OLDEST}: it lacks {', '.join(found.lacks)}.",
            hint='Run in SQL: ALTER EXTENSION pgmq UPDATE. If it is no extension: "manage.py setup" on a new database.',
            id=PGMQ,
        )
