"""A network between a worker and its server that a test can spoil."""

import socket
import socketserver
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from urllib.parse import urlsplit

# The end of every answer of PostgreSQL outside of a transaction: ReadyForQuery.
READY = b"Z\x00\x00\x00\x05I"
CHUNK = 65_536


class Proxy(socketserver.ThreadingTCPServer):
    """Passes everything on, until told otherwise. ``url`` is the server's address by way of it."""

    def __init__(self, url: str) -> None:
        super().__init__(("127.0.0.1", 0), _Connection)
        parts = urlsplit(url)
        self.target = (str(parts.hostname), parts.port or 5432)
        user = parts.netloc.rpartition("@")[0]
        self.url = parts._replace(netloc=f"{user}@127.0.0.1:{self.server_address[1]}").geturl()
        self.asked = self.answered = b""
        self.only_if: Callable[[], bool] = lambda: True
        self.silent = False
        self.cuts = 0
        self.passing = threading.Event()
        self.passing.set()
        self.over = threading.Event()  # the test has ended
        self.sockets: list[socket.socket] = []

    def cut(
        self,
        asked: bytes,
        answered: bytes = b"",
        *,
        silent: bool = False,
        only_if: Callable[[], bool] = lambda: True,
    ) -> None:
        """Lose each answer with `answered` in it to a question with `asked` in it: the server has done what it was
        asked, the connection ends, or just says nothing more where `silent`. ``cut(b"")`` loses no more. `only_if` is
        asked, in a thread of the proxy's, before such an answer is lost."""
        self.asked, self.answered, self.silent, self.only_if = asked, answered, silent, only_if

    def hold(self) -> None:
        """Pass on nothing more on any connection; they stay open."""
        self.passing.clear()


class _Connection(socketserver.BaseRequestHandler):
    """One client's connection and the one to the server that belongs to it."""

    server: Proxy
    request: socket.socket

    def handle(self) -> None:
        with socket.create_connection(self.server.target) as upstream:
            self.server.sockets += [self.request, upstream]
            question = bytearray()
            asking = threading.Thread(target=self._ask, args=(upstream, question))
            asking.start()
            with suppress(OSError):
                self._answer(upstream, question)
            _shut(self.request)
            asking.join()

    def _ask(self, upstream: socket.socket, question: bytearray) -> None:
        with suppress(OSError):
            while data := self.request.recv(CHUNK):
                self.server.passing.wait()
                question.extend(data)
                upstream.sendall(data)
        _shut(upstream)

    def _answer(self, upstream: socket.socket, question: bytearray) -> None:
        answer = bytearray()
        while data := upstream.recv(CHUNK):
            self.server.passing.wait()
            answer.extend(data)
            ended = answer.endswith(READY)
            suspect = bool(self.server.asked) and self.server.asked in question
            if suspect and not ended:
                continue
            if suspect and self.server.answered in answer and self.server.only_if():
                self.server.cuts += 1
                if self.server.silent:
                    self.server.over.wait()
                return
            if ended:
                question.clear()  # before the client has the answer, and asks on
            self.request.sendall(answer)
            answer.clear()


def _shut(end: socket.socket) -> None:
    with suppress(OSError):
        end.shutdown(socket.SHUT_RDWR)


@contextmanager
def proxy_before(url: str) -> Iterator[Proxy]:
    """A running proxy before the server at this address."""
    with Proxy(url) as proxy:
        thread = threading.Thread(target=proxy.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield proxy
        finally:
            proxy.shutdown()
            thread.join()
            proxy.passing.set()
            proxy.over.set()
            for end in proxy.sockets:
                _shut(end)
