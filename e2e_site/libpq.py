"""libpq's environment variables: it reads them for whatever an address leaves out, in all that connects by it.

With a server of the site's own none of a caller's counts. With another one they mean what they mean to every program,
except that sessions write and read dates, times and text as the site expects: behind a pooler in transaction mode
nothing but these variables, which are parameters of the start of a connection, has a say in that.
"""

import functools
import os

from psycopg import pq

# What a database or a user may have otherwise (ALTER DATABASE … SET datestyle).
_OURS = {"PGDATESTYLE": "ISO", "PGTZ": "UTC", "PGCLIENTENCODING": "UTF8"}
# Those that libpq does not list among its parameters; some win over every parameter.
_UNLISTED = ("PGSERVICEFILE", "PGSYSCONFDIR", "PGLOCALEDIR", "PGGEQO", "PGREQUIRESSL")


def settle_sessions() -> None:
    """Have the sessions of this process, and of what it starts, take dates, times and text as the site does."""
    os.environ.update(_OURS)


def ignore_callers() -> None:
    """Take a caller's variables out of this process's environment: a ``PGSSLMODE`` speaks of other servers."""
    for name in _names():
        os.environ.pop(name, None)
    settle_sessions()


@functools.cache
def _names() -> frozenset[str]:
    listed = {os.fsdecode(option.envvar) for option in pq.Conninfo.get_defaults() if option.envvar}
    return frozenset(listed | set(_UNLISTED)) - _OURS.keys()
