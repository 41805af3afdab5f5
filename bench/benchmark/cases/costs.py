"""What a command costs, counted: the same on every machine, so tests can hold it."""

import time
from dataclasses import dataclass
from typing import LiteralString

from bench.benchmark.case import Metric, Run, case
from bench.benchmark.program import answer_of
from bench.testbed import LOOK_S, Testbed
from commands.rules.words import Engine

PAGE_KB = 8
ENGINES = {Engine.NATIVE: 200, Engine.LIBRARY: 20}  # and the concurrency of each
_WHAT = {
    "statements": ("statements, counted in the client", 4, ""),
    "transactions": ("transactions, counted by the server", 4, ""),
    "round-trips": ("round trips", 4, ""),
    "wal": ("write-ahead log", 2, "KB"),
    "images": ("of that, images of whole pages", 2, "KB"),
    "buffers": ("buffers looked at", 1, ""),
}
# LSNs and what the statistics have counted for this database; the images of whole pages for the server.
_COUNTERS: LiteralString = """
    SELECT xact_commit + xact_rollback, blks_hit + blks_read, pg_current_wal_insert_lsn() - '0/0'::pg_lsn,
           (SELECT wal_fpi FROM pg_stat_wal)
    FROM pg_stat_database WHERE datname = current_database()
"""
_WORKERS: LiteralString = """
    SELECT count(*) FROM pg_stat_activity
    WHERE datname = current_database() AND starts_with(application_name, 'runworker')
"""


@dataclass(frozen=True, kw_only=True)
class Counters:
    """What the server has counted; ``images``: of whole pages. ``wal`` and ``images`` are of all its databases."""

    transactions: int
    buffers: int
    wal: int
    images: int

    def since(self, before: "Counters") -> "Counters":
        return Counters(
            transactions=self.transactions - before.transactions,
            buffers=self.buffers - before.buffers,
            wal=self.wal - before.wal,
            images=self.images - before.images,
        )


@case(
    "costs",
    "What a command costs",
    sizes={"native": 20_000, "library": 1_000},
    quick={"native": 5_000, "library": 300},
    metrics={
        f"{engine}-{key}": Metric(label=f"{engine}: {label}", unit=unit, digits=digits)
        for engine in ENGINES
        for key, (label, digits, unit) in _WHAT.items()
    },
    seconds=6,
)
def costs(run: Run) -> None:
    """A full drain, divided by its commands: start and end of the worker are in it. No checkpoint just before."""
    for _ in range(run.rounds):
        for engine, concurrency in ENGINES.items():
            count = run.sizes[engine]
            run.testbed.fresh(count)
            before = counters(run.testbed)
            words = ("--engine", engine, "--concurrency", str(concurrency))
            statements = answer_of(run.testbed.database, "counted_worker", *words)["statements"]
            spent = counters(run.testbed).since(before)
            # The library opens transactions by hand: BEGIN and COMMIT are round trips of their own.
            trips = statements + (2 * spent.transactions if engine is Engine.LIBRARY else 0)
            run.record(f"{engine}-statements", statements / count)
            run.record(f"{engine}-transactions", spent.transactions / count)
            run.record(f"{engine}-round-trips", trips / count)
            run.record(f"{engine}-wal", spent.wal / 1024 / count)
            run.record(f"{engine}-images", spent.images * PAGE_KB / count)
            run.record(f"{engine}-buffers", spent.buffers / count)


def counters(testbed: Testbed) -> Counters:
    """As they are once every worker's session has ended: it reports its last counts then."""
    while testbed.value(_WORKERS):
        time.sleep(LOOK_S)
    testbed.value("SELECT pg_stat_force_next_flush()")
    row = testbed.conn.execute(_COUNTERS).fetchone()
    assert row is not None
    return Counters(transactions=row[0], buffers=row[1], wal=int(row[2]), images=row[3])
