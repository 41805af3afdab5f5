"""A disk of a run's own server that can be filled: a small file system in memory, where this user may mount one."""

from __future__ import annotations

import os
import shutil
import subprocess
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from bench.faults.bench import FaultError
from e2e_site.embedded.home import home

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from e2e_site.embedded.cluster import Cluster
    from e2e_site.embedded.home import Home

SIZE_MB = 480  # PostgreSQL starts only where 200 MB are free
_BALLAST = "ballast"
_PIECE = 4096
_TRIES = 100


def place_of(cluster: Cluster) -> Path:
    """The directory of its data."""
    return _home(cluster).directory


@contextmanager
def small_disk(cluster: Cluster) -> Iterator[None]:
    """Before its first start and after its end. Where it may not be mounted nothing is, and the fault says so."""
    own = _home(cluster)
    own.make()
    _ran("mount", "-t", "tmpfs", "-o", f"size={SIZE_MB}m,mode=0700", "bench", str(own.directory))
    try:
        yield
    finally:
        take_away(cluster)


def take_away(cluster: Cluster) -> None:
    """The disk of a cluster that has been removed, if it had one."""
    directory = place_of(cluster)
    if directory.is_mount():
        _ran("umount", "--lazy", str(directory))
    shutil.rmtree(directory, ignore_errors=True)


def _home(cluster: Cluster) -> Home:
    return home(name=cluster.name, state_dir=cluster.state_dir, major=cluster.major, checkout=cluster.checkout)


def _ran(*command: str) -> None:
    """Where that is not allowed, nothing happens: a fault looks whether there is a disk."""
    with suppress(OSError):
        subprocess.run(command, capture_output=True, check=False)  # noqa: S603  # fixed words


class Ballast:
    """A file that takes all the room that is left; raises FaultError where the disk is not the run's own."""

    def __init__(self, cluster: Cluster) -> None:
        directory = place_of(cluster)
        if not directory.is_mount():
            raise FaultError("a small disk for the server could not be mounted: it needs root and a right to mount")
        self._disk = directory
        self._path = directory / _BALLAST

    @property
    def free(self) -> int:
        """Bytes."""
        stat = os.statvfs(self._disk)
        return stat.f_bavail * stat.f_frsize

    def fill(self) -> None:
        """Take what is free now; what the server gives free later is free until the next call."""
        with self._path.open("ab") as file:
            most = self.free
            for _ in range(_TRIES):
                if (piece := min(most, self.free)) < _PIECE:
                    return
                try:
                    os.posix_fallocate(file.fileno(), os.fstat(file.fileno()).st_size, piece)
                except OSError:  # the server took some of it in between
                    most = piece // 2

    def remove(self) -> None:
        self._path.unlink(missing_ok=True)
