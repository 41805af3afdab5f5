"""Advisory locks by name: held by a transaction, since a pooler would leave the lock of a session behind."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import psycopg

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


@contextmanager
def one_at_a_time(params: Mapping[str, Any], name: str) -> Iterator[None]:
    """Hold the advisory lock of this name; a second process waits."""
    with _long_transaction(params) as conn:
        conn.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [name])
        yield


def held_lock(params: Mapping[str, Any], name: str) -> psycopg.Connection[Any] | None:
    """A connection that holds the advisory lock of this name until it is closed; None where another process does."""
    conn = _long_transaction(params)
    if conn.execute("SELECT pg_try_advisory_xact_lock(hashtextextended(%s, 0))", [name]).fetchone() == (True,):
        return conn
    conn.close()
    return None


def _long_transaction(params: Mapping[str, Any]) -> psycopg.Connection[Any]:
    """A connection for a lock. The lock belongs to a transaction: a pooler would leave the lock of a session behind.

    The server drops it with the connection.
    """
    conn = psycopg.connect(**params)
    # One statement, whatever a database or a user has as its limits: the wait for the lock may take long, too.
    conn.execute("SET LOCAL idle_in_transaction_session_timeout = 0; SET LOCAL statement_timeout = 0")
    return conn
