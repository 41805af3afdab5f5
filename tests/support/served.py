"""An application behind the site's web server, in a thread of the test's process."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from wsgiref.types import WSGIApplication

from e2e_site import web_server
from e2e_site.address import Address
from e2e_site.embedded.process import free_port


@contextmanager
def served_by(application: WSGIApplication) -> Iterator[tuple[int, web_server.Server]]:
    """The port at which it is served, and the server."""
    port = free_port()
    server = web_server.server_of(application, Address(host="127.0.0.1", port=port))
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        yield port, server
    finally:
        server.task_dispatcher.shutdown()
        server._map.clear()  # type: ignore[attr-defined]  # its loop ends with the last of its sockets
        server.pull_trigger()
        thread.join()
        server.close()


@contextmanager
def served(application: WSGIApplication) -> Iterator[int]:
    with served_by(application) as (port, _):
        yield port
