"""Making a database ready for the site: the database itself, PGMQ, Flyway's schema, Django's own tables.

Every step first compares, in SQL, what is there with what the code needs, and does nothing where nothing is missing.
A lock in the database makes a second process wait; then it finds the work done.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, LiteralString

import psycopg
from django.apps import apps
from django.contrib.auth import get_permission_codename
from django.core.management import call_command
from psycopg import sql

from e2e_site.database import session_params
from e2e_site.locks import one_at_a_time
from e2e_site.roles import members
from e2e_site.schema import flyway, pgmq
from e2e_site.schema.django_tables import SetupError, schema_of_django
from e2e_site.schema.migration_files import FlywayError


def set_up(say: Callable[[str], object]) -> None:
    """Do whatever is missing; ``say`` gets one line for each thing done, and none where nothing was.

    Raises SetupError, pgmq.PgmqError, FlywayError or psycopg.Error.
    """
    params = session_params()
    _ensure_database(params, say)
    with one_at_a_time(params, "e2e_site.setup"), psycopg.connect(**params, autocommit=True) as conn:
        if pgmq.install(conn):
            say(f"PGMQ {pgmq.status(conn).version} installed.")
        _ensure_schema(conn, params, say)
        if missing := missing_in_django(conn):
            call_command("migrate", verbosity=0, interactive=False, skip_checks=True)
            first = f"({len(missing)} missing, first {missing[0]})"
            say(f"Django's tables, permissions and roles brought up to date {first}.")


def missing_in_django(conn: psycopg.Connection) -> list[str]:
    """Migrations, permissions and roles that ``migrate`` would bring, by name; compared without loading migrations."""
    schema = schema_of_django(conn)
    if schema is None:
        return sorted(_migrations_on_disk())

    def rows(query: LiteralString) -> list[tuple[Any, ...]]:
        return conn.execute(sql.SQL(query).format(schema=sql.Identifier(schema))).fetchall()

    applied = {f"{app}.{name}" for app, name in rows("SELECT app, name FROM {schema}.django_migrations")}
    if missing := sorted(_migrations_on_disk() - applied):
        return missing
    granted = rows(
        "SELECT app_label, codename FROM {schema}.auth_permission"
        " JOIN {schema}.django_content_type t ON t.id = content_type_id"
    )
    known = {f"{app}.{codename}" for app, codename in granted}
    if missing := sorted(_permissions_of_models() - known):
        return missing
    has: dict[str, set[str]] = {}
    for role, right in rows(
        "SELECT g.name, t.app_label || '.' || p.codename FROM {schema}.auth_group g"
        " LEFT JOIN {schema}.auth_group_permissions m ON m.group_id = g.id"
        " LEFT JOIN {schema}.auth_permission p ON p.id = m.permission_id"
        " LEFT JOIN {schema}.django_content_type t ON t.id = p.content_type_id"
    ):
        has.setdefault(role, set()).update({right} - {None})
    # A later version may have given a role rights that are not known here: beside it this one works on.
    judged = _permissions_of_models()
    return [
        f"the role {role}"
        for role, rights in members(known).items()
        if role not in has or has[role] & (judged | rights) != rights
    ]


def _ensure_database(params: Mapping[str, Any], say: Callable[[str], object]) -> None:
    name = str(params["dbname"])
    try:
        psycopg.connect(**params).close()
    except psycopg.OperationalError as exc:
        # libpq has no code for "no such database": ask the server by way of the database that every server has.
        try:
            server = psycopg.connect(**{**params, "dbname": "postgres"}, autocommit=True)
        except psycopg.OperationalError:
            raise exc from None
        with server:
            if server.execute("SELECT FROM pg_database WHERE datname = %s", [name]).fetchone() is not None:
                # Another process made it meanwhile, or the trouble is another one and shows again.
                psycopg.connect(**params).close()
            elif _create_database(server, name):
                say(f"Database {name} created.")


def _create_database(server: psycopg.Connection, name: str) -> bool:
    try:
        server.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    except (psycopg.errors.DuplicateDatabase, psycopg.errors.UniqueViolation):
        return False  # another process was faster
    except psycopg.errors.InsufficientPrivilege as exc:
        raise SetupError(
            f"Database {name} does not exist and user {server.info.user} may not create it: "
            f'let an administrator run "createdb -O {server.info.user} {name}".'
        ) from exc
    return True


def _ensure_schema(conn: psycopg.Connection, params: Mapping[str, Any], say: Callable[[str], object]) -> None:
    found = flyway.state(conn)
    if found.problems:
        raise FlywayError("\n".join(found.problems))
    if found.pending:
        runner = "Flyway" if flyway.migrate(params) == "flyway" else "the built-in runner"
        say(f"{len(found.pending)} migrations applied by {runner}, up to {found.pending[-1].script}.")


def _migrations_on_disk() -> set[str]:
    return {
        f"{app.label}.{file.stem}"
        for app in apps.get_app_configs()
        for file in (Path(app.path) / "migrations").glob("[0-9]*.py")
    }


def _permissions_of_models() -> set[str]:
    return {
        f"{model._meta.app_label}.{codename}"
        for model in apps.get_models()
        for codename in (
            *(get_permission_codename(action, model._meta) for action in model._meta.default_permissions),
            *(codename for codename, _ in model._meta.permissions),
        )
    }
