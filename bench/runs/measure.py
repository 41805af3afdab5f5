"""What a run measured: points in time, latencies from the intended time, costs, and what it was measured on."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from bench.report.document import Cost, Criterion, Latency, Point
from bench.runs.trend import trends

if TYPE_CHECKING:
    import psycopg

    from bench.oracle.facts import Facts
    from bench.oracle.judge import Judged
    from bench.scenarios.model import Scenario

_COSTS = """
    SELECT (pg_current_wal_insert_lsn() - '0/0')::float8,
           (SELECT (xact_commit + xact_rollback)::float8 FROM pg_stat_database WHERE datname = current_database())
"""


@dataclass(kw_only=True)
class Measured:
    points: list[Point] = field(default_factory=list)
    latency: list[Latency] = field(default_factory=list)
    costs: list[Cost] = field(default_factory=list)
    versions: dict[str, str] = field(default_factory=dict)
    environment: dict[str, Any] = field(default_factory=dict)

    def expectations(self, scenario: Scenario, judged: Judged) -> list[Criterion]:
        """What `Expect` asks besides the rules."""
        return trends(scenario, self.points)

    def sometimes(self, scenario: Scenario, judged: Judged) -> list[Criterion]:
        """What has to have happened at least once, else the run says nothing."""
        return []


def costs(conn: psycopg.Connection[Any]) -> dict[str, float]:
    """What the server has counted so far: bytes of WAL, transactions of this database."""
    row = conn.execute(_COSTS).fetchone()
    assert row is not None
    return {"wal": row[0], "transactions": row[1]}


def measured(
    conn: psycopg.Connection[dict[str, Any]], facts: Facts, depth: list[Point], before: dict[str, float]
) -> Measured:
    """From the run's database, once it is over and its ledgers are loaded."""
    return Measured(points=depth)
