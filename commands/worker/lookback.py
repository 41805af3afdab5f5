"""How far a worker looks back in its queue."""

import time


class Lookback:
    """From which message to look on, so that rows at the head of the queue are not stepped over again and again.

    Those may be delayed or leased messages, or dead rows that an open snapshot keeps. Messages below the mark become
    visible too, or were sent by a slow transaction, so now and then all are looked at: the longer that takes, the more
    rarely, so that it costs a twentieth of the time at most.
    """

    FULL_LOOK_SHARE = 20

    def __init__(self) -> None:
        self._last = 0
        self._full_look_at = 0.0

    def after(self) -> int:
        """The message after which to look now; 0 for all."""
        return self._last if time.monotonic() < self._full_look_at else 0

    def looked(self, after: int, last: int, seconds: float) -> None:
        """Messages after ``after`` were looked at, up to ``last``, in so many seconds."""
        self._last = last
        if not after:
            self._full_look_at = time.monotonic() + self.FULL_LOOK_SHARE * seconds

    def until_full_look(self) -> float:
        """Seconds until all are looked at again."""
        return max(0.0, self._full_look_at - time.monotonic())
