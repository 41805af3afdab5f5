"""What chance brings of many commands whose attempts roll how they end; whether it brings what was counted."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import exp, fsum, lgamma, log, log1p

from commands.rules.rolls import Rolls

ALPHA = 1e-6  # how seldom chance alone may be called implausible


@dataclass(frozen=True, kw_only=True)
class Shares:
    """The share of commands that end so, where each attempt is a success unless it rolls otherwise, and how many
    attempts one has on average."""

    parked_for_good: float
    parked_exhausted: float
    failed: float
    completed: float
    attempts: float


def shares(rolls: Rolls, max_attempts: int) -> Shares:
    """Of many commands whose attempts end within their leases: the closed form."""
    again = (1 - rolls.permanent) * rolls.transient  # an attempt is followed by another
    begun = float(max_attempts) if again == 1 else (1 - again**max_attempts) / (1 - again)
    parked_for_good = rolls.permanent * begun
    failed = (1 - rolls.permanent) * (1 - rolls.transient) * rolls.business_rule * begun
    exhausted = again**max_attempts
    return Shares(
        parked_for_good=parked_for_good,
        parked_exhausted=exhausted,
        failed=failed,
        completed=max(0.0, 1 - parked_for_good - failed - exhausted),
        attempts=begun,
    )


def is_plausible(hits: int, of: int, probability: float, alpha: float = ALPHA) -> bool:
    """Whether chance brings so many ``hits`` (or more, or fewer) of ``of`` tries: a binomial test of both sides."""
    if not 0 <= hits <= of:
        raise ValueError(f"hits must be from 0 to {of}, not {hits}.")
    if probability <= 0 or probability >= 1:
        return hits == (0 if probability <= 0 else of)
    steps = range(hits, of + 1) if hits > of * probability else range(hits, -1, -1)
    return min(1.0, 2 * fsum(_tail(steps, of, probability))) >= alpha


def _tail(steps: Sequence[int], of: int, probability: float) -> Iterator[float]:
    """The probability of each step away from the middle, until it adds nothing."""
    whole = 0.0
    for hits in steps:
        ways = lgamma(of + 1) - lgamma(hits + 1) - lgamma(of - hits + 1)
        one = exp(ways + hits * log(probability) + (of - hits) * log1p(-probability))
        whole += one
        yield one
        if one <= whole * 1e-12:
            return
