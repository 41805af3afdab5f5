"""The settings of a session that Django, PGMQ and our functions are written for, whatever a database or a user has.

Django names no schema, PGMQ's SQL has backslashes, and the functions lock one row after the other. How dates, times and
text are written is settled before a session begins (`libpq.py`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from django.db.backends.base.base import BaseDatabaseWrapper

# Changes nothing through a pooler, where a setting would be another client's in the next transaction: a pooler tells
# its clients another process id than that of the server's process.
USUAL_SESSION = """
    SELECT set_config('standard_conforming_strings', 'on', false),
        set_config('default_transaction_isolation', 'read committed', false),
        CASE WHEN NOT 'public' = ANY (current_schemas(false)) THEN set_config('search_path', 'public', false) END
    WHERE pg_backend_pid() = %s
"""


def settle_session(connection: BaseDatabaseWrapper, **_: object) -> None:
    """Give a new connection of Django's these settings."""
    pid = connection.connection.info.backend_pid
    with connection.cursor() as cursor:
        cursor.execute(USUAL_SESSION, [pid])
