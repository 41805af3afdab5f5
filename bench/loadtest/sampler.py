"""What a running load test knows of itself: events counted once each, and the latest speed and latencies."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from bench.figures import percentile

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from bench.loadtest.statements import Database
    from e2e_site.named_sql import Row

LATENCIES_LOOKED_AT = 500  # ends drawn at each step, for the percentiles
RATE_OVER_S = 5.0
_HELD_UP_STEPS = 10  # a transaction that stays open holds the counting up no longer than so many


@dataclass(kw_only=True)
class Counts:
    """Events of the run so far: what was sent, attempts begun, commands with a first attempt, and ends by kind."""

    sent: int = 0
    received: int = 0
    begun: int = 0
    completed: int = 0
    failed: int = 0
    parked: int = 0

    @property
    def ended(self) -> int:
        return self.completed + self.failed + self.parked

    @property
    def waiting(self) -> int:
        return max(0, self.sent - self.begun)

    @property
    def in_progress(self) -> int:
        return max(0, self.begun - self.ended)


@dataclass(frozen=True, kw_only=True)
class Percentiles:
    """From sending (or from when it was due) to the end, in milliseconds."""

    p50: float
    p95: float
    p99: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Self:
        """Of one value or more."""
        return cls(p50=percentile(values, 50), p95=percentile(values, 95), p99=percentile(values, 99))


@dataclass(frozen=True)
class _Horizon:
    """Events up to ``newest`` are all there once every transaction before ``next_transaction`` is over."""

    newest: int
    at: datetime
    next_transaction: int


class Sampler:
    """Reads the events of its database in the order of their ids, each of them once.

    An id is given out before its row can be seen, so reading "all after the last one" would miss rows of transactions
    that were still open. It reads up to a horizon instead: the newest id of a moment, as soon as no transaction of that
    moment runs any more. So what it tells is two steps old, and complete as of ``at``.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        first = database.row("horizon")
        assert first is not None
        self.first_event: int = first["newest"]  # those of this run come after it
        self._read_to = self.first_event
        self._last: Row = first
        self._horizons: deque[_Horizon] = deque()
        self._speed: deque[tuple[datetime, int]] = deque(maxlen=100)
        self.counts = Counts()
        self._latencies: list[float] = []
        self._began: datetime = first["at"]
        self.at = self._began

    @property
    def at_s(self) -> float:
        """How many seconds after its beginning that is."""
        return float((self.at - self._began).total_seconds())

    @property
    def rate(self) -> float:
        """Ends per second over the last seconds."""
        recent = [point for point in self._speed if (self.at - point[0]).total_seconds() <= RATE_OVER_S]
        if len(recent) < 2:  # a speed lies between two points
            return 0.0
        seconds = (recent[-1][0] - recent[0][0]).total_seconds()
        return (recent[-1][1] - recent[0][1]) / seconds if seconds > 0 else 0.0

    def take_latency(self) -> Percentiles | None:
        """Of what ended since this was asked last; None where nothing did."""
        values, self._latencies = self._latencies, []
        return Percentiles.of(values) if values else None

    def step(self) -> bool:
        """Count what has become countable; whether anything has."""
        row = self._database.row("horizon")
        assert row is not None
        self._horizons.append(_Horizon(self._last["newest"], self._last["at"], row["next_transaction"]))
        self._last = row
        reached: _Horizon | None = None
        while self._horizons and (
            self._horizons[0].next_transaction <= row["oldest_running"] or len(self._horizons) > _HELD_UP_STEPS
        ):
            reached = self._horizons.popleft()
        if reached is None:
            return False
        self._read(reached)
        return True

    def _read(self, horizon: _Horizon) -> None:
        span = {"after": self._read_to, "upto": horizon.newest}
        new = self._database.row("count_events", **span)
        assert new is not None
        for name, number in new.items():
            setattr(self.counts, name, getattr(self.counts, name) + number)
        if new["completed"] + new["failed"] + new["parked"]:
            self._latencies += self._database.value("latencies", **span, most=LATENCIES_LOOKED_AT) or []
        self._read_to, self.at = horizon.newest, horizon.at
        self._speed.append((horizon.at, self.counts.ended))
