"""The machine and the server, said beside every figure: what they are, and what they do without us."""

from __future__ import annotations

import os
import platform
import tempfile
import time
from contextlib import suppress
from functools import partial
from pathlib import Path
from statistics import median
from threading import Event, Thread
from timeit import repeat
from typing import Any, LiteralString, Protocol, Self
from uuid import UUID, uuid4

import psutil
import psycopg

from bench.figures import percentile

DURABILITY = ("fsync", "synchronous_commit", "full_page_writes", "wal_level", "shared_buffers", "max_wal_size")
_SAMPLE_S = 0.2
_HERE = ("localhost", "127.0.0.1", "::1")
_BLOCK = b"\0" * 8192
TIMES = 200  # so often the shortest statement, and a write to the disk, are measured


class Server(Protocol):
    """A connection to the server, and the first column of what it answers: a `Testbed` is one."""

    @property
    def conn(self) -> psycopg.Connection[Any]: ...

    def value(self, query: LiteralString, params: Any = ()) -> Any: ...


class Processors:
    """How busy they were inside the ``with``: the median over fifths of a second, in percent of all of them."""

    def __init__(self) -> None:
        self._over = Event()
        self._samples: list[float] = []
        self._thread = Thread(target=self._sample, daemon=True)

    @property
    def busy(self) -> float:
        return median(self._samples) if self._samples else 0.0

    def __enter__(self) -> Self:
        psutil.cpu_percent()  # the next call counts from here
        self._thread.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._over.set()
        self._thread.join()

    def _sample(self) -> None:
        while not self._over.wait(_SAMPLE_S):
            self._samples.append(psutil.cpu_percent())


def environment(server: Server, times: int = TIMES) -> dict[str, Any]:
    """What a reader has to know to compare figures with those of another machine."""
    return {
        "server": server.value("SELECT current_setting('server_version')"),
        "durability": {name: server.value("SELECT current_setting(%s)", [name]) for name in DURABILITY},
        "python": platform.python_version(),
        "python_us": python_us(),
        "system": f"{platform.system()} {platform.machine()}",
        "processors": psutil.cpu_count(),
        "memory_gb": round(psutil.virtual_memory().total / 2**30),
        "load_before": round(os.getloadavg()[0], 1),
        "fdatasync_ms": fdatasync_ms(server, times),
        "select_1_ms": select_1_ms(server, times),
    }


def python_us() -> float:
    """Microseconds for a UUID from its text, which nothing but Python decides.

    Two builds of one version differ by half: one that was compiled without --enable-optimizations is the slow one.
    """
    return round(min(repeat(partial(UUID, str(uuid4())), number=1000)) * 1000, 2)


def select_1_ms(server: Server, times: int = TIMES) -> list[float]:
    """p50 and p99 of the shortest statement there is."""
    return _p50_p99([_timed(lambda: server.value("SELECT 1")) for _ in range(times)])


def fdatasync_ms(server: Server, times: int = TIMES) -> list[float] | None:
    """p50 and p99 of writing one block to the disk of the server's data; None where that is not this machine's."""
    directory = _beside_data(server)
    if directory is None:
        return None
    sync = getattr(os, "fdatasync", os.fsync)
    with tempfile.TemporaryFile(dir=directory, buffering=0) as file:
        file.write(_BLOCK)
        os.fsync(file.fileno())

        def write() -> None:
            os.pwrite(file.fileno(), _BLOCK, 0)
            sync(file.fileno())

        return _p50_p99([_timed(write) for _ in range(times)])


def _beside_data(server: Server) -> Path | None:
    """A directory on the file system of the server's data that we may write to."""
    if not (server.conn.info.host in _HERE or server.conn.info.host.startswith("/")):
        return None
    with suppress(Exception):  # not allowed to ask, or no such directory here: another machine's
        data = Path(server.value("SELECT current_setting('data_directory')"))
        device = data.stat().st_dev
        for directory in (data.parent, Path.cwd(), Path(tempfile.gettempdir())):
            if directory.stat().st_dev == device and os.access(directory, os.W_OK):
                return directory
    return None


def _timed(work: Any) -> float:
    began = time.perf_counter()
    work()
    return (time.perf_counter() - began) * 1000


def _p50_p99(values: list[float]) -> list[float]:
    return [round(percentile(values, percent), 3) for percent in (50, 99)]
