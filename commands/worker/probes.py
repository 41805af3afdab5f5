"""Probes of a worker: ``GET /healthz``, ``GET /readyz``, and a file that is touched while its event loop runs.

They are answered on the event loop itself, so that an answer says that it runs; few at a time, each within
`WITHIN_S`, whatever the client does. `Pauses` lets a program without an event loop answer them too.
"""

import asyncio
import json
import os
import socket
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Self

from commands.worker.trouble import Trouble
from e2e_site.database import end_all
from e2e_site.options import Exit, SiteError

BEAT_S = 2.0  # of the file
WITHIN_S = 2.0
MOST_AT_ONCE = 16
_LONGEST_HEAD = 4096

Checks = Callable[[], Mapping[str, str]]  # what has to be well, by name: why it is not, or ""


class ProbeError(SiteError):
    """The probes cannot be answered where they are asked for; the message says why."""

    exit_code = Exit.REFUSED


class Probes:
    """``port``: where they are answered, if at all; ``file``: what is touched, and gone after the end.

    Raises `ProbeError` where a port is taken or a file cannot be written, so that nobody waits for probes in vain.
    """

    def __init__(self, *, address: str = "127.0.0.1", port: int | None = None, file: Path | None = None) -> None:
        self.wanted = port is not None or file is not None
        self._file = file
        self._trouble = Trouble("touch")
        self._answers: set[asyncio.Task[None] | None] = set()
        self._checks: Checks = dict
        if file is not None:
            try:
                file.touch()
                file.unlink()  # it says that the worker works, which begins later
            except OSError as exc:
                raise ProbeError(f"--heartbeat-file {file}: {os.strerror(exc.errno or 0)}.") from exc
        self._socket = None if port is None else _listening(address, port)

    async def run(self, checks: Checks) -> None:
        """Answer until cancelled: ``/healthz`` with 200, ``/readyz`` with what ``checks`` says then."""
        self._checks = checks
        server = None
        if self._socket is not None:
            server = await asyncio.start_server(self._answer, sock=self._socket, limit=_LONGEST_HEAD)
        try:
            while True:
                self._touch()
                await asyncio.sleep(BEAT_S)
        finally:
            if server is not None:
                server.close()
                await end_all(filter(None, self._answers))
            if self._file is not None:
                self._file.unlink(missing_ok=True)

    def _touch(self) -> None:
        if self._file is None:
            return
        try:
            self._file.touch()
            self._trouble.over()
        except OSError as exc:
            self._trouble.met(exc)

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        self._answers.add(task)
        try:
            if len(self._answers) <= MOST_AT_ONCE:
                async with asyncio.timeout(WITHIN_S):
                    head = await reader.readuntil(b"\r\n\r\n")
                    writer.write(answer_to(head, self._checks))
                    await writer.drain()
        except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass  # a client that says nothing, too much, or went away (TimeoutError is an OSError)
        finally:
            self._answers.discard(task)
            writer.close()


def answer_to(head: bytes, checks: Checks) -> bytes:
    """The whole answer to a request with this head."""
    words = head.partition(b"\r\n")[0].decode("latin-1").split(" ")
    method, path = (words[0], words[1].partition("?")[0]) if len(words) == 3 else ("", "")
    status, body, kind = _said(method, path, checks)
    lines = [
        f"HTTP/1.1 {status}",
        f"Content-Type: {kind}",
        f"Content-Length: {len(body)}",
        "Cache-Control: no-store",
        "Connection: close",
        *(["Allow: GET, HEAD"] if status.startswith("405") else []),
    ]
    return "\r\n".join([*lines, "", "" if method == "HEAD" else body]).encode()


def _said(method: str, path: str, checks: Checks) -> tuple[str, str, str]:
    """Status, body and its type."""
    text = "text/plain; charset=utf-8"
    if not path.startswith("/"):
        return "400 Bad Request", "This is no request.\n", text
    if path not in ("/healthz", "/readyz"):
        return "404 Not Found", "There are /healthz and /readyz.\n", text
    if method not in ("GET", "HEAD"):
        return "405 Method Not Allowed", "It takes GET.\n", text
    if path == "/healthz":
        return "200 OK", "ok\n", text
    found = checks()
    ready = not any(found.values())
    told = {name: {"ok": False, "reasons": [reason]} if reason else {"ok": True} for name, reason in found.items()}
    body = json.dumps({"ready": ready, "checks": told})
    return "200 OK" if ready else "503 Service Unavailable", body, "application/json"


class Pauses:
    """For a program without an event loop: probes are answered while it pauses, so it has to pause often."""

    def __init__(self, probes: Probes, checks: Checks) -> None:
        self._probes, self._checks = probes, checks
        self._loop = asyncio.new_event_loop()
        self._task: asyncio.Task[None] | None = None

    def __enter__(self) -> Self:
        if self._probes.wanted:
            self._task = self._loop.create_task(self._probes.run(self._checks))
        return self

    def pause(self, seconds: float) -> None:
        self._loop.run_until_complete(asyncio.sleep(seconds))

    def __exit__(self, *error: object) -> None:
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                self._loop.run_until_complete(self._task)
        self._loop.close()


def _listening(address: str, port: int) -> socket.socket:
    try:
        family, _, _, _, place = socket.getaddrinfo(address, port, type=socket.SOCK_STREAM)[0]
        return socket.create_server(place[:2], family=family)
    except socket.gaierror:
        why = f"--health-address must be an address or a name of this machine, not {address!r}."
        raise ProbeError(why) from None
    except OSError as exc:
        raise ProbeError(f"--health-port {port}: nothing can listen there: {os.strerror(exc.errno or 0)}.") from None
