"""A database of one's own on the server of the site: made with the whole schema in it, and dropped at the end.

Load tests, benchmarks and tests work in one. While it lives, the process that made it holds the advisory lock of its
name. So a database whose lock is free was left by a process that was killed, and the next start drops it.
"""

import logging
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from secrets import token_hex
from typing import Any, Self
from urllib.parse import quote

import psycopg
from django.conf import settings
from psycopg import sql
from psycopg.conninfo import make_conninfo

from e2e_site.database import held_lock, params_at
from e2e_site.embedded.cluster import demo_cluster
from e2e_site.schema import flyway, pgmq
from e2e_site.schema.migration_files import FlywayError
from e2e_site.schema.setup import one_line

logger = logging.getLogger(__name__)

_OF_PSYCOPG = {"prepare_threshold", "autocommit"}  # what libpq itself does not know

# Databases of a purpose whose lock is free. A lock may be held in any database of the server: pg_locks shows them all.
_LEFTOVERS = """
    SELECT datname FROM pg_database WHERE starts_with(datname, %s) AND NOT EXISTS (
        SELECT FROM pg_locks WHERE locktype = 'advisory' AND objsubid = 1
            AND (classid::bigint << 32 | objid::bigint) = hashtextextended(datname, 0))
"""


class OwnDatabaseError(Exception):
    """The database cannot be made or set up; the message is for people and says what to do."""


class MayNotCreateError(OwnDatabaseError):
    """The user of the site may not create databases."""


@dataclass(frozen=True, kw_only=True)
class OwnDatabase:
    """Its address for programs (``url``) and for psycopg (``params``)."""

    name: str
    url: str = field(repr=False)  # the password is in both
    params: Mapping[str, Any] = field(repr=False)

    @classmethod
    def at(cls, url: str, *, given_as: str = "DATABASE_URL") -> Self:
        """The one at this address. Raises `ImproperlyConfigured`, which calls the address ``given_as``."""
        params = params_at(url, given_as=given_as)
        return cls(name=str(params["dbname"]), url=url, params=params)

    def environment(self) -> dict[str, str]:
        """The environment of a program that works on it, and on nothing else."""
        return {
            **os.environ,
            "DATABASE_URL": self.url,
            "LISTEN_DATABASE_URL": "",
            "SECRET_KEY": settings.SECRET_KEY,
            # One line per command would measure the log: only what is wrong is written.
            "LOG_LEVEL": "WARNING",
            "LOG_FORMAT": "text",
        }

    def conninfo(self) -> str:
        """The address as libpq's programs take it, without the password."""
        return make_conninfo(**{k: v for k, v in self.params.items() if k not in {*_OF_PSYCOPG, "password"}})

    @property
    def password(self) -> str:
        return str(self.params.get("password") or "")


@contextmanager
def own_database(purpose: str, *, server: str | None = None, template: str | None = None) -> Iterator[OwnDatabase]:
    """Make a database for this purpose, and drop it afterwards, also after an error or Ctrl-C.

    ``server`` is the address of any database on the server where it is made, by default the site's. It gets the whole
    schema, or is a copy of the database ``template``, to which nothing may be connected. Leftovers of the same purpose
    are dropped first. Raises `OwnDatabaseError`, and `psycopg.OperationalError` where the server does not answer.
    """
    name = f"{prefix(purpose)}{os.getpid()}_{token_hex(3)}"
    address = server or _site_url()
    reachable = _server_params(address)
    lock = held_lock(reachable, name)
    assert lock is not None, "the name is new"
    with closing(lock):
        _drop_leftovers(reachable, purpose)
        try:
            _create(reachable, name, template)
            own = OwnDatabase.at(renamed(address, name))
            if template is None:
                set_up(own)
            yield own
        finally:
            _drop(reachable, name)


def set_up(own: OwnDatabase) -> None:
    """Give a database whatever it lacks of PGMQ, Flyway's files and Django's tables. Raises `OwnDatabaseError`."""
    try:
        with psycopg.connect(**own.params, autocommit=True) as conn:
            pgmq.install(conn)
        # The same files as by Flyway, without the seconds that a Java program takes to start.
        flyway.run("migrate", own.params, runner="builtin", say=lambda line: None)
    except (pgmq.PgmqError, FlywayError) as exc:
        raise OwnDatabaseError(f"Database {own.name} cannot be set up: {exc}") from exc
    except psycopg.Error as exc:
        raise OwnDatabaseError(f"Database {own.name} cannot be set up: {one_line(exc)}") from exc
    done = subprocess.run(  # noqa: S603 — our own program
        [sys.executable, settings.BASE_DIR / "manage.py", "setup"],
        env=own.environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        start_new_session=True,  # a Ctrl-C in the terminal is for the caller
    )
    if done.returncode:
        raise OwnDatabaseError(f"Database {own.name} cannot be set up: {done.stdout.strip()}")


def prefix(purpose: str) -> str:
    """How the names of all databases of a purpose begin."""
    return f"commandbus_{purpose}_"


def renamed(url: str, name: str) -> str:
    """The address of another database on the same server."""
    address, question, options = url.partition("?")
    return f"{address.rpartition('/')[0]}/{quote(name)}{question}{options}"


def _site_url() -> str:
    """The address of the site's database, past a pooler where there is a direct way."""
    outside = os.environ.get("LISTEN_DATABASE_URL") or os.environ.get("DATABASE_URL")
    return outside or demo_cluster(settings.BASE_DIR).url()


def _server_params(address: str) -> Mapping[str, Any]:
    """How to reach a database that lasts: ``postgres``, or the one at the address where that is missing."""
    params = params_at(renamed(address, "postgres"))
    try:
        psycopg.connect(**params).close()
    except psycopg.OperationalError:
        return params_at(address)
    return params


def _drop_leftovers(server: Mapping[str, Any], purpose: str) -> None:
    with psycopg.connect(**server, autocommit=True) as conn:
        for (name,) in conn.execute(_LEFTOVERS, [prefix(purpose)]).fetchall():
            with suppress(psycopg.errors.InsufficientPrivilege):  # another user's
                conn.execute(_ddl("DROP DATABASE IF EXISTS {} WITH (FORCE)", name))


def _create(server: Mapping[str, Any], name: str, template: str | None) -> None:
    with psycopg.connect(**server, autocommit=True) as conn:
        try:
            conn.execute(_ddl("CREATE DATABASE {} TEMPLATE {}", name, template or "template1"))
        except psycopg.errors.InsufficientPrivilege as exc:
            raise MayNotCreateError(
                f"User {conn.info.user} may not create a database to work in: "
                f'let an administrator run "ALTER ROLE {conn.info.user} CREATEDB".'
            ) from exc
        except psycopg.Error as exc:
            raise OwnDatabaseError(f"Database {name} cannot be made: {one_line(exc)}") from exc


def _drop(server: Mapping[str, Any], name: str) -> None:
    """Drop it with whatever is connected to it. Where that fails the next start does it."""
    try:
        with psycopg.connect(**server, autocommit=True) as conn:
            conn.execute(_ddl("DROP DATABASE IF EXISTS {} WITH (FORCE)", name))
    except psycopg.Error as exc:
        logger.warning("database %s is left: %s", name, one_line(exc), extra={"action": "database_left"})


def _ddl(statement: str, *names: str) -> sql.Composed:
    return sql.SQL(statement).format(*map(sql.Identifier, names))
