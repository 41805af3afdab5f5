"""Django's PostgreSQL backend, with the embedded server behind it: the first connection of a process starts the server.

So whatever works with the database has it running, and what does not starts nothing: no list says which is which. A
server that is stopped later is not started again by a process that has used it. Port and password are read at each
connection, since the first start makes them and a later one may move the port.
"""

import functools
from collections.abc import Iterable
from typing import Any

import psycopg
from django.conf import settings
from django.db.backends.postgresql import client

from e2e_site.backend import base
from e2e_site.embedded.cluster import Cluster, EmbeddedError, demo_cluster
from e2e_site.libpq import ignore_callers


class DatabaseClient(client.DatabaseClient):
    """``manage.py dbshell``."""

    connection: "DatabaseWrapper"

    def runshell(self, parameters: Iterable[str]) -> None:
        self.connection.find_server()
        super().runshell(parameters)


class DatabaseWrapper(base.DatabaseWrapper):
    client_class = DatabaseClient

    def get_connection_params(self) -> dict[str, Any]:
        self.find_server()
        return super().get_connection_params()

    def find_server(self) -> None:
        """Put the server's address into the settings of this connection; the database's name stays what it is.

        No libpq variable of a caller has a say from now on. Raises ``psycopg.OperationalError`` where the server cannot
        start, as any server that is down.
        """
        ignore_callers()
        try:
            found = _started().database_settings()
        except EmbeddedError as exc:
            raise psycopg.OperationalError(str(exc)) from exc
        self.settings_dict.update({name: found[name] for name in ("HOST", "PORT", "USER", "PASSWORD")})


@functools.cache
def _started() -> Cluster:
    cluster = demo_cluster(settings.BASE_DIR)
    cluster.ensure_running()
    return cluster
