"""What a load test came to: the figures of its events, held against what had to happen. Pure: rows in, JSON out.

The expectation comes from the mix and from what the sender handed over, never from the bus's own tables.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from commands.rules.courses import Circumstances
from commands.rules.expectation import expectation
from commands.rules.words import Status

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from commands.rules.behaviors import Behavior, BehaviorType

Json = dict[str, Any]

# A schedule is kept as long as nearly every command leaves within this time of when it was due.
SEND_DELAY_LIMIT_MS = 50.0
UNFINISHED = (Status.PENDING, Status.IN_PROGRESS)


@dataclass(frozen=True, kw_only=True)
class Ledger:
    """What the sender did: commands that the server took in so many seconds, and how many of each behavior it gave."""

    sent: int
    seconds: float
    taken: Mapping[BehaviorType, int]


@dataclass(kw_only=True)
class BehaviorResult:
    """What was expected of a behavior and what came.

    ``unexpected`` counts the commands that ended otherwise, were left, or were lost.
    """

    behavior: str
    sent: int
    expected: list[str]
    expected_attempts: tuple[int, int]
    statuses: dict[str, int] = field(default_factory=dict)
    attempts: dict[str, int] = field(default_factory=dict)
    unexpected: int = 0


def behavior_results(
    each: Mapping[BehaviorType, Behavior], ledger: Ledger, outcomes: Sequence[Sequence[Any]], options: Json
) -> list[BehaviorResult]:
    """Expected and actual, by behavior. ``outcomes``: rows of behavior, status, queued, attempts, number."""
    results = []
    for kind, behavior in each.items():
        expected = expectation(circumstances(behavior, options))
        result = BehaviorResult(
            behavior=kind.value,
            sent=ledger.taken.get(kind, 0),
            expected=sorted(expected.statuses),
            expected_attempts=(expected.attempts.least, expected.attempts.most),
        )
        for name, status, _queued, attempts, number in outcomes:
            if name == kind.value:
                result.statuses[status] = result.statuses.get(status, 0) + number
                result.attempts[str(attempts)] = result.attempts.get(str(attempts), 0) + number
        as_expected = sum(number for status, number in result.statuses.items() if status in expected.statuses)
        result.unexpected = max(0, result.sent - as_expected)
        results.append(result)
    return results


def circumstances(behavior: Behavior, options: Json) -> Circumstances:
    """A command of the run: other commands take slots and leave them, so how many are free for it is not known."""
    return Circumstances(
        behavior=behavior,
        max_attempts=options["max_attempts"],
        lease_s=options["lease_s"],
        base_delay_ms=options["base_delay_ms"],
        max_delay_ms=options["max_delay_ms"],
        backoff_multiplier=options["backoff_multiplier"],
        heartbeat=options["heartbeat"],
    )


def accounting(ledger: Ledger, outcomes: Sequence[Sequence[Any]], commands: int) -> dict[str, int]:
    """sent = completed + failed + canceled + in_tsq + left + lost.

    ``left`` waits in the queue, in whatever state; ``lost`` has no message and no final state, or no row at all.
    """
    by_status: dict[str, int] = {}
    stranded = 0
    for _, status, queued, _, number in outcomes:
        by_status[status] = by_status.get(status, 0) + number
        if status in UNFINISHED and not queued:
            stranded += number
    found = sum(by_status.values())
    return {
        "asked": commands,
        "sent": max(ledger.sent, found),
        "completed": by_status.get(Status.COMPLETED, 0),
        "failed": by_status.get(Status.FAILED, 0),
        "canceled": by_status.get(Status.CANCELED, 0),
        "in_tsq": by_status.get(Status.IN_TROUBLESHOOTING_QUEUE, 0),
        "left": sum(by_status.get(status, 0) for status in UNFINISHED) - stranded,
        "lost": stranded + max(0, ledger.sent - found),
    }


def rates(ledger: Ledger, times: Json, asked: float | None) -> dict[str, float | None]:
    """Per second. Processing is by the server's clock, from the first attempt to the last end, and its middle 80 %."""
    return {
        "asked_per_s": asked,
        "sending_per_s": _ratio(ledger.sent, ledger.seconds),
        "processing_per_s": _ratio(times["ended"], times["processing_s"]),
        "middle_per_s": _ratio(times["ended"] * 0.8, times["middle_s"]),
    }


def generator(delay: Json | None, speed: Mapping[str, float | None]) -> Json | None:
    """Whether a schedule was kept; None without one. One that was not says nothing about the bus at that rate."""
    if speed["asked_per_s"] is None or delay is None:
        return None
    limited = delay["p99"] > SEND_DELAY_LIMIT_MS
    why = f"99 of 100 commands should leave within {SEND_DELAY_LIMIT_MS:.0f} ms of when they are due"
    return {"limited": limited, "rule": f"{why}; the p99 was {delay['p99']:.0f} ms"}


def cost(before: Mapping[str, Any], after: Mapping[str, Any], ended: int) -> dict[str, float | None]:
    """What the whole server wrote and this database committed from the start of sending on, also per ended command."""
    wal = after["wal_bytes"] - before["wal_bytes"]
    transactions = after["transactions"] - before["transactions"]
    return {
        "wal_bytes": wal,
        "transactions": transactions,
        "wal_bytes_per_command": _ratio(wal, ended),
        "transactions_per_command": _ratio(transactions, ended),
    }


def compose(
    *, options: Json, each: Mapping[BehaviorType, Behavior], ledger: Ledger, measured: Json, costs: tuple[Json, Json]
) -> Json:
    """The whole summary but for run, state and verdict. ``measured`` is the row of the query ``summary``."""
    outcomes, times, latency = measured["outcomes"], measured["times"], measured["latency"] or {}
    results = behavior_results(each, ledger, outcomes, options)
    account = accounting(ledger, outcomes, options["commands"])
    speed = rates(ledger, times, options["rate"])
    return {
        "options": options,
        "accounting": account,
        "unexpected": sum(result.unexpected for result in results),
        "rates": speed,
        "latency_ms": latency,
        "generator": generator(latency.get("send_delay"), speed),
        "behaviors": [asdict(result) for result in results],
        "attempts": {
            "begun": sum(attempts * number for *_, attempts, number in outcomes),
            "late": times["late"],
        },
        "cost": cost(*costs, times["ended"]),
    }


def verdict(summary: Json) -> tuple[bool, str]:
    """Whether every command ended as its behavior says, and one sentence."""
    account = summary["accounting"]
    if account["lost"]:
        return False, f"{account['lost']:,} of {account['sent']:,} commands were lost."
    if account["left"]:
        return False, f"{account['left']:,} of {account['sent']:,} commands had not ended."
    if summary["unexpected"]:
        return (
            False,
            f"{summary['unexpected']:,} of {account['sent']:,} commands ended otherwise than their behavior says.",
        )
    return True, "Every command ended as its behavior says."


def _ratio(number: float, by: float | None) -> float | None:
    return number / float(by) if by else None
