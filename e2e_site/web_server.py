"""The web server: Waitress, with a deadline for each request.

One thread receives all requests whole, headers and body, before one of the others performs them; so a client that sends
a byte a second keeps no thread. Waitress itself would let it go on for ever: past ``REQUEST_WITHIN_S`` it is cut off.
So is one that takes nothing of a long answer for ``_SILENCE_S``: a thread waits for it to go on.

A request whose answer is for `later` leaves its thread: its connection is kept, unread, until it is performed again.
"""

import logging
import signal
import socket
import time
from types import FrameType
from typing import Any, NoReturn
from wsgiref.types import WSGIApplication

from django.core.wsgi import get_wsgi_application
from django.http import HttpResponse
from waitress.channel import HTTPChannel
from waitress.parser import HTTPRequestParser
from waitress.server import TcpWSGIServer
from waitress.task import WSGITask

from e2e_site import limits
from e2e_site.address import Address
from e2e_site.later import PLACE, Wait, Waiting

REQUEST_WITHIN_S = 20
_SILENCE_S = 60  # of a connection that is kept open for the next request, or takes no answer
_CONNECTIONS = 1000
_LARGEST_BODY = 4 * 1024 * 1024
_LARGEST_HEADERS = 64 * 1024


class _Request(HTTPRequestParser):
    waited = False  # performed once, with nothing to say; it is performed again


class _Task(WSGITask):
    """Performs a request; what it writes is dropped where the answer is for later."""

    channel: "_Channel"
    request: _Request  # type: ignore[assignment]  # the stubs have it otherwise
    wait: Wait | None = None

    def get_environment(self) -> dict[str, object]:
        environ = super().get_environment()
        # A client that sent the next request already wants its answers in order, and soon.
        keeps = not self.request.waited and len(self.channel.requests) == 1
        environ[PLACE] = self._keep if keeps else None
        return environ

    def _keep(self, wait: Wait) -> HttpResponse:
        self.wait = wait
        self.channel.kept = self.request  # from here on nothing more is read from this client
        return HttpResponse(status=204)

    def write(self, data: bytes) -> None:
        if self.wait is None:
            super().write(data)

    def finish(self) -> None:
        if self.wait is None:
            super().finish()
        else:
            self.channel.wait = self.wait


class _Channel(HTTPChannel):
    """One client's connection; ``request`` is the one that has not come whole yet, ``kept`` one that waits."""

    task_class = _Task
    parser_class = _Request
    server: "Server"
    began = 0.0
    kept: _Request | None = None
    wait: Wait | None = None

    def received(self, data: bytes) -> bool:
        if self.request is None:
            self.began = time.time()
        return super().received(data)

    def readable(self) -> bool:
        return self.kept is None and super().readable()

    def service(self) -> None:
        super().service()
        wait, self.wait = self.wait, None
        if wait is not None:
            self.server.waiting.add(self, wait)

    def resume(self) -> None:
        """Perform the kept request again."""
        with self.requests_lock:  # type: ignore[attr-defined]  # nor do they have this
            kept, self.kept = self.kept, None
            if kept is None or not self.connected:
                return
            kept.waited = True
            self.requests.insert(0, kept)  # type: ignore[attr-defined]
            self.server.add_task(self)  # type: ignore[arg-type]

    def is_left(self) -> bool:
        """Its client is gone, while a request of it is kept."""
        try:
            if self.kept is None or self.socket is None:
                return False
            return self.socket.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT) == b""
        except BlockingIOError:
            return False
        except OSError:
            return True

    def is_too_slow(self, now: float) -> bool:
        return self.request is not None and now - self.began > REQUEST_WITHIN_S

    def keeps_a_thread(self, now: float) -> bool:
        return self.total_outbufs_len > self.adj.outbuf_high_watermark and now - self.last_activity > _SILENCE_S


class Server(TcpWSGIServer):
    """Waitress, with our channels; `waiting` has the requests that are answered later."""

    channel_class = _Channel

    active_channels: dict[int, _Channel]  # type: ignore[assignment]  # the stubs have it otherwise
    waiting: Waiting

    def bind_server_socket(self) -> None:
        if self.socket is not None and self.family == socket.AF_INET6:  # "::" means every address of the machine
            self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        super().bind_server_socket()

    def maintenance(self, now: float) -> None:
        for channel in list(self.active_channels.values()):
            if channel.is_left():
                self.waiting.drop(channel)
                channel.kept = None
                channel.handle_close()
            elif channel.kept is not None:
                channel.last_activity = now
        super().maintenance(now)  # type: ignore[arg-type]  # it is a time, whatever the stubs say
        for channel in list(self.active_channels.values()):
            if channel.is_too_slow(now):
                channel.will_close = True
            elif channel.keeps_a_thread(now):
                channel.handle_close()  # at once: its socket will never be ready for more


def serve(address: Address, listening: socket.socket | None = None) -> None:
    """Serve until SIGTERM or SIGINT; requests that are being performed have five seconds to end then.

    ``listening``: a socket that other processes take connections from too.
    """

    def stop(number: int, frame: FrameType | None) -> NoReturn:
        raise SystemExit

    # More requests at once than threads is nothing to warn of.
    logging.getLogger("waitress.queue").setLevel(logging.ERROR)
    server = server_of(get_wsgi_application(), address, listening)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
    server.run()


def server_of(application: WSGIApplication, address: Address, listening: socket.socket | None = None) -> Server:
    """A server that listens, and serves while its ``run`` goes on."""
    given: dict[str, Any] = {"listen": address.bind}
    if listening is not None:
        listening.setblocking(False)  # a connection may be taken by another process first
        own = (listening.family, listening.type, listening.proto, listening.getsockname())
        given |= {"_sock": listening, "bind_socket": False, "sockinfo": own}
    server = Server(
        application,
        **given,
        threads=limits.THREADS,
        connection_limit=_CONNECTIONS,
        asyncore_use_poll=True,
        backlog=_CONNECTIONS,
        channel_timeout=_SILENCE_S,
        cleanup_interval=1,
        max_request_body_size=_LARGEST_BODY,
        max_request_header_size=_LARGEST_HEADERS,
        # Django decides which of a proxy's headers it believes.
        clear_untrusted_proxy_headers=False,
        ident=None,
    )
    server.waiting = Waiting(lambda channel: channel.resume())
    return server
