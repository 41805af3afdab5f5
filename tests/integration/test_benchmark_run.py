"""bench/benchmark/run.py and offer.py: cases one after the other in a database of their own; a rate that is offered."""

import os
from collections.abc import Callable

import psycopg
import pytest

from bench.benchmark.case import Case, Metric, Run, case
from bench.benchmark.offer import offer
from bench.benchmark.pgbench import find_ceiling
from bench.benchmark.results import Result
from bench.benchmark.run import PURPOSE, Plan, perform
from bench.errors import BenchError
from bench.testbed import Testbed
from e2e_site.schema.own_database import prefix

DJANGO = pytest.mark.django_db(transaction=True)  # its settings say where the server is


def made(name: str, perform: Callable[[Run], None]) -> Case:
    metrics = {"waiting": Metric(label="commands that wait", unit="commands")}
    return case(name, name, sizes={"commands": 100}, quick={"commands": 5}, metrics=metrics, seconds=1)(perform)


def plan(*cases: Case, runs: int = 1, quick: bool = True) -> Plan:
    return Plan(cases=cases, runs=runs, quick=quick, sizes={}, ceiling=find_ceiling(None))


def fills(run: Run) -> None:
    for _ in range(run.rounds):
        run.testbed.fresh(run.sizes["commands"])
        with run.processors("waiting"):
            waiting = run.testbed.value("SELECT count(*) FROM commandbus.command")
        run.record("waiting", waiting)
    run.note("waiting", "A note")


def fails(run: Run) -> None:
    run.record("waiting", 1)
    raise BenchError("it cannot be measured")


def databases(url: str) -> list[str]:
    with psycopg.connect(url) as conn:
        rows = conn.execute(
            "SELECT datname FROM pg_database WHERE starts_with(datname, %s)", [f"{prefix(PURPOSE)}{os.getpid()}_"]
        )
        return [name for (name,) in rows]


@DJANGO
def test_a_case_that_fails_is_told_and_the_others_are_measured_and_kept(
    database_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    kept: list[Result] = []
    failures = perform(plan(made("first", fills), made("second", fails), made("third", fills), runs=2), kept.append)
    assert failures == ["second: it cannot be measured"]
    assert [result.case for result in kept] == ["first", "third"]
    for result in kept:
        assert result.values["waiting"] == [5, 5]
        assert len(result.values["waiting:busy"]) == 2
        assert (result.runs, result.quick, result.sizes, result.notes) == (
            2,
            True,
            {"commands": 5},
            {"waiting": "A note"},
        )
        assert result.environment["durability"]["fsync"] in ("on", "off")
        assert result.measured_at.endswith("+00:00")
    said = capsys.readouterr().err
    assert "works in database commandbus_" in said
    assert "first: commands that wait: 5 commands" in said
    assert "second: FAILED: it cannot be measured" in said
    assert databases(database_url) == []


@DJANGO
def test_what_is_interrupted_leaves_no_database(database_url: str) -> None:
    def interrupted(run: Run) -> None:
        assert run.testbed.conn.info.dbname in databases(database_url)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        perform(plan(made("first", interrupted)), print)
    assert databases(database_url) == []


# -- a rate ----------------------------------------------------------------------------------------------------------


def test_every_command_of_a_rate_that_is_offered_has_its_latency(testbed: Testbed) -> None:
    offered = offer(testbed, 150, 1.0)
    assert testbed.value("SELECT count(*) FROM commandbus.command") == 1 + 150, "the first warms up"
    assert (offered.rate, len(offered.latencies), len(offered.send_delays)) == (150, 113, 113)
    assert offered.valid
    assert min(offered.send_delays) >= 0
    for latency, delay in zip(offered.latencies, offered.send_delays, strict=True):
        assert latency > delay - 50, "it counts from when a command was due; clocks are compared to within a moment"
    assert max(offered.latencies) < 20_000
