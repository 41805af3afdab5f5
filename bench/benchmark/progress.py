"""How far a benchmark is, on stderr."""

import sys
import time
from typing import TextIO


class Progress:
    """Lines of what was measured, each with the time gone and, by the plan's own measure, the time left."""

    def __init__(self, planned_s: float, out: TextIO | None = None) -> None:
        self._planned_s = planned_s
        self._done_s = 0.0  # what was planned for the cases that are done …
        self._took_s = 0.0  # … and what they took
        self._began = time.monotonic()
        self._out = out or sys.stderr

    def say(self, text: str) -> None:
        gone = self._gone()
        print(f"[{clock(gone)}, about {clock(self._left(gone))} left] {text}", file=self._out, flush=True)

    def done(self, planned_s: float) -> None:
        """A case that was planned to take so long is over."""
        self._done_s += planned_s
        self._took_s = self._gone()

    def _gone(self) -> float:
        return time.monotonic() - self._began

    def _left(self, gone: float) -> float:
        # How long cases really took tells how fast this machine is.
        pace = self._took_s / self._done_s if self._done_s else 1.0
        return max(0.0, (self._planned_s - self._done_s) * pace - (gone - self._took_s))


def clock(seconds: float) -> str:
    """``75`` as ``1:15``."""
    whole = int(seconds)
    return f"{whole // 60}:{whole % 60:02}"
