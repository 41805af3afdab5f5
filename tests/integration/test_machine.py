"""bench/machine.py: what is said beside every figure."""

import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace

import pytest
from psycopg.conninfo import conninfo_to_dict

from bench.machine import DURABILITY, Processors, environment, fdatasync_ms, select_1_ms
from bench.testbed import Testbed


def test_the_environment_has_what_two_machines_are_compared_by(testbed: Testbed) -> None:
    found = environment(testbed)
    assert found["server"].split(".")[0] in ("15", "16", "17", "18")
    assert set(found["durability"]) == set(DURABILITY)
    assert all(found["durability"].values())
    assert found["processors"] >= 1
    assert found["memory_gb"] >= 1
    assert found["load_before"] >= 0
    assert 0.1 < found["python_us"] < 1000
    assert {"python", "system", "fdatasync_ms", "select_1_ms"} <= found.keys()


def test_the_shortest_statement_has_a_median_and_a_worse_p99(testbed: Testbed) -> None:
    p50, p99 = select_1_ms(testbed, times=50)
    assert 0 < p50 <= p99 < 5_000


def test_the_disk_of_a_server_here_is_measured(testbed: Testbed) -> None:
    found = fdatasync_ms(testbed, times=20)
    if found is None:
        pytest.skip("no directory on the disk of the server's data is ours to write to")
    p50, p99 = found
    assert 0 < p50 <= p99 < 5_000


def test_the_disk_of_a_server_elsewhere_is_not_measured(testbed: Testbed) -> None:
    # The same server by the name of another machine.
    address = {**testbed.database.params, "host": "database.example", "hostaddr": testbed.conn.info.hostaddr}
    with closing(Testbed(replace(testbed.database, params=address))) as elsewhere:
        assert fdatasync_ms(elsewhere, times=20) is None


def test_a_user_who_may_not_ask_where_the_data_are_gets_the_other_figures(
    testbed: Testbed, database_url: str, limited_user: Callable[[str], str]
) -> None:
    params = {**testbed.database.params, **conninfo_to_dict(limited_user(database_url))}
    with closing(Testbed(replace(testbed.database, params=params))) as limited:
        found = environment(limited)
    assert found["fdatasync_ms"] is None
    assert found["select_1_ms"][0] > 0
    assert found["durability"]["fsync"] in ("on", "off")


def test_processors_are_busy_while_something_works() -> None:
    with Processors() as watched:
        until = time.monotonic() + 0.7
        while time.monotonic() < until:
            sum(range(1_000))
    assert 0 < watched.busy <= 100


def test_what_was_too_short_to_be_watched_was_not_busy() -> None:
    with Processors() as watched:
        pass
    assert watched.busy == 0.0
