"""How far a benchmark is, on stderr."""

import sys
import time
from typing import TextIO


class Progress:
    """Lines of what was measured, each with the time gone and, by the plan's own measure, the time left."""

    def __init__(self, planned_s: float, out: TextIO = sys.stderr) -> None:
        self._planned_s = planned_s
        self._behind_s = 0.0  # planned seconds of the scenarios that are done
        self._began = time.monotonic()
        self._out = out

    def say(self, text: str) -> None:
        gone = time.monotonic() - self._began
        print(f"[{clock(gone)}, {self._left(gone)}] {text}", file=self._out, flush=True)

    def done(self, planned_s: float) -> None:
        """A scenario that was planned to take so long is over."""
        self._behind_s += planned_s

    def _left(self, gone: float) -> str:
        # Once a scenario is done, how long it really took tells how fast this machine is.
        pace = gone / self._behind_s if self._behind_s else 1.0
        pace = min(4.0, max(0.5, pace))
        return f"about {clock(max(0.0, self._planned_s * pace - gone))} left"


def clock(seconds: float) -> str:
    """``75`` as ``1:15``."""
    whole = int(seconds)
    return f"{whole // 60}:{whole % 60:02}"
