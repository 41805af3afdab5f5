"""Sending by a schedule that nothing slows down, whether or not what was sent is worked off (an open loop).

Item number i is due i / rate seconds after the start. A latency that counts from that moment includes what a sender or
a server that stalls does to it.
"""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from threading import Event

AT_ONCE = 1000


@dataclass(frozen=True, kw_only=True)
class Chunk:
    """The numbers of the items that are to be sent together, and how many seconds after the start that is."""

    numbers: range
    at_s: float


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """``count`` items at ``rate`` per second.

    What is due goes out together, ``at_once`` at most. Chunks begin at least ``pause_s`` seconds apart: so few
    statements are sent that most of the items of a high rate share one.
    """

    rate: float
    count: int
    pause_s: float = 0.0
    at_once: int = AT_ONCE

    def due_s(self, number: int) -> float:
        """How many seconds after the start an item is due."""
        return number / self.rate

    def chunks(self, stop: Event | None = None) -> Iterator[Chunk]:
        """Each item once, in their order, none before it is due; fewer where ``stop`` is set. The first call starts."""
        stop = stop or Event()
        began, sent, earliest_s = time.monotonic(), 0, 0.0
        while sent < self.count and not stop.is_set():
            now_s = time.monotonic() - began
            wait_s = max(earliest_s, self.due_s(sent)) - now_s
            if wait_s > 0:
                stop.wait(wait_s)
                continue
            due = max(sent, int(now_s * self.rate)) + 1
            until = min(due, sent + self.at_once, self.count)
            yield Chunk(numbers=range(sent, until), at_s=now_s)
            sent, earliest_s = until, now_s + self.pause_s
