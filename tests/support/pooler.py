"""A PgBouncer in transaction mode between programs and the test database, with few connections to the server.

It refuses to run as root and takes another user then; an ordinary user runs it as is.
"""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from e2e_site.embedded.process import free_port
from tests.support.waiting import wait_until

SERVER_CONNECTIONS = 5

CONFIG = """
[databases]
* = host={host} port={port}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {own_port}
unix_socket_dir =
auth_type = {auth_type}
auth_file = {users}
server_tls_sslmode = prefer
pool_mode = transaction
default_pool_size = {size}
max_client_conn = 200
{user}
"""


def _program() -> str:
    """Where PgBouncer is; Debian puts it where an ordinary user's PATH does not lead."""
    program = shutil.which("pgbouncer", path=f"{os.environ['PATH']}:/usr/sbin")
    if program is None:
        why = "POOLER NOT TESTED: there is no PgBouncer; run bin/setup --pgbouncer."
        if os.environ.get("CI"):
            pytest.fail(why)
        pytest.skip(why)
    return program


@contextmanager
def pooler_before(url: str, directory: Path) -> Iterator[str]:
    """The address of the database at `url` by way of a pooler, which runs meanwhile."""
    program, port = _program(), free_port()
    at = conninfo_to_dict(url)
    users, config, log = (directory / name for name in ("users.txt", "pgbouncer.ini", "pgbouncer.log"))
    users.write_text(f'"{at["user"]}" "{at.get("password", "")}"\n')
    config.write_text(
        CONFIG.format(
            host=at["host"],
            port=at.get("port", 5432),
            own_port=port,
            auth_type="scram-sha-256" if at.get("password") else "trust",
            users=users,
            size=SERVER_CONNECTIONS,
            user="user = nobody" if os.geteuid() == 0 else "",
        )
    )
    with (
        log.open("wb") as output,
        subprocess.Popen([program, config], stdin=subprocess.DEVNULL, stdout=output, stderr=output) as process,
    ):
        try:
            parts = urlsplit(url)
            netloc = f"{parts.netloc.rpartition('@')[0]}@127.0.0.1:{port}"
            pooled = parts._replace(netloc=netloc, query="").geturl()
            wait_until(lambda: _answers(pooled, process, log), 10, "PgBouncer's answer")
            yield pooled
        finally:
            process.kill()
            print(f"--- pgbouncer\n{log.read_text(errors='replace')}")  # noqa: T201 — pytest shows it on failure


def _answers(url: str, process: "subprocess.Popen[bytes]", log: Path) -> bool:
    assert process.poll() is None, log.read_text(errors="replace")
    try:
        psycopg.connect(url, connect_timeout=5).close()
    except psycopg.OperationalError:
        return False
    return True
