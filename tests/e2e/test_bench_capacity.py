"""``manage.py bench capacity`` and ``bench scorecard``, in small: what they print, keep and leave behind."""

import json
from pathlib import Path

import psycopg
import pytest

from tests.conftest import StartManage


def test_a_small_search_ends_with_a_run_that_is_kept_and_leaves_no_database(
    start_manage: StartManage, committed: str, tmp_path: Path
) -> None:
    file = tmp_path / "capacity.json"
    # Nothing is as quick as 1 ms, so the search is short: the lowest rates break too.
    words = ("--p99", "1", "--seconds", "1", "--trials", "1", "--first", "20", "--json", str(file))
    program = start_manage("bench", "capacity", *words)
    assert program.wait(60) in (0, 1, 3), program.output
    document = json.loads(file.read_text())
    tries = document["capacity"]["tries"]
    assert tries[0]["rate"] == 20
    assert all(one["p99_ms"] > 0 for one in tries)
    assert document["head"]["why"] in program.output
    with psycopg.connect(committed) as conn:
        kept = conn.execute(
            "SELECT verdict, document -> 'head' ->> 'run' FROM bench_run WHERE run_id = %s", [document["head"]["run"]]
        ).fetchone()
        assert kept == (document["head"]["verdict"], str(document["head"]["run"]))
        conn.execute("DELETE FROM bench_run")
        assert conn.execute(
            "SELECT count(*) FROM pg_database WHERE starts_with(datname, %s)", [f"commandbus_capacity_{program.pid}_"]
        ).fetchone() == (0,)


@pytest.mark.long
def test_probes_tell_the_library_from_native(start_manage: StartManage) -> None:
    program = start_manage("bench", "scorecard", "D4", "D6", "D7")
    assert program.wait(90) == 0, program.output
    found = {tuple(line.split()[:2]): line.split()[2] for line in program.output.splitlines()}
    for name in ("D4", "D6"):
        assert (found[name, "library"], found[name, "native"]) == ("present", "fixed")
    assert found["D7", "library"] == found["D7", "native"] == "present"


def test_a_deviation_that_there_is_not_is_refused(start_manage: StartManage) -> None:
    program = start_manage("bench", "scorecard", "D99")
    assert program.wait(30) == 2
    assert "There is no deviation D99" in program.output
