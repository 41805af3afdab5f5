"""What checkers know of a run: the plan, what faults sent, and what faults may have done."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from bench.scenarios.model import Oracle

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from bench.report.document import FaultRecord
    from bench.scenarios.plan import Plan
    from commands.rules.expectation import Expectation


@dataclass(frozen=True, kw_only=True)
class Facts:
    """``began_at``: when sending began, by the server's clock. ``expected``: by the kinds of commands that faults sent.

    ``apart``: commands that a fault judges itself. ``quiet``: the queue was empty in two looks after the last fault.
    ``loses_attempts`` and ``overruns``: a fault that fired may have made attempts come to no end, or outlive a lease.
    """

    run_id: int
    plan: Plan
    began_at: datetime
    quiet: bool
    expected: dict[str, Expectation] = field(default_factory=dict)
    apart: frozenset[UUID] = frozenset()
    faults: tuple[FaultRecord, ...] = ()
    loses_attempts: bool = False
    overruns: bool = False

    @property
    def oracle(self) -> Oracle:
        return self.plan.scenario.expect.oracle
