"""A network between clients and server that a run can spoil: an asyncio TCP proxy in a thread of its own.

client ─► _Way ─► server, one for each connection      a fault, in its own thread ─► delay, reset, blackhole, …
"""

from __future__ import annotations

import asyncio
import socket
import struct
import time
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from threading import Thread
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlsplit

from bench.errors import BenchError
from bench.faults.conversation import Conversation

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

T = TypeVar("T")
Flow = asyncio.Queue[tuple[float, bytes]]

HOST = "127.0.0.1"
_CHUNK = 65_536
_CHUNKS_WAITING = 64  # of each direction of a connection, while nothing passes or all passes late
_CALLED_WITHIN_S = 10
_RESET = struct.pack("ii", 1, 0)  # SO_LINGER: closing sends RST, and what was not sent yet never is
_ASKS_FOR_TLS = struct.pack("!II", 8, 80877103)  # every PostgreSQL answers it at once, by yes or no
_SAYS_WITHIN_S = 0.5


@dataclass(kw_only=True, eq=False)
class Losing:
    """Answers that do not arrive: of the next ``count`` to statements with ``asked`` in them, if ``answered`` is there.

    Outside of a transaction: what was asked is done and committed, and the connection ends instead of the answer.
    """

    asked: bytes
    answered: bytes
    count: int
    lost: int = 0

    @property
    def is_done(self) -> bool:
        return self.lost >= self.count

    def suspects(self, conversation: Conversation) -> bool:
        return not self.is_done and any(self.asked in text for text in conversation.texts)


@dataclass(kw_only=True)
class Counts:
    """What happened at a proxy. ``left``: when clients gave up while nothing passed (``time.monotonic``)."""

    accepted: int = 0
    resets: int = 0
    lost: int = 0
    left: list[float] = field(default_factory=list)


class Proxy:
    """Passes everything on, until told otherwise. ``url``: the server's address by way of it. Any thread may call."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        if not parts.hostname or parts.hostname.startswith("%"):
            raise BenchError("a run can spoil a network only: its server is reached by a socket in the file system.")
        self.target = (parts.hostname, parts.port or 5432)
        self.counts = Counts()
        self._orders: list[Losing] = []
        self._delay_s = 0.0
        self._ways: set[_Way] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._bright = asyncio.Event()
        self._over = asyncio.Event()
        listening: Future[tuple[asyncio.AbstractEventLoop, int]] = Future()
        self._thread = Thread(target=lambda: asyncio.run(self._run(listening)), name="proxy", daemon=True)
        self._thread.start()
        self._loop, self.port = listening.result(_CALLED_WITHIN_S)
        user, at, _ = parts.netloc.rpartition("@")
        self.url = parts._replace(netloc=f"{user}{at}{HOST}:{self.port}").geturl()

    def through(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """Parameters of a connection to the server, by way of it."""
        return {**{k: v for k, v in params.items() if k != "hostaddr"}, "host": HOST, "port": self.port}

    def delay(self, seconds: float) -> None:
        """Everything takes so much longer from now on, each way."""
        self._delay_s = seconds

    def reset(self) -> int:
        """End every connection by RST, on both sides; how many."""
        return self._called(self._reset)

    def blackhole(self) -> None:
        """From now on nothing passes and nothing is said: connections stay open, new ones are accepted."""
        self._called(self._bright.clear)

    def restore(self) -> None:
        """Everything passes again, first what was held up: late, as a network delivers what it sends once more."""
        self._called(self._bright.set)

    def lose_answers(self, asked: bytes, count: int, *, answered: bytes = b"") -> Losing:
        """Lose the next so many answers of a kind; what it answers counts them."""
        order = Losing(asked=asked, answered=answered, count=count)
        self._called(lambda: self._orders.append(order))
        return order

    def lose_no_more(self, order: Losing) -> None:
        """Let pass the answers of that kind."""
        self._called(lambda: self._orders.remove(order) if order in self._orders else None)

    def end(self) -> None:
        """End every connection, and listen no more."""
        self._loop.call_soon_threadsafe(self._over.set)
        self._thread.join()

    # -- in its own thread ---------------------------------------------------------------------------------------------

    @property
    def is_dark(self) -> bool:
        return not self._bright.is_set()

    async def passes(self) -> None:
        """Return when something may pass."""
        await self._bright.wait()

    def due(self) -> float:
        """When what arrives now may be passed on."""
        return self._loop.time() + self._delay_s

    def loses(self, conversation: Conversation) -> Losing | None:
        """The order by which the answer that comes now might be lost."""
        return next((order for order in self._orders if order.suspects(conversation)), None)

    async def _run(self, listening: Future[tuple[asyncio.AbstractEventLoop, int]]) -> None:
        self._bright.set()
        try:
            server = await asyncio.start_server(self._accept, HOST, 0)
        except OSError as exc:
            listening.set_exception(exc)
            return
        listening.set_result((asyncio.get_running_loop(), server.sockets[0].getsockname()[1]))
        await self._over.wait()
        server.close()
        self._reset()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.counts.accepted += 1
        way = _Way(self, reader, writer)
        self._ways.add(way)
        task = self._loop.create_task(way.live())
        self._tasks.add(task)

        def over(done: asyncio.Task[None]) -> None:
            self._tasks.discard(done)
            self._ways.discard(way)

        task.add_done_callback(over)

    def _reset(self) -> int:
        ways = list(self._ways)
        for way in ways:
            way.close(hard=True)
        self.counts.resets += len(ways)
        return len(ways)

    def _called(self, function: Callable[[], T]) -> T:
        """What it returns, called in the proxy's own thread."""
        answer: Future[T] = Future()

        def call() -> None:
            try:
                answer.set_result(function())
            except Exception as exc:  # noqa: BLE001  # raised in the thread that waits for it
                answer.set_exception(exc)

        self._loop.call_soon_threadsafe(call)
        return answer.result(_CALLED_WITHIN_S)


