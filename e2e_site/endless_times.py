"""Times that PostgreSQL stores and Python has no word for: infinity, years before 1 and after 9999.

psycopg raises where it meets one, and the page with it. Django's connections read the nearest time that pages can
still count with.
"""

from datetime import UTC, datetime
from typing import Any

import psycopg
from django.db.backends.base.base import BaseDatabaseWrapper
from psycopg.postgres import types
from psycopg.pq import Format

FIRST, LAST = datetime(100, 1, 1, tzinfo=UTC), datetime(9900, 1, 1, tzinfo=UTC)


def bear_them(connection: BaseDatabaseWrapper, **signal: Any) -> None:
    """A receiver of ``connection_created``."""
    adapters = connection.connection.adapters
    known: Any = adapters.get_loader(types["timestamptz"].oid, Format.TEXT)

    class EndlessTimeLoader(known):  # type: ignore[misc]  # Django's, which knows the connection's time zone
        def load(self, data: Any) -> datetime:
            try:
                found: datetime = super().load(data)
            except psycopg.DataError:
                text = bytes(data)
                return FIRST if text.startswith(b"-") or text.endswith(b"BC") else LAST
            return found

    adapters.register_loader("timestamptz", EndlessTimeLoader)
