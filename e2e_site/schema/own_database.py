"""A database of one's own, for a load test, a benchmark or another proof: never the site's.

`own_database` makes one on the site's server (past a pooler) and drops it. While it lives, its owner holds a connection
to the server whose ``application_name`` is the database's name. So a database without such a connection is that of an
owner that was killed, and the next one drops it. `given_database` takes one that is there.
"""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from secrets import token_hex
from typing import Any
from urllib.parse import quote

import psycopg
from django.conf import settings
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from e2e_site.database import session_params
from e2e_site.embedded.cluster import demo_cluster
from e2e_site.options import Exit, SiteError
from e2e_site.programs import Program, manage_command
from e2e_site.texts import one_line

SET_UP_WITHIN_S = 120
_OF_PSYCOPG = {"prepare_threshold", "autocommit"}  # what libpq itself does not know


class OwnDatabaseError(SiteError):
    """The database cannot be made or used."""

    exit_code = Exit.REFUSED


@dataclass(frozen=True, kw_only=True)
class OwnDatabase:
    """Its address for programs (``url``) and for psycopg (``params``)."""

    name: str
    url: str
    params: Mapping[str, Any]

    def environment(self) -> dict[str, str]:
        """The environment of a program that works on it, and on nothing else."""
        inherited = {name: value for name, value in os.environ.items() if name != "LISTEN_DATABASE_URL"}
        # One line per command would measure the log: only what is wrong is written.
        own = {
            "DATABASE_URL": self.url,
            "SECRET_KEY": settings.SECRET_KEY,
            "LOG_LEVEL": "WARNING",
            "LOG_FORMAT": "text",
        }
        return {**inherited, **own}

    def conninfo(self) -> str:
        """The address as libpq's programs take it, without the password."""
        return make_conninfo(**{k: v for k, v in self.params.items() if k not in {*_OF_PSYCOPG, "password"}})

    @property
    def password(self) -> str:
        return str(self.params.get("password") or "")


def prefix(purpose: str) -> str:
    """What the names of databases for a purpose begin with."""
    return f"commandbus_{purpose}_"


@contextmanager
def own_database(purpose: str, *, otherwise: str = "") -> Iterator[OwnDatabase]:
    """Make a database with the whole schema in it, and drop it afterwards, however the work in it ends.

    ``purpose`` is a word of small letters. Raises OwnDatabaseError; where the user may not make a database it says what
    can be done ``otherwise``.
    """
    name = f"{prefix(purpose)}{os.getpid()}_{token_hex(3)}"
    params = session_params()
    with _server(params, name) as server:
        _drop_leftovers(server, prefix(purpose))
        _create(server, name, purpose, otherwise)
        own = OwnDatabase(name=name, url=_url(name), params={**params, "dbname": name, "application_name": purpose})
        try:
            set_up(own)
            yield own
        finally:
            with _server(params, name) as newer:  # the older may have been lost meanwhile
                newer.execute(_ddl("DROP DATABASE IF EXISTS {} WITH (FORCE)", name))


def given_database(url: str, purpose: str) -> OwnDatabase:
    """The database at an address, which stays; `OwnDatabaseError` where it cannot be used."""
    try:
        params: dict[str, Any] = conninfo_to_dict(url)
        psycopg.connect(**params).close()
    except psycopg.Error as exc:
        raise OwnDatabaseError(f"The database {without_password(url)} cannot be used: {one_line(exc)}") from exc
    own = {**params, "application_name": purpose, "prepare_threshold": None}
    return OwnDatabase(name=str(params["dbname"]), url=url, params=own)


def set_up(own: OwnDatabase) -> None:
    """PGMQ, Flyway's files and Django's tables, by the same command as the site's own database."""
    program = Program("set-up", manage_command("setup"), environment=own.environment(), keeps_output=True)
    program.start()
    in_time = program.ends_within(SET_UP_WITHIN_S)
    program.end()
    if not in_time or program.exit_code:
        raise OwnDatabaseError(f"The database {own.name} cannot be set up:\n{program.output.strip()}")


def without_password(url: str) -> str:
    """An address that may be shown."""
    scheme, slashes, rest = url.partition("://")
    user, at, place = rest.rpartition("@")
    return f"{scheme}{slashes}{user.partition(':')[0]}{at}{place}" if slashes else "that is given"


def _server(params: Mapping[str, Any], name: str) -> psycopg.Connection[Any]:
    """A connection to a database that nothing here drops: ``postgres``, or the site's own where that is missing."""
    named = {**params, "application_name": name}
    try:
        return psycopg.connect(**{**named, "dbname": "postgres"}, autocommit=True)
    except psycopg.OperationalError:
        return psycopg.connect(**named, autocommit=True)


def _create(server: psycopg.Connection[Any], name: str, purpose: str, otherwise: str) -> None:
    try:
        server.execute(_ddl("CREATE DATABASE {}", name))
        # This session now waits to the end: what it has written must not show in the counters meanwhile.
        server.execute("SELECT pg_stat_force_next_flush()")
    except psycopg.errors.InsufficientPrivilege as exc:
        raise OwnDatabaseError(
            f"A {purpose} works in a database of its own, and user {server.info.user} may not create one: let an "
            f'administrator run "ALTER ROLE {server.info.user} CREATEDB"{otherwise}.'
        ) from exc


def _drop_leftovers(server: psycopg.Connection[Any], prefix: str) -> None:
    rows = server.execute(
        """
        SELECT d.datname FROM pg_database d WHERE starts_with(d.datname, %s)
           AND NOT EXISTS (SELECT FROM pg_stat_activity a WHERE a.application_name = d.datname)
        """,
        [prefix],
    ).fetchall()
    for (name,) in rows:
        with suppress(psycopg.errors.InsufficientPrivilege):  # another user's
            server.execute(_ddl("DROP DATABASE IF EXISTS {} WITH (FORCE)", name))


def _url(name: str) -> str:
    outside = os.environ.get("LISTEN_DATABASE_URL") or os.environ.get("DATABASE_URL")
    return renamed(outside, name) if outside else demo_cluster(settings.BASE_DIR).url(name)


def renamed(url: str, name: str) -> str:
    """The address of another database on the same server."""
    address, question, options = url.partition("?")
    return f"{address.rpartition('/')[0]}/{quote(name)}{question}{options}"


def _ddl(statement: str, name: str) -> sql.Composed:
    return sql.SQL(statement).format(sql.Identifier(name))
