"""``manage.py serve``: slow clients, and a database that does not answer, keep nobody else waiting."""

import http.client
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from wsgiref.types import StartResponse

import psutil
import psycopg
import pytest

from e2e_site import web_server
from e2e_site.embedded.process import free_port
from tests.conftest import StartManage
from tests.support.programs import StartedProgram
from tests.support.proxy import Proxy
from tests.support.served import served
from tests.support.waiting import wait_until

HEAD = b"POST /login/ HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-www-form-urlencoded\r\n"


class Site:
    """A running web server."""

    def __init__(self, program: StartedProgram, port: int) -> None:
        self.program = program
        self.port = port
        wait_until(lambda: self.status("/login/") == 200, 30, "the site")

    def status(self, path: str, timeout: float = 30) -> int:
        """What a GET answers; 0 where there is no answer in time."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        try:
            connection.request("GET", path)
            return connection.getresponse().status
        except OSError:
            return 0
        finally:
            connection.close()


@pytest.fixture
def serve(start_manage: StartManage) -> Callable[..., Site]:
    def start(**environment: str) -> Site:
        port = free_port()
        return Site(
            start_manage("serve", HOST="127.0.0.1", PORT=str(port), PUBLIC_READ="true", **environment),
            port,
        )

    return start


def workers_of(site: Site) -> list[psutil.Process]:
    return psutil.Process(site.program.pid).children()


def test_several_processes_share_the_port_and_one_that_dies_is_started_again(start_manage: StartManage) -> None:
    port = free_port()
    environment = {"HOST": "127.0.0.1", "PORT": str(port), "PUBLIC_READ": "true"}
    site = Site(start_manage("serve", "--processes", "2", **environment), port)
    first = workers_of(site)
    assert len(first) == 2
    first[0].kill()
    assert {site.status("/login/") for _ in range(5)} == {200}
    wait_until(lambda: len([one for one in workers_of(site) if one.is_running() and one not in first[:1]]) == 2, 30)
    site.program.send_signal(signal.SIGTERM)
    assert site.program.wait(30) == 0
    assert site.status("/login/", 1) == 0


@contextmanager
def slow_clients(port: int, count: int, *, body: bool) -> Iterator[list[socket.socket]]:
    """So many clients that send a byte now and then and never come to an end."""
    over = threading.Event()
    clients = [socket.create_connection(("127.0.0.1", port)) for _ in range(count)]

    def send() -> None:
        if body:
            for client in clients:
                client.sendall(HEAD + b"Content-Length: 100000\r\n\r\n")
        for place in range(100_000):
            for client in clients:
                with suppress(OSError):
                    client.sendall(b"x" if body else HEAD[place % 20 : place % 20 + 1])
            if over.wait(0.1):
                return

    thread = threading.Thread(target=send)
    thread.start()
    try:
        yield clients
    finally:
        over.set()
        thread.join()
        for client in clients:
            client.close()


def test_clients_that_send_a_byte_now_and_then_keep_nobody_waiting(serve: Callable[..., Site]) -> None:
    site = serve()
    with slow_clients(site.port, 20, body=False), slow_clients(site.port, 20, body=True):
        for _ in range(5):
            assert site.status("/", timeout=20) == 200
            time.sleep(0.1)  # so that more of the slow bytes are there
    site.program.send_signal(signal.SIGTERM)
    assert site.program.wait(20) == 0


def test_a_request_that_does_not_end_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(web_server, "REQUEST_WITHIN_S", 0.5)
    with served(lambda environ, start: []) as port, slow_clients(port, 2, body=False) as clients:
        for client in clients:
            client.settimeout(10)
            with suppress(ConnectionResetError):
                assert client.recv(1) == b""


def test_a_client_that_takes_nothing_of_a_long_answer_keeps_no_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(web_server, "_SILENCE_S", 0.5)
    closed = threading.Event()

    def endless(environ: object, start: StartResponse) -> Iterator[bytes]:
        start("200 OK", [])
        try:
            while True:
                yield bytes(2**20)
        finally:
            closed.set()

    with served(endless) as port, socket.create_connection(("127.0.0.1", port), timeout=10) as client:
        client.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert closed.wait(20)


def test_a_silent_database_keeps_no_other_page_waiting_and_is_forgotten_when_it_answers(
    serve: Callable[..., Site], proxy: Proxy
) -> None:
    site = serve(DATABASE_URL=proxy.url)
    assert site.status("/") == 200
    proxy.hold()
    with ThreadPoolExecutor(40) as pool:
        asked = [pool.submit(site.status, "/") for _ in range(40)]
        while not all(page.done() for page in asked):
            for path in ("/login/", "/static/img/favicon.svg"):
                assert site.status(path, timeout=10) == 200  # less than a page that waits may take
            time.sleep(0.2)
        assert {page.result() for page in asked} == {503}
    proxy.passing.set()
    wait_until(lambda: site.status("/") == 200, 10, "a page")
    with ThreadPoolExecutor(16) as pool:
        assert set(pool.map(site.status, ["/"] * 32)) == {200}
    assert "Traceback" not in site.program.output
    assert site.program.output.count("503: ") <= 2  # of two kinds


def test_through_a_pooler_a_lock_ends_the_wait_and_nothing_is_left_on_its_connections(
    serve: Callable[..., Site], pooler: str, committed: str
) -> None:
    site = serve(DATABASE_URL=pooler)
    with psycopg.connect(committed) as other:
        other.execute("LOCK TABLE commandbus.command")
        assert site.status("/") == 503
    assert site.status("/") == 200
    with psycopg.connect(pooler, autocommit=True) as client:
        row = client.execute("SELECT current_setting('lock_timeout'), current_setting('statement_timeout')").fetchone()
    assert row == ("0", "0")
