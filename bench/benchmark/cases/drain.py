"""How fast a backlog is worked off: engine native, the library's worker, and what PostgreSQL allows, side by side."""

from collections.abc import Callable
from functools import partial
from typing import Any

from bench.benchmark.case import Metric, Run, case
from bench.benchmark.pgbench import Step
from bench.benchmark.program import answer_of
from bench.testbed import Drained
from commands.rules.words import DOMAIN, Engine

BATCH = 200
CONNECTIONS = 2
LIBRARY_CONCURRENCIES = (4, 20, 50)
DEEP = BATCH * CONNECTIONS  # commands that the ceiling has in hand: one batch for each connection

# What a worker does to a batch, in the same two statements. In place of the handlers the server turns what it received
# into outcomes; put together as text, which is the quickest: a third of a millisecond per batch of 200.
CEILING = (
    Step(
        sql="""
            SELECT (SELECT '[' || coalesce(string_agg(
                        '{"command_id":' || (c -> 1)::text || ',"msg_id":' || (c -> 0)::text || ',"attempt":'
                        || (c -> 7)::text || ',"kind":"success","result":{"status":"success"}}', ','), '') || ']'
                    FROM jsonb_array_elements(received::jsonb -> 'commands') AS c) AS outcomes
            FROM (SELECT commandbus.receive_commands(:domain, :batch, 30) AS received OFFSET 0) AS answer
        """,
        into="outcomes",
    ),
    Step(sql="SELECT commandbus.finish_commands(:domain, :outcomes::jsonb)"),
)

_RATE = "commands/s"


def _library_metrics() -> dict[str, Metric]:
    rows = {"library": "library, with its wrapper", "bare": "library, bare no-op handler"}
    return {
        f"{key}-{n}": Metric(label=f"{label}, concurrency {n}", unit=_RATE)
        for key, label in rows.items()
        for n in LIBRARY_CONCURRENCIES
    }


@case(
    "drain",
    "Working off a backlog",
    sizes={"commands": 80_000, "library": 2_000},
    quick={"commands": 10_000, "library": 400},
    metrics={
        "native": Metric(label="engine native, one process", unit=_RATE),
        "native-deep": Metric(label=f"the same with {DEEP} slots, as many as the ceiling has in hand", unit=_RATE),
        "ceiling": Metric(label="ceiling: the same statements, 2 connections", unit=_RATE),
        **_library_metrics(),
    },
    seconds=65,
)
def drain(run: Run) -> None:
    """One process, `success` without execution time, reply asked for. Every second round goes backwards."""
    contestants: dict[str, Callable[[], Drained]] = {
        "native": partial(_native, run, "native"),
        "native-deep": partial(_native, run, "native-deep", concurrency=DEEP),
        "ceiling": partial(_ceiling, run),
        **{f"library-{n}": partial(_library, run, n) for n in LIBRARY_CONCURRENCIES},
        **{f"bare-{n}": partial(_bare, run, n) for n in LIBRARY_CONCURRENCIES},
    }
    for number in range(run.rounds):
        for name in reversed(contestants) if number % 2 else contestants:
            run.record(name, contestants[name]().rate)


@case(
    "defaults",
    "With the default settings",
    sizes={"commands": 10_000, "library": 2_000},
    quick={"commands": 2_000, "library": 400},
    metrics={
        "native": Metric(label="engine native, 4 slots, batches of 10", unit=_RATE),
        "library": Metric(label="library, 4 slots", unit=_RATE),
    },
    seconds=14,
)
def defaults(run: Run) -> None:
    """The settings as they are after installation: 4 slots, batches of 10."""
    for _ in range(run.rounds):
        run.record("native", _native(run, "native", concurrency=4, batch_size=10).rate)
        run.record("library", _library(run, 4).rate)


def _native(run: Run, metric: str, **options: Any) -> Drained:
    count = run.sizes["commands"]
    since = run.testbed.fresh(count)
    with run.processors(metric):
        return run.testbed.drain(count, since=since, **options)


def _library(run: Run, concurrency: int) -> Drained:
    count = run.sizes["library"]
    return run.testbed.drain(count, since=run.testbed.fresh(count), engine=Engine.LIBRARY, concurrency=concurrency)


def _bare(run: Run, concurrency: int) -> Drained:
    count = run.sizes["library"]
    since = run.testbed.fresh(count)
    answer_of(run.testbed.database, "library_programs", "work", "--concurrency", str(concurrency))
    return run.testbed.drained(since, expected=count)


def _ceiling(run: Run) -> Drained:
    """Drain a backlog by the engine's own functions, batch and number of connections."""
    times = run.sizes["commands"] // (BATCH * CONNECTIONS)
    count = times * BATCH * CONNECTIONS
    since = run.testbed.fresh(count)
    variables = {"domain": DOMAIN, "batch": str(BATCH)}
    with run.processors("ceiling"):
        run.ceiling.run(run.testbed.database, CEILING, variables, clients=CONNECTIONS, times=times)
    return run.testbed.drained(since, expected=count)
