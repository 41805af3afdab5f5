"""bench/faults/disk.py: a small disk for a server of a run's own, filled and emptied."""

import os
from collections.abc import Callable

import pytest

from bench.faults.bench import FaultError
from bench.faults.disk import SIZE_MB, Ballast, place_of, small_disk
from e2e_site.embedded.cluster import Cluster


def test_it_is_filled_to_the_last_page_and_emptied(throwaway_cluster: Callable[[], Cluster]) -> None:
    cluster = throwaway_cluster()
    with small_disk(cluster):
        if not place_of(cluster).is_mount():
            pytest.skip("needs a right to mount")
        ballast = Ballast(cluster)
        assert 0 < ballast.free <= SIZE_MB * 2**20
        ballast.fill()
        assert ballast.free == 0
        with pytest.raises(OSError, match="No space left"), (place_of(cluster) / "more").open("wb") as file:
            os.posix_fallocate(file.fileno(), 0, 4096)
        ballast.remove()
        assert ballast.free > SIZE_MB * 2**19
    assert not place_of(cluster).exists()


def test_a_disk_that_others_use_is_not_filled(throwaway_cluster: Callable[[], Cluster]) -> None:
    with pytest.raises(FaultError, match="could not be mounted"):
        Ballast(throwaway_cluster())