class _OverError(Exception):
    """A connection has come to its end."""


class _Way:
    """One client's connection, and the one to the server that belongs to it."""

    def __init__(self, proxy: Proxy, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._proxy = proxy
        self._client = reader
        self._writers = [writer]
        self._conversation = Conversation()

    async def live(self) -> None:
        questions, answers = Flow(_CHUNKS_WAITING), Flow(_CHUNKS_WAITING)
        try:
            async with asyncio.TaskGroup() as flows:
                flows.create_task(self._listen(questions))
                await self._proxy.passes()
                server, writer = await asyncio.open_connection(*self._proxy.target)
                self._writers.append(writer)
                flows.create_task(self._take(server, answers))
                flows.create_task(self._ask(questions, writer))
                flows.create_task(self._answer(answers, self._writers[0]))
        except* (OSError, _OverError):
            pass
        finally:
            self.close()

    def close(self, *, hard: bool = False) -> None:
        """``hard``: by RST, and what was not sent yet is lost."""
        for writer in self._writers:
            transport = writer.transport
            if hard:
                with suppress(OSError):
                    transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
                transport.abort()
            elif not transport.is_closing():
                transport.close()

    async def _listen(self, questions: Flow) -> None:
        """What the client asks, also while nothing passes: then its end is a sign that it gave up."""
        broken: OSError | None = None
        try:
            await self._take(self._client, questions)
        except OSError as exc:
            broken = exc
        if self._proxy.is_dark:
            self._proxy.counts.left.append(time.monotonic())
        if broken is not None:
            raise broken

    async def _take(self, reader: asyncio.StreamReader, flow: Flow) -> None:
        """Everything that arrives, with the moment at which it may go on; at the end nothing."""
        while data := await reader.read(_CHUNK):
            await flow.put((self._proxy.due(), data))
        await flow.put((self._proxy.due(), b""))

    async def _next(self, flow: Flow) -> bytes:
        due, data = await flow.get()
        await asyncio.sleep(max(0.0, due - asyncio.get_running_loop().time()))
        await self._proxy.passes()
        return data

    async def _ask(self, questions: Flow, server: asyncio.StreamWriter) -> None:
        while data := await self._next(questions):
            self._conversation.asks(data)
            server.write(data)
            await server.drain()
        server.write_eof()

    async def _answer(self, answers: Flow, client: asyncio.StreamWriter) -> None:
        conversation, held = self._conversation, bytearray()
        while data := await self._next(answers):
            conversation.answers(data)
            held += data
            is_whole = conversation.is_answered
            order = self._proxy.loses(conversation)
            if order is not None and not is_whole:
                continue
            if order is not None and not conversation.in_transaction and order.answered in held:
                order.lost += 1
                self._proxy.counts.lost += 1
                self.close(hard=True)
                raise _OverError
            if is_whole and not conversation.in_transaction:
                conversation.texts.clear()  # before the client has the answer, and asks on
            client.write(bytes(held))
            held.clear()
            await client.drain()
        client.write(bytes(held))
        raise _OverError


@contextmanager
def proxy_before(url: str) -> Iterator[Proxy]:
    """A running proxy before the server at this address. Raises BenchError where it is not reached by a network."""
    proxy = Proxy(url)
    try:
        yield proxy
    finally:
        proxy.end()


def is_silent(host: str, port: int) -> bool:
    """Whether a connection is accepted there, and a question that PostgreSQL answers at once is not answered."""
    try:
        with socket.create_connection((host, port), timeout=_SAYS_WITHIN_S) as probe:
            probe.sendall(_ASKS_FOR_TLS)
            probe.recv(1)  # an answer or the end: both are something said
    except TimeoutError:
        return True
    except OSError:
        return False
    return False
