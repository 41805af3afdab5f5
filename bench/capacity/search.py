"""Looking for the knee: the highest rate that is kept up. Pure: a function offers a rate and says how that went.

first, twice that, … until one is not kept up ─► halve the gap ─► again from near there, so often ─► median, spread
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from statistics import median

GAP = 0.08  # of the rate that is kept up: a gap that need not be halved any more
LOWEST = 10.0  # commands/s
NEAR = 1.25  # how far from an earlier knee the next search begins


@dataclass(frozen=True, kw_only=True)
class Try:
    """One rate, offered once. Milliseconds from due to end; ``growth`` of the backlog in commands/s.

    ``kept``: whether it was kept up; None: the sender could not offer it.
    """

    trial: int
    rate: float
    p50_ms: float
    p99_ms: float
    growth: float
    delay_p99_ms: float
    kept: bool | None
    why: str


@dataclass(frozen=True, kw_only=True)
class Knee:
    """``knees``: the highest rate that was kept up, of each search that found one. ``above``: what broke next."""

    tries: tuple[Try, ...]
    knees: tuple[float, ...]
    above: tuple[Try, ...]

    @property
    def rate(self) -> float | None:
        """The median; None where nothing was kept up."""
        return median(self.knees) if self.knees else None

    @property
    def spread(self) -> tuple[float, float] | None:
        return (min(self.knees), max(self.knees)) if self.knees else None

    @property
    def limited(self) -> bool:
        """Whether it was the sender that could do no more, in most searches: then the knee is higher than this."""
        return 2 * sum(each.kept is None for each in self.above) > len(self.above)

    @property
    def at_least(self) -> bool:
        """Whether the knee was not reached: the sender, or the highest rate that is searched for, came first."""
        return self.limited or (bool(self.knees) and not self.above)


Offer = Callable[[float, int], Try]


def find(offer: Offer, *, first: float, most: float, trials: int, halvings: int) -> Knee:
    """Search ``trials`` times between `LOWEST` and ``most`` commands/s, halving a gap ``halvings`` times at most."""
    tries: list[Try] = []

    def offered(rate: float, trial: int) -> Try:
        tries.append(offer(rate, trial))
        return tries[-1]

    knees: list[float] = []
    above: list[Try] = []
    for trial in range(1, trials + 1):
        search = _Search(offered, trial, most)
        if knees:
            search.around(median(knees))
        else:
            search.from_below(first)
        search.narrow(halvings)
        if search.kept is not None:
            knees.append(search.kept)
        if search.broke is not None:
            above.append(search.broke)
        if search.kept is None:
            break  # nothing is kept up: another search would not find more
    return Knee(tries=tuple(tries), knees=tuple(knees), above=tuple(above))


class _Search:
    """One search: ``kept`` is the highest rate that was kept up, ``broke`` the lowest above it that was not."""

    def __init__(self, offer: Offer, trial: int, most: float) -> None:
        self._offer = offer
        self._trial = trial
        self._most = most
        self.kept: float | None = None
        self.broke: Try | None = None

    def from_below(self, first: float) -> None:
        """Double from ``first`` on until one is not kept up, or halve until one is."""
        rate = first
        while self._tried_twice(rate) and rate < self._most:
            rate = min(2 * rate, self._most)
        self._down(rate / 2)

    def around(self, knee: float) -> None:
        """A gap round an earlier knee; wider where it has moved."""
        self._tried_twice(knee / NEAR)
        self._down(knee / NEAR / NEAR)
        rate = min(knee * NEAR, self._most)
        while self.broke is None and self._tried_twice(rate) and rate < self._most:
            rate = min(rate * NEAR, self._most)

    def narrow(self, halvings: int) -> None:
        for _ in range(halvings):
            if self.kept is None or self.broke is None or self.broke.rate - self.kept <= GAP * self.kept:
                return
            self._note(self._offer((self.kept + self.broke.rate) / 2, self._trial))

    def _down(self, rate: float) -> None:
        """Half as much each time, until something is kept up."""
        while self.kept is None and rate >= LOWEST:
            self._note(self._offer(rate, self._trial))
            rate /= 2

    def _tried_twice(self, rate: float) -> bool:
        """Whether it is kept up: what a moment's noise broke is asked once more, before it bounds a search."""
        found = self._offer(rate, self._trial)
        if found.kept is False:
            found = self._offer(rate, self._trial)
        self._note(found)
        return found.kept is True

    def _note(self, found: Try) -> None:
        if found.kept:
            self.kept = found.rate
        else:
            self.broke = found
