"""The database of a benchmark: one of its own on the server that the site uses (past a pooler), dropped at the end.

While it lives, its owner holds a connection to the server whose ``application_name`` is the database's name. So a
database without such a connection is that of a benchmark that was killed, and the next one drops it.
"""

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from secrets import token_hex
from typing import Any
from urllib.parse import quote

import psycopg
from django.conf import settings
from psycopg import sql
from psycopg.conninfo import make_conninfo

from e2e_site.database import session_params
from e2e_site.embedded.cluster import demo_cluster
from e2e_site.options import SiteError

PREFIX = "commandbus_benchmark_"
_OF_PSYCOPG = {"prepare_threshold", "autocommit"}  # what libpq itself does not know


class OwnDatabaseError(SiteError):
    """The database cannot be made; the message is for people and says what to do."""


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


@contextmanager
def own_database() -> Iterator[OwnDatabase]:
    """Make a database with the whole schema in it, and drop it afterwards, however the benchmark ends."""
    name = f"{PREFIX}{os.getpid()}_{token_hex(3)}"
    params = session_params()
    with _server(params, name) as server:
        _drop_leftovers(server)
        _create(server, name)
        own = OwnDatabase(name=name, url=_url(name), params={**params, "dbname": name, "application_name": "benchmark"})
        try:
            _set_up(own)
            yield own
        finally:
            with _server(params, name) as newer:  # the older may have been lost meanwhile
                newer.execute(_ddl("DROP DATABASE IF EXISTS {} WITH (FORCE)", name))


def _server(params: Mapping[str, Any], name: str) -> psycopg.Connection[Any]:
    """A connection to a database that no benchmark drops: ``postgres``, or the site's own where that is missing."""
    named = {**params, "application_name": name}
    try:
        return psycopg.connect(**{**named, "dbname": "postgres"}, autocommit=True)
    except psycopg.OperationalError:
        return psycopg.connect(**named, autocommit=True)


def _create(server: psycopg.Connection[Any], name: str) -> None:
    try:
        server.execute(_ddl("CREATE DATABASE {}", name))
        # This session now waits to the end: what it has written must not show in the counters meanwhile.
        server.execute("SELECT pg_stat_force_next_flush()")
    except psycopg.errors.InsufficientPrivilege as exc:
        raise OwnDatabaseError(
            f"A benchmark works in a database of its own, and user {server.info.user} may not create one: let an "
            f'administrator run "ALTER ROLE {server.info.user} CREATEDB", or name another server in DATABASE_URL.'
        ) from exc


def _drop_leftovers(server: psycopg.Connection[Any]) -> None:
    rows = server.execute(
        """
        SELECT d.datname FROM pg_database d WHERE starts_with(d.datname, %s)
           AND NOT EXISTS (SELECT FROM pg_stat_activity a WHERE a.application_name = d.datname)
        """,
        [PREFIX],
    ).fetchall()
    for (name,) in rows:
        with suppress(psycopg.errors.InsufficientPrivilege):  # another user's
            server.execute(_ddl("DROP DATABASE IF EXISTS {} WITH (FORCE)", name))


def _set_up(own: OwnDatabase) -> None:
    """PGMQ, Flyway's files and Django's tables, by the same command as the site's own database."""
    done = subprocess.run(  # noqa: S603 — our own program
        [sys.executable, settings.BASE_DIR / "manage.py", "setup"],
        env=own.environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if done.returncode:
        raise OwnDatabaseError(f"The benchmark's database cannot be set up:\n{done.stdout.strip()}")


def _url(name: str) -> str:
    outside = os.environ.get("LISTEN_DATABASE_URL") or os.environ.get("DATABASE_URL")
    return renamed(outside, name) if outside else demo_cluster(settings.BASE_DIR).url(name)


def renamed(url: str, name: str) -> str:
    """The address of another database on the same server."""
    address, question, options = url.partition("?")
    return f"{address.rpartition('/')[0]}/{quote(name)}{question}{options}"


def _ddl(statement: str, name: str) -> sql.Composed:
    return sql.SQL(statement).format(sql.Identifier(name))
