"""A database of one's own, for a load test, a benchmark or another proof: never the site's.

`own_database` makes one on the site's server (past a pooler) and drops it. While it lives, its owner holds the advisory
lock of its name. So a database whose lock is free is that of an owner that was killed, and the next one drops it.
`given_database` takes one that is there.
"""

import logging
import os
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from secrets import token_hex
from typing import Any
from urllib.parse import quote

import psycopg
from django.conf import settings
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from e2e_site.database import session_params
from e2e_site.embedded.cluster import demo_cluster
from e2e_site.locks import held_lock
from e2e_site.options import Exit, SiteError
from e2e_site.programs import Program, manage_command
from e2e_site.schema import flyway, pgmq
from e2e_site.schema.setup import missing_in_django
from e2e_site.texts import one_line

logger = logging.getLogger(__name__)

SET_UP_WITHIN_S = 120
_OF_PSYCOPG = {"prepare_threshold", "autocommit"}  # what libpq itself does not know

# Databases of a purpose whose lock is free. A lock may be held in any database of the server: pg_locks shows them all.
_LEFTOVERS = """
    SELECT datname FROM pg_database WHERE starts_with(datname, %s) AND NOT EXISTS (
        SELECT FROM pg_locks WHERE locktype = 'advisory' AND objsubid = 1
            AND (classid::bigint << 32 | objid::bigint) = hashtextextended(datname, 0))
"""


class OwnDatabaseError(SiteError):
    """The database cannot be made or used."""

    exit_code = Exit.REFUSED


@dataclass(frozen=True, kw_only=True)
class OwnDatabase:
    """Its address for programs (``url``) and for psycopg (``params``)."""

    name: str
    url: str = field(repr=False)  # the password is in both
    params: Mapping[str, Any] = field(repr=False)

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
def own_database(
    purpose: str, *, otherwise: str = "", server: str | None = None, template: str | None = None
) -> Iterator[OwnDatabase]:
    """Make a database with the whole schema in it, and drop it afterwards, however the work in it ends.

    ``purpose`` is a word of small letters. ``server`` is the address of any database on the server where it is made, by
    default the site's. With a ``template`` it is a copy of the database of that name, to which nothing may be
    connected. Raises OwnDatabaseError; where the user may not make a database it says what can be done ``otherwise``.
    """
    name = f"{prefix(purpose)}{os.getpid()}_{token_hex(3)}"
    params = session_params() if server is None else conninfo_to_dict(server)
    lasting = _lasting(params)
    lock = held_lock(lasting, name)
    assert lock is not None, "the name is new"
    with closing(lock):
        _drop_leftovers(lasting, prefix(purpose))
        try:
            _create(lasting, name, purpose, otherwise, template)
            url = renamed(server or _site_url(), name)
            own = OwnDatabase(name=name, url=url, params={**params, "dbname": name, "application_name": purpose})
            if template is None:
                set_up(own)
            yield own
        finally:
            _drop(lasting, name)


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
    """PGMQ, Flyway's files and Django's tables, as in the site's own database. Raises OwnDatabaseError."""
    try:
        with psycopg.connect(**own.params, autocommit=True) as conn:
            pgmq.install(conn)
        # The same files as by Flyway, without the seconds that a Java program takes to start.
        flyway.run("migrate", own.params, runner="builtin", say=lambda line: None)
        with psycopg.connect(**own.params, autocommit=True) as conn:
            if not missing_in_django(conn):
                return
    except (SiteError, psycopg.Error) as exc:
        said = one_line(exc) if isinstance(exc, psycopg.Error) else str(exc)
        raise OwnDatabaseError(f"The database {own.name} cannot be set up: {said}") from exc
    program = Program("set-up", manage_command("setup"), environment=own.environment(), keeps_output=True)
    program.start()
    in_time = program.ends_within(SET_UP_WITHIN_S)
    program.end()
    if not in_time or program.exit_code:
        raise OwnDatabaseError(f"The database {own.name} cannot be set up: {program.output.strip()}")


def without_password(url: str) -> str:
    """An address that may be shown."""
    scheme, slashes, rest = url.partition("://")
    user, at, place = rest.rpartition("@")
    return f"{scheme}{slashes}{user.partition(':')[0]}{at}{place}" if slashes else "that is given"


def _lasting(params: Mapping[str, Any]) -> Mapping[str, Any]:
    """How to reach a database that nothing here drops: ``postgres``, or the site's own where that is missing."""
    lasting = {**params, "dbname": "postgres"}
    try:
        psycopg.connect(**lasting).close()
    except psycopg.OperationalError:
        return params
    return lasting


def _create(server: Mapping[str, Any], name: str, purpose: str, otherwise: str, template: str | None) -> None:
    with psycopg.connect(**server, autocommit=True) as conn:
        try:
            conn.execute(_ddl("CREATE DATABASE {} TEMPLATE {}", name, template or "template1"))
        except psycopg.errors.InsufficientPrivilege as exc:
            raise OwnDatabaseError(
                f"A {purpose} works in a database of its own, and user {conn.info.user} may not create one: let an "
                f'administrator run "ALTER ROLE {conn.info.user} CREATEDB"{otherwise}.'
            ) from exc


def _drop_leftovers(server: Mapping[str, Any], prefix: str) -> None:
    with psycopg.connect(**server, autocommit=True) as conn:
        for (name,) in conn.execute(_LEFTOVERS, [prefix]).fetchall():
            with suppress(psycopg.errors.InsufficientPrivilege):  # another user's
                conn.execute(_ddl("DROP DATABASE IF EXISTS {} WITH (FORCE)", name))


def _drop(server: Mapping[str, Any], name: str) -> None:
    """Drop it with all its connections. Where that fails the work counts as it ended; the next start drops it."""
    try:
        with psycopg.connect(**server, autocommit=True) as conn:
            conn.execute(_ddl("DROP DATABASE IF EXISTS {} WITH (FORCE)", name))
    except psycopg.Error as exc:
        logger.warning("database %s is left: %s", name, one_line(exc), extra={"action": "database_left"})


def _site_url() -> str:
    outside = os.environ.get("LISTEN_DATABASE_URL") or os.environ.get("DATABASE_URL")
    return outside or demo_cluster(settings.BASE_DIR).url()


def renamed(url: str, name: str) -> str:
    """The address of another database on the same server."""
    address, question, options = url.partition("?")
    return f"{address.rpartition('/')[0]}/{quote(name)}{question}{options}"


def _ddl(statement: str, *names: str) -> sql.Composed:
    return sql.SQL(statement).format(*map(sql.Identifier, names))
