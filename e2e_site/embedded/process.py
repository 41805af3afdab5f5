"""A running PostgreSQL as the operating system sees it: its processes and its port."""

import os
import random
import signal
import socket
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

_ORPHANS_END_S = 2


@dataclass(frozen=True, kw_only=True)
class Postmaster:
    """The main process of a server. `ready` is False while it starts, recovers or stops."""

    pid: int
    port: int
    ready: bool


def postmaster(data: Path) -> Postmaster | None:
    """The live server on the data directory `data`, as its ``postmaster.pid`` tells."""
    try:
        lines = (data / "postmaster.pid").read_text().splitlines()
        pid, port = int(lines[0]), int(lines[3])
    except (OSError, ValueError, IndexError):
        return None
    # The file may be a dead server's, and its process id another program's by now.
    try:
        process = psutil.Process(pid)
    except psutil.Error:
        return None
    if not _works_in(process, data):
        return None
    return Postmaster(pid=pid, port=port, ready=len(lines) > 7 and lines[7].strip() == "ready")


def settled_postmaster(data: Path, timeout: float) -> Postmaster | None:
    """Like `postmaster`, after waiting up to `timeout` seconds for a server that is starting or stopping."""
    deadline = time.monotonic() + timeout
    while (server := postmaster(data)) is not None and not server.ready and time.monotonic() < deadline:
        time.sleep(0.05)
    return server


def stop_postmaster(data: Path, timeout: float) -> None:
    """Stop the server on `data`, ending its sessions; TimeoutError when it does not end in time.

    ``pg_ctl stop`` would wait in vain for a server that is killed meanwhile and whose parent does not collect it.
    """
    server = postmaster(data)
    if server is not None:
        with suppress(ProcessLookupError):
            os.kill(server.pid, signal.SIGINT)
    deadline = time.monotonic() + timeout
    while postmaster(data) is not None:
        if time.monotonic() > deadline:
            raise TimeoutError(f"PostgreSQL on {data} does not stop.")
        time.sleep(0.02)


def end_orphans(data: Path) -> None:
    """End the processes that a killed server left behind: they end by themselves, unless one computes all the time."""
    orphans = [process for process in psutil.process_iter() if _works_in(process, data)]
    _, alive = psutil.wait_procs(orphans, timeout=_ORPHANS_END_S)
    for process in alive:
        process.kill()
    psutil.wait_procs(alive, timeout=_ORPHANS_END_S)


def free_port() -> int:
    """A free port of 127.0.0.1, below those that outgoing connections are given."""
    # Of the system: programs that seed their random numbers alike would ask for the same ports at the same time.
    for port in random.SystemRandom().sample(range(20_000, 32_000), 100):
        if is_free(port):
            return port
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def is_free(port: int) -> bool:
    try:
        socket.create_server(("127.0.0.1", port)).close()
    except OSError:
        return False
    return True


def _works_in(process: psutil.Process, data: Path) -> bool:
    """Whether this is a PostgreSQL process on `data`: they all work in their data directory."""
    try:
        return "postgres" in process.name() and Path(process.cwd()) == data.resolve()
    except (psutil.Error, OSError):
        return False
