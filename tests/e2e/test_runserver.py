"""``manage.py runserver`` prints what the database lacks, and serves."""

import http.client

from e2e_site.embedded.process import free_port
from tests.conftest import StartManage
from tests.support.waiting import wait_until


def status_of(port: int, path: str) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("GET", path)
        return connection.getresponse().status
    except ConnectionRefusedError:
        return 0
    finally:
        connection.close()


def test_with_the_database_down_it_says_so_and_serves(start_manage: StartManage) -> None:
    port = free_port()
    server = start_manage("runserver", str(port), "--noreload", DATABASE_URL="postgres://nobody@127.0.0.1:1/nowhere")

    assert wait_until(lambda: status_of(port, "/login/"), timeout=30) == 200
    assert server.output.count("(commands.W001) The database cannot be used") == 1


def test_with_everything_there_it_says_nothing(start_manage: StartManage) -> None:
    port = free_port()
    server = start_manage("runserver", str(port), "--noreload")

    assert wait_until(lambda: status_of(port, "/login/"), timeout=30) == 200
    assert "WARNINGS" not in server.output
