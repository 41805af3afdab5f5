"""The site, served on a database by a process of its own."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager

from e2e_site.embedded.process import free_port
from e2e_site.programs import manage_command
from tests.support.programs import StartedProgram, inherited_environment
from tests.support.waiting import wait_until


@contextmanager
def served_site(database_url: str, **environment: str) -> Iterator[str]:
    """Its address, such as http://127.0.0.1:5001."""
    port = free_port()
    own = {"DATABASE_URL": database_url, "ENVIRONMENT": "test", "HOST": "127.0.0.1", "PORT": str(port), **environment}
    server = StartedProgram("serve", manage_command("serve"), environment=inherited_environment(**own))
    try:
        wait_until(lambda: _answers(port), 30, "the site")
        yield f"http://127.0.0.1:{port}"
    finally:
        server.kill()


def _answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
