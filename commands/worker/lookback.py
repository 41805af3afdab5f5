"""How far a worker looks back in its queue."""

import time


class Lookback:
    """From which message to look on, so that rows at the head of the queue are not stepped over again and again.

    Those may be delayed or leased messages, rows that other transactions hold, or dead rows that an open snapshot
    keeps. Messages below the mark become visible too, or were sent by a slow transaction, so now and then a sweep
    begins at the first message. It goes on where the last look ended until one finds what can be taken, or the end of
    the queue. The longer that took, the later the next sweep begins: it costs a twentieth of the time at most, or a
    fifth where held rows were met, which may be released at any moment.
    """

    SHARE = 20
    SHARE_HELD = 5

    def __init__(self) -> None:
        self._last = 0
        self._sweep_at = 0.0
        self._sweeping = True
        self._seconds = 0.0  # of the sweep under way
        self._held = False

    def after(self) -> int:
        """The message after which to look now; 0 for all."""
        if self._sweeping or time.monotonic() < self._sweep_at:
            return self._last
        self._sweeping, self._seconds, self._held, self._last = True, 0.0, False, 0
        return 0

    def looked(self, last: int, seconds: float, *, held: bool, through: bool) -> None:
        """A look went up to the message ``last`` in so many seconds, and met ``held`` rows.

        ``through``: it found what can be taken, or the end of the queue.
        """
        self._last = last
        if not self._sweeping:
            return
        self._seconds += seconds
        self._held = self._held or held
        if through:
            self._sweeping = False
            self._sweep_at = time.monotonic() + (self.SHARE_HELD if self._held else self.SHARE) * self._seconds

    def start_again(self) -> None:
        """Begin a sweep with the next look."""
        self._sweeping, self._last, self._sweep_at = False, 0, 0.0

    def until_sweep(self) -> float:
        """Seconds until the next sweep begins."""
        return max(0.0, self._sweep_at - time.monotonic())
