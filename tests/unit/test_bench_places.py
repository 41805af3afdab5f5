"""bench/runs/places.py: what runs that were killed left behind."""

import os
import subprocess
import sys
from pathlib import Path

from bench.runs.places import _remove_leftovers


def test_the_servers_of_dead_runs_go_and_those_of_others_stay(tmp_path: Path) -> None:
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    left, alive, other = (
        tmp_path / f"bench-server-{dead.pid}-a",
        tmp_path / f"bench-server-{os.getpid()}-b",
        tmp_path / "demo",
    )
    for folder in (left, alive, other):
        (folder / "state").mkdir(parents=True)
    _remove_leftovers(tmp_path)
    assert [folder.exists() for folder in (left, alive, other)] == [False, True, True]
