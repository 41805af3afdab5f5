"""The invariants of the bus, each a query that lists what breaks it (``invariants.sql``), on any domain at any time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import psycopg

    from bench.oracle.facts import Facts
    from bench.report.document import Rule


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What rules compare with: the settings in force. ``run_id``: whose ledgers are there; None: there are none.

    ``quiet``: whether rules for a quiet bus are asked; None: the checker looks itself. ``strict``: no lease ran out and
    no worker died, so the strict word is asked. ``facts``: of a run.
    """

    domain: str
    lease_s: float
    base_delay_ms: int
    max_delay_ms: int
    backoff_multiplier: float
    heartbeat: bool
    poll_interval_s: float
    run_id: int | None = None
    quiet: bool | None = None
    strict: bool = False
    facts: Facts | None = None


def check(conn: psycopg.Connection[dict[str, Any]], limits: Limits) -> list[Rule]:
    """Every rule, in the order of the file. Never raises: what could not be decided is UNKNOWN, with why."""
    return []
