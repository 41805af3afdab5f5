"""Which behaviors a load test sends, in which proportions, and how a command of each must end. Pure.

A mix is written ``success=70,fail_permanent=5``. Which command gets which behavior follows from the seed alone.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from random import Random
from typing import assert_never

from commands.rules.behaviors import MAX_EXECUTION_TIME_MS, Behavior, BehaviorType

MAX_WEIGHT = 1_000_000
TIMEOUT_IN_LEASES = 1.5  # how long a command of behavior timeout works
NEAR_A_LEASE = 0.75  # of a lease: work that takes longer may meet its end
_DRAWN_AT_ONCE = 1000

Weights = Mapping[BehaviorType, float]


class MixError(ValueError):
    """Not a mix; the text says what is wrong and what is allowed."""


def parse_mix(text: str) -> dict[BehaviorType, float]:
    """The weights that a person typed, in the order of `BehaviorType`; those of 0 left out. Raises `MixError`."""
    weights: dict[BehaviorType, float] = {}
    for item in text.split(","):
        name, found, number = (part.strip() for part in item.partition("="))
        if name not in set(BehaviorType):
            raise MixError(f"{name!r} is no behavior; there are {', '.join(BehaviorType)}.")
        kind = BehaviorType(name)
        if kind in weights:
            raise MixError(f"{name} is there twice.")
        weights[kind] = _weight(name, number if found else "")
    if not any(weights.values()):
        raise MixError("at least one weight must be above 0.")
    return {kind: weights[kind] for kind in BehaviorType if weights.get(kind)}


def _weight(name: str, text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= MAX_WEIGHT:
        raise MixError(f"{name} needs a weight from 0 to {MAX_WEIGHT:,}, as in {name}=70, not {text!r}.")
    return value


def behaviors(weights: Weights, *, execution_time_ms: int, lease_s: int) -> dict[BehaviorType, Behavior]:
    """What a command of each type of the mix does."""
    times = dict.fromkeys(weights, execution_time_ms)
    if BehaviorType.TIMEOUT in times:
        longer = min(int(lease_s * 1000 * TIMEOUT_IN_LEASES), MAX_EXECUTION_TIME_MS)
        times[BehaviorType.TIMEOUT] = max(longer, execution_time_ms)
    return {kind: Behavior(type=kind, execution_time_ms=time) for kind, time in times.items()}


def drawn(each: Mapping[BehaviorType, Behavior], weights: Weights, seed: int) -> Iterator[Behavior]:
    """Behaviors without end, drawn by their weights; the same ones for the same seed."""
    random = Random(seed)  # noqa: S311  # it has to be repeatable, not secret
    while True:
        yield from random.choices([each[kind] for kind in weights], list(weights.values()), k=_DRAWN_AT_ONCE)


@dataclass(frozen=True, kw_only=True)
class Expectation:
    """How a command may end, and the fewest and the most attempts that it takes where no worker dies."""

    statuses: frozenset[str]
    attempts: tuple[int, int]


def expectation(behavior: Behavior, *, max_attempts: int, lease_s: int) -> Expectation:
    """How a command of this behavior must end (docs/promises.md)."""
    fewest, completes = _undisturbed(behavior, max_attempts)
    statuses = {"COMPLETED" if completes else "IN_TROUBLESHOOTING_QUEUE"}
    leases = behavior.execution_time_ms / (lease_s * 1000)
    if leases <= NEAR_A_LEASE:
        return Expectation(statuses=frozenset(statuses), attempts=(fewest, fewest))
    # Its message comes again while it works. One that succeeds in the last of its leases may be parked before.
    if leases > NEAR_A_LEASE * (max_attempts - fewest + 1):
        statuses.add("IN_TROUBLESHOOTING_QUEUE")
    most = min(max_attempts, fewest + math.floor(leases + 1 - NEAR_A_LEASE))
    return Expectation(statuses=frozenset(statuses), attempts=(fewest, most))


def _undisturbed(behavior: Behavior, max_attempts: int) -> tuple[int, bool]:
    """The attempts that it takes where no lease runs out, and whether it completes."""
    match behavior.type:
        case BehaviorType.SUCCESS | BehaviorType.TIMEOUT:
            return 1, True
        case BehaviorType.FAIL_PERMANENT:
            return 1, False
        case BehaviorType.FAIL_TRANSIENT:
            return max_attempts, False
        case BehaviorType.FAIL_TRANSIENT_THEN_SUCCEED:
            return min(behavior.transient_failures + 1, max_attempts), behavior.transient_failures < max_attempts
        case _:
            assert_never(behavior.type)
