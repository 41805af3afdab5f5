"""Django's PostgreSQL backend, for which neither the server's settings nor a silent server are a surprise.

- What the settings of a database or a role could change, and would break pages, is put right.
- In a request a statement has the limits of `e2e_site/limits.py`.
- A read that must not depend on what the server's statistics happen to say asks for its index (`by_index`).

Through a pooler in transaction mode a session is another one in the next transaction. So what it keeps (it follows
the few settings that the server reports to its clients) is set once for the session, and all the rest is sent with each
transaction, for that transaction: ``SELECT set_config(…, true)`` in front of its first statement, in the same message.
So it costs no round trip, needs no transaction around a page, and leaves nothing behind for others.
"""

import math
import select
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from django.db.backends.postgresql import base
from django.db.backends.utils import CursorWrapper
from psycopg.pq import TransactionStatus

from e2e_site import limits

# Reported by the server: psycopg reads values by them, and poolers follow them.
_REPORTED = {"DateStyle": "ISO, MDY", "IntervalStyle": "postgres", "standard_conforming_strings": "on"}
# Where Django's tables are: it names no schema. Set only where it has to be, since every sent command pays for it.
_FINDS_NO_PUBLIC = "SELECT NOT 'public' = ANY (current_schemas(false))"
_TRUSTED_S = 1
_Execute = Callable[[Any, Any, bool, dict[str, Any]], Any]
# No jit: before PostgreSQL 18 a sort that cannot be helped costs so much where sorts are off that all is compiled.
_BY_INDEX = {"enable_seqscan": "off", "enable_sort": "off", "jit": "off"}
_planner: ContextVar[Mapping[str, str]] = ContextVar("planner")


@contextmanager
def by_index() -> Iterator[None]:
    """Have the server read by an index, in the order of the index, wherever it has one. In an open transaction it
    changes nothing.

    For what is read of a long history to be a page: a planner whose statistics are of another time takes its rows for
    few, and reads or sorts all that there are.
    """
    token = _planner.set(_BY_INDEX)
    try:
        yield
    finally:
        _planner.reset(token)


class DatabaseWrapper(base.DatabaseWrapper):
    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._set_schema = False
        self._answered = -math.inf
        self.execute_wrappers.append(self._with_settings)

    def get_new_connection(self, conn_params: dict[str, Any]) -> limits.LimitedConnection:
        connection: limits.LimitedConnection = super().get_new_connection(limits.connect_timeout(conn_params))
        connection.__class__ = limits.LimitedConnection  # Django calls psycopg.connect, and lets nobody name another
        return connection

    def init_connection_state(self) -> None:
        super().init_connection_state()
        connection: limits.LimitedConnection = self.connection
        wrong = {
            name: value
            for name, value in _REPORTED.items()
            if (connection.info.parameter_status(name) or value).partition(",")[0] != value.partition(",")[0]
        }
        for name, value in wrong.items():
            connection.execute("SELECT set_config(%s, %s, false)", [name, value])
        self._set_schema = connection.execute(_FINDS_NO_PUBLIC).fetchone() == (True,)

    def is_usable(self) -> bool:
        if self._answered_lately():
            return True
        # Django asks between requests too, and no server may keep it.
        with limits.at_most(limits.HEALTH_S):
            usable = super().is_usable()
        self._answered = time.monotonic() if usable else -math.inf
        return usable

    def _answered_lately(self) -> bool:
        """It answered a moment ago, and the server has not hung up since: then its socket would have something to read.

        Asking the server would cost a request that sends a command a tenth of its time.
        """
        if self.connection is None or time.monotonic() - self._answered > _TRUSTED_S:
            return False
        if self.connection.info.transaction_status != TransactionStatus.IDLE:  # an aborted one takes no statement
            return False
        waiting = select.poll()
        waiting.register(self.connection.pgconn.socket, select.POLLIN)
        return not waiting.poll(0)

    def ensure_connection(self) -> None:
        limits.take_place()
        super().ensure_connection()

    def cursor(self) -> CursorWrapper:
        limits.take_place()  # before the connection's health is looked at
        return super().cursor()

    def _with_settings(self, execute: _Execute, sql: Any, params: Any, many: bool, context: dict[str, Any]) -> Any:
        begins = self.connection.info.transaction_status == TransactionStatus.IDLE
        first = self._first_statement() if begins and not many and isinstance(sql, str) else ""
        if not first:
            return execute(sql, params, many, context)
        result = execute(first + sql, params, many, context)
        context["cursor"].nextset()
        return result

    def _first_statement(self) -> str:
        """What comes before the first statement of a transaction; nothing where nothing is to be set."""
        wanted = dict(_planner.get({}))
        if limits.seconds_left() is not None:
            wanted |= {"statement_timeout": f"{limits.STATEMENT_S}s", "lock_timeout": f"{limits.LOCK_S}s"}
        if self._set_schema:
            wanted["search_path"] = "public"
        calls = ", ".join(f"set_config('{name}', '{value}', true)" for name, value in wanted.items())
        return f"SELECT {calls}; " if calls else ""
