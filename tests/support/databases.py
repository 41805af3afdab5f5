"""Databases of a test run: one template per state of the schema, copied for each test process."""

import hashlib
import os
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from typing import Any

import environ
import psycopg
from django.core.management import call_command
from django.db import connection
from psycopg import sql

from e2e_site.schema import flyway, pgmq
from e2e_site.schema.own_database import own_database
from tests.support.clusters import CHECKOUT, server_url

_TEMPLATE_PREFIX = "e2e_template_"
ROLES = CHECKOUT / "e2e_site" / "roles.py"  # whose groups are in the template


@contextmanager
def test_database() -> Iterator[str]:
    """A database of this process with the whole schema in it; Django and the environment use it meanwhile."""
    with _server_connection() as server, ExitStack() as until_the_end:
        with _one_at_a_time(server):
            template = _template(server)
            own = until_the_end.enter_context(own_database("test", server=server_url(), template=template))
            _drop_old_templates(server, template)
        with _django_uses(own.name):
            _made_by_migrate.update(_filled())
            yield own.url


# Django's tables that its migrations fill, content types and permissions, each with a digest of its rows.
_made_by_migrate: dict[str, str] = {}


def put_back_what_migrate_made() -> None:
    """In place of the flush after a transactional test, which makes content types and permissions anew: 0.2 s, for rows
    that hardly a test changes. Where one did, they are made anew; `clean` empties the other tables.
    """
    if (found := _filled(_made_by_migrate)) != _made_by_migrate:
        call_command("flush", verbosity=0, interactive=False)
        _made_by_migrate.update(_filled(found))


def _filled(names: Iterable[str] | None = None) -> dict[str, str]:
    """A digest of the rows of each of these tables; of all of Django's that have rows."""
    tables = connection.introspection.django_table_names(only_existing=True) if names is None else list(names)
    with connection.cursor() as cursor:
        each = "SELECT '{0}' AS name, md5(string_agg(t::TEXT, ',' ORDER BY t::TEXT)) AS digest FROM public.{0} t"
        cursor.execute(" UNION ALL ".join(each.format(table) for table in tables))
        return {name: digest or "" for name, digest in cursor.fetchall() if digest or names is not None}


def clean(url: str) -> None:
    """Empty our tables and queues, and those of Django that its migrations leave empty; put the settings back."""
    emptied = set(connection.introspection.django_table_names()) - _made_by_migrate.keys()
    with psycopg.connect(url) as conn:
        _end_what_killed_workers_left(conn)
        # A process that a test left running holds locks: say so instead of waiting.
        conn.execute("SET lock_timeout = '15s'")
        # What a test did not touch has no pages: most tables, after most tests, and TRUNCATE takes long for each.
        touched = conn.execute(
            """
            SELECT schemaname, tablename FROM pg_tables
            WHERE pg_relation_size(format('%%I.%%I', schemaname, tablename)) > 0
              AND ((schemaname = 'commandbus' AND tablename <> 'domain')
                   OR (schemaname = 'pgmq' AND tablename ~ '^[qa]_')
                   OR (schemaname = 'public' AND (tablename = ANY (%s) OR tablename IN (
                       'test_command', 'e2e_config', 'e2e_worker', 'e2e_operation', 'load_run', 'load_sample',
                       'e2e_api_token', 'e2e_api_token_budget', 'e2e_saved_view',
                       'bench_check', 'bench_execution', 'bench_run', 'bench_send',
                       'e2e_sample', 'e2e_database_sample', 'e2e_sampler_look', 'e2e_sample_total'))))
             """,
            [list(emptied)],
        ).fetchall()
        names = sql.SQL(", ").join(sql.Identifier(*table) for table in touched)
        conn.execute(sql.SQL("TRUNCATE {} CASCADE").format(names))
        if conn.execute("SELECT current_setting('is_superuser') = 'on'").fetchone() == (True,):
            # Else what ANALYZE said of an earlier test's rows decides how the next one's statements are planned.
            conn.execute("DELETE FROM pg_statistic WHERE starelid >= 16384")
        conn.execute(
            """
            SELECT setval(format('%I.%I', schemaname, sequencename)::regclass, start_value, false) FROM pg_sequences
            WHERE last_value IS NOT NULL AND (schemaname IN ('commandbus', 'pgmq')
                OR sequencename ~ '^(test_command|e2e_(config|worker|operation|api_token)|load_(run|sample)'
                                  '|bench_(check|run))_')
            """
        )
        conn.execute("INSERT INTO public.e2e_config DEFAULT VALUES")
        conn.execute(
            "UPDATE public.e2e_sampler SET counted = 0, counted_at = NULL, horizon = NULL, horizon_at = NULL,"
            " writers = '{}', sampled_at = NULL, sampler = '' WHERE counted > 0 OR sampled_at IS NOT NULL"
        )


