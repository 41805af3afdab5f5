"""What became of all that one bulk send sent, beside what had to become of it."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

from commands.reads.expected import circumstances_of
from commands.rules.agreement import Verdict
from commands.rules.behaviors import Behavior
from commands.rules.expectation import expectation
from commands.rules.words import Status
from e2e_site.named_sql import NamedSql, Row
from settings_app.models import Configuration

SAMPLES = 5

_SQL = NamedSql(Path(__file__).with_suffix(".sql"))


@dataclass(frozen=True, kw_only=True)
class Ended:
    """So many commands with this behavior ended so, and where each of them may end.

    ``samples``: the first ones, where that is none of ``expected``.
    """

    behavior: Behavior
    status: Status
    count: int
    expected: list[Status]
    samples: list[UUID]

    @property
    def agrees(self) -> bool:
        return self.status in self.expected


@dataclass(frozen=True, kw_only=True)
class SentOutcome:
    """The ``verdict`` on all of them and, in a sentence, its ``reason``; ``disagreeing``: how many ended otherwise."""

    verdict: Verdict
    reason: str
    ends: list[Ended]

    @property
    def disagreeing(self) -> int:
        return sum(ended.count for ended in self.ends if not ended.agrees)


def standing(correlation_id: UUID) -> dict[Status, int]:
    """How many of them stand where."""
    return {Status(row["status"]): row["count"] for row in _SQL.rows("standing", correlation_id=correlation_id)}


def outcome(correlation_id: UUID, *, sent: int, before: Configuration, standing: Mapping[Status, int]) -> SentOutcome:
    """Judge ``sent`` commands that stand so; ``before``: the settings when they were asked for.

    Where a command ends follows from its behavior alone, and its statuses are compared; no worker may have died for it
    and no operator acted. Where the settings were changed meanwhile, those that it ran with are not known.
    """
    moving = sum(count for status, count in standing.items() if not status.is_final)
    if moving:
        return SentOutcome(verdict=Verdict.NOT_YET, reason=f"{moving:,} of {sent:,} are not over.", ends=[])
    config = Configuration.load()
    ends = [_ended(row, correlation_id, config) for row in _SQL.rows("ends", correlation_id=correlation_id)]
    found, wrong = sum(ended.count for ended in ends), sum(ended.count for ended in ends if not ended.agrees)
    if config.version != before.version:
        by = f" by {config.updated_by}" if config.updated_by else ""
        reason = f"The settings were changed{by} meanwhile: those that they ran with are not known any more."
        return SentOutcome(verdict=Verdict.UNKNOWN, reason=reason, ends=ends)
    if found != sent:
        reason = f"{sent:,} were sent, and {found:,} are there."
        return SentOutcome(verdict=Verdict.MISMATCH, reason=reason, ends=ends)
    if wrong:
        reason = f"{wrong:,} of {sent:,} ended otherwise than their behaviors say."
        return SentOutcome(verdict=Verdict.MISMATCH, reason=reason, ends=ends)
    return SentOutcome(verdict=Verdict.MATCH, reason="All ended as they had to.", ends=ends)


def _ended(row: Row, correlation_id: UUID, config: Configuration) -> Ended:
    behavior, status = Behavior.from_json(row["behavior"]), Status(row["status"])
    allowed = expectation(circumstances_of(behavior, row["max_attempts"], config, reply=row["reply"])).statuses
    samples = []
    if status not in allowed:
        asked = {"status": status.value, "behavior": json.dumps(row["behavior"]), "limit": SAMPLES}
        samples = [found["command_id"] for found in _SQL.rows("samples", correlation_id=correlation_id, **asked)]
    return Ended(
        behavior=behavior,
        status=status,
        count=row["count"],
        expected=[each for each in Status if each in allowed],
        samples=samples,
    )
