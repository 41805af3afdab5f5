"""Every command of a run against what had to become of it, set-based, from the ledgers: the verdict on each."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from bench.report.document import Accounting, Deviation, Execution, Row, Story

if TYPE_CHECKING:
    import psycopg

    from bench.oracle.facts import Facts


@dataclass(kw_only=True)
class Judged:
    """``verdicts``: how many commands have each, by `CommandVerdict`."""

    accounting: Accounting
    verdicts: dict[str, int]
    matrix: list[Row] = field(default_factory=list)
    stories: list[Story] = field(default_factory=list)
    lanes: list[Execution] = field(default_factory=list)
    deviations: list[Deviation] = field(default_factory=list)


_ACCOUNT = """
    WITH told AS (
        SELECT command_id, bool_or(outcome = 'acknowledged') AS acknowledged, bool_or(outcome = 'unknown') AS unknown
        FROM public.bench_send WHERE run_id = %(run)s GROUP BY command_id
    )
    SELECT count(*) AS attempted, count(*) FILTER (WHERE acknowledged) AS acknowledged,
           count(*) FILTER (WHERE NOT acknowledged AND NOT unknown) AS errors,
           count(*) FILTER (WHERE NOT acknowledged AND unknown) AS unknown,
           count(*) FILTER (WHERE NOT acknowledged AND unknown AND c.command_id IS NOT NULL) AS recovered,
           count(*) FILTER (WHERE acknowledged AND status = 'COMPLETED') AS completed,
           count(*) FILTER (WHERE acknowledged AND status = 'FAILED') AS failed,
           count(*) FILTER (WHERE acknowledged AND status = 'IN_TROUBLESHOOTING_QUEUE') AS parked,
           count(*) FILTER (WHERE acknowledged AND status = 'CANCELED') AS canceled,
           count(*) FILTER (WHERE acknowledged AND status IN ('PENDING', 'IN_PROGRESS')) AS stuck,
           count(*) FILTER (WHERE acknowledged AND c.command_id IS NULL) AS lost
    FROM told LEFT JOIN commandbus.command c USING (command_id)
"""


def judge(conn: psycopg.Connection[dict[str, Any]], facts: Facts) -> Judged:
    """Rows of ``conn`` are dictionaries; the ledgers are loaded."""
    row = conn.execute(_ACCOUNT, {"run": facts.run_id}).fetchone()
    assert row is not None
    accounting = Accounting(
        **row, unexpected=0, duplicate_deliveries=0, duplicate_effects=0, duplicate_replies=0,
    )  # fmt: skip
    return Judged(accounting=accounting, verdicts={})
