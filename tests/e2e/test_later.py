"""e2e_site/later.py with the web server: answers wait without a thread, in order, and end with their client."""

import http.client
import socket
import threading
import time
from collections.abc import Callable, Collection, Iterable
from concurrent.futures import ThreadPoolExecutor
from wsgiref.types import StartResponse, WSGIEnvironment

import pytest
from django.test import RequestFactory

from e2e_site import limits
from e2e_site.later import later
from tests.support.served import served_by
from tests.support.waiting import wait_until

MANY = 500


class Door:
    """An application that answers ``/KEY/SECONDS`` when its key was let through or the time is over."""

    def __init__(self) -> None:
        self.open: set[str] = set()
        self.asked: list[int] = []  # keys of each look
        self.begun = 0

    def ready(self, keys: Collection[str]) -> Collection[str]:
        self.asked.append(len(keys))
        return self.open & set(keys)

    def __call__(self, environ: WSGIEnvironment, start: StartResponse) -> Iterable[bytes]:
        key, seconds = environ["PATH_INFO"].strip("/").split("/")
        request = RequestFactory().get("/")
        request.META = environ
        if key not in self.open and float(seconds):
            self.begun += 1
            answer = later(request, ready=self.ready, key=key, seconds=float(seconds))
            if answer is not None:
                start("204 No Content", [])
                return [b""]
        said = (key if key in self.open else "not yet").encode()
        start("200 OK", [("Content-Length", str(len(said)))])
        return [said]


@pytest.fixture
def door() -> Door:
    return Door()


def ask(port: int, path: str) -> str:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        connection.request("GET", path)
        return connection.getresponse().read().decode()
    finally:
        connection.close()


def wait_for(waiting: Callable[[], int], count: int) -> None:
    wait_until(lambda: waiting() == count, 30, f"{count} that wait")


def test_hundreds_wait_at_once_beside_others_that_do_not(door: Door) -> None:
    assert MANY > 10 * limits.THREADS
    with served_by(door) as (port, server), ThreadPoolExecutor(MANY) as pool:
        asked = [pool.submit(ask, port, f"/{number}/60") for number in range(MANY)]
        wait_for(lambda: len(server.waiting), MANY)
        assert ask(port, "/other/0") == "not yet"
        door.open.update(map(str, range(0, MANY, 2)))
        assert [asked[number].result(30) for number in range(0, MANY, 2)] == list(map(str, range(0, MANY, 2)))
        assert len(server.waiting) == MANY / 2
        assert not any(asked[number].done() for number in range(1, MANY, 2))
        door.open.update(map(str, range(MANY)))
        assert [asked[number].result(30) for number in range(1, MANY, 2)] == list(map(str, range(1, MANY, 2)))
    assert door.begun == MANY, "each is performed once before it waits, and once after"
    assert max(door.asked) > 100, "one look is for all that wait"


def test_when_the_time_is_over_the_answer_is_how_it_stands(door: Door) -> None:
    with served_by(door) as (port, _):
        began = time.monotonic()
        assert ask(port, "/a/0.5") == "not yet"
        assert time.monotonic() - began >= 0.5


def test_a_connection_that_waited_goes_on(door: Door) -> None:
    with served_by(door) as (port, server):
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        for key in "ab":
            connection.request("GET", f"/{key}/30")
            wait_for(lambda: len(server.waiting), 1)
            door.open.add(key)
            assert connection.getresponse().read().decode() == key
        connection.close()


def test_two_requests_sent_at_once_are_answered_in_their_order(door: Door) -> None:
    with served_by(door) as (port, _), socket.create_connection(("127.0.0.1", port), 30) as client:
        client.sendall(
            b"GET /a/30 HTTP/1.1\r\nHost: x\r\n\r\nGET /b/0 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
        )
        answers = b""
        while part := client.recv(4096):
            answers += part
    assert answers.count(b"not yet") == 2


def test_a_client_that_leaves_waits_no_longer(door: Door) -> None:
    with served_by(door) as (port, server):
        client = socket.create_connection(("127.0.0.1", port), 30)
        client.sendall(b"GET /a/60 HTTP/1.1\r\nHost: x\r\n\r\n")
        wait_for(lambda: len(server.waiting), 1)
        client.close()
        wait_for(lambda: len(server.waiting), 0)
        wait_until(lambda: not server.active_channels, 10, "no connection")


def test_another_server_lets_the_view_look_again_and_again() -> None:
    door = Door()
    request = RequestFactory().get("/")
    threading.Timer(0.3, door.open.add, ["a"]).start()
    assert later(request, ready=door.ready, key="a", seconds=30) is None
    assert 2 <= len(door.asked) < 30
