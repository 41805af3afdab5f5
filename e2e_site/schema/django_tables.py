"""Where Django's own tables are, and where they are made: in ``public``, whatever schema a session finds first.

Django names no schema. Of a user named ``commandbus`` that schema comes first, since ``search_path`` begins with
``"$user"``.
"""

from typing import Any

import psycopg
from django.db import connections

from e2e_site.options import SiteError

PUBLIC = "public"
_SCHEMA = """
    SELECT nspname FROM pg_class JOIN pg_namespace n ON n.oid = relnamespace
    WHERE pg_class.oid = coalesce(to_regclass('django_migrations'), to_regclass('public.django_migrations'))
"""
_FIRST = "SELECT current_schema(), current_user, current_database(), pg_backend_pid()"


class SetupError(SiteError):
    """The database cannot be made ready; the message says why and what to do."""


def schema_of_django(conn: psycopg.Connection[Any]) -> str | None:
    """Where Django's tables are: where this session finds them, as Django does, else ``public``; None: nowhere."""
    row = conn.execute(_SCHEMA).fetchone()
    return None if row is None else row[0]


def land_in_public(using: str, **_: object) -> None:
    """Before ``migrate``: have this session make tables in ``public``, or where they are already.

    SetupError where a pooler is in the way: no setting would last from one transaction to the next.
    """
    connection = connections[using]
    connection.ensure_connection()
    conn: psycopg.Connection[Any] = connection.connection
    wanted = schema_of_django(conn) or PUBLIC
    row = conn.execute(_FIRST).fetchone()
    assert row is not None
    first, user, database, pid = row
    if first == wanted:
        return
    if pid != conn.info.backend_pid:
        raise SetupError(
            f"Django's tables would land in schema {first} and not in {wanted}: "
            f'let user {user} run "ALTER ROLE {user} IN DATABASE {database} SET search_path = {wanted}".'
        )
    conn.execute("SELECT set_config('search_path', %s, false)", [wanted])