def _end_what_killed_workers_left(conn: psycopg.Connection) -> None:
    """The server still performs the last statement of a worker that was killed, maybe after the tables are emptied."""
    conn.execute(
        """
        SELECT pg_terminate_backend(pid, 15000) FROM pg_stat_activity
        WHERE datname = current_database() AND (starts_with(application_name, 'runworker')
                                                OR starts_with(application_name, 'sampler'))
        """
    )


def template_name() -> str:
    """The template of the present schema, which is there while a `test_database` is; nothing connects to it."""
    return f"{_TEMPLATE_PREFIX}{_schema_hash()}"


def _template(server: psycopg.Connection) -> str:
    """The template of the present schema, built unless it is there."""
    name = template_name()
    if server.execute("SELECT FROM pg_database WHERE datname = %s", [name]).fetchone() is None:
        unfinished = f"{_TEMPLATE_PREFIX}unfinished"
        server.execute(_ddl("DROP DATABASE IF EXISTS {} WITH (FORCE)", unfinished))
        server.execute(_ddl("CREATE DATABASE {}", unfinished))
        with psycopg.connect(server_url(unfinished), autocommit=True) as conn:
            pgmq.install(conn)
        flyway.migrate({"conninfo": server_url(unfinished)}, runner="builtin")
        with _django_uses(unfinished):
            call_command("migrate", verbosity=0)
        server.execute(_ddl("ALTER DATABASE {} RENAME TO {}", unfinished, name))
    return name


def _schema_hash() -> str:
    digest = hashlib.sha256()
    for path in [*sorted((CHECKOUT / "migrations_flyway").glob("*.sql")), CHECKOUT / "requirements.txt", ROLES]:
        digest.update(path.name.encode() + path.read_bytes())
    return digest.hexdigest()[:12]


def _drop_old_templates(server: psycopg.Connection, template: str) -> None:
    rows = server.execute(
        """
        SELECT datname FROM pg_database
        WHERE starts_with(datname, %s) AND datname <> %s
          AND NOT EXISTS (SELECT FROM pg_stat_activity WHERE datid = pg_database.oid)
        """,
        [_TEMPLATE_PREFIX, template],
    ).fetchall()
    for (name,) in rows:
        with suppress(psycopg.errors.ObjectInUse):  # another run connected just now
            server.execute(_ddl("DROP DATABASE IF EXISTS {}", name))


@contextmanager
def _server_connection() -> Iterator[psycopg.Connection]:
    """A connection to a database that no run drops: ``postgres``, which nearly every server has."""
    try:
        conn = psycopg.connect(server_url("postgres"), autocommit=True)
    except psycopg.OperationalError:
        conn = psycopg.connect(server_url(), autocommit=True)
    with conn:
        yield conn


@contextmanager
def _one_at_a_time(server: psycopg.Connection) -> Iterator[None]:
    server.execute("SELECT pg_advisory_lock(hashtextextended('tests.support.databases', 0))")
    try:
        yield
    finally:
        server.execute("SELECT pg_advisory_unlock(hashtextextended('tests.support.databases', 0))")


@contextmanager
def _django_uses(name: str) -> Iterator[None]:
    """Point Django's connection and, for subprocesses, DATABASE_URL at the database `name`."""
    url = server_url(name)
    settings: dict[str, Any] = connection.settings_dict
    before = {key: settings[key] for key in ("NAME", "USER", "PASSWORD", "HOST", "PORT")}, os.environ["DATABASE_URL"]
    connection.close()
    settings.update({key: value for key, value in environ.Env.db_url_config(url).items() if key in before[0]})
    os.environ["DATABASE_URL"] = url
    try:
        yield
    finally:
        connection.close()
        settings.update(before[0])
        os.environ["DATABASE_URL"] = before[1]


def _ddl(statement: str, *names: str) -> sql.Composed:
    return sql.SQL(statement).format(*map(sql.Identifier, names))
