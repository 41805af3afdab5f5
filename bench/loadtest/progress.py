"""What a load test shows on its terminal while it runs: one line that is written anew, or one every few seconds."""

from __future__ import annotations

import shutil
import time
from contextlib import suppress
from typing import TYPE_CHECKING, TextIO

from commands.rules.formatting import duration

if TYPE_CHECKING:
    from bench.loadtest.sampler import Counts, Percentiles

EVERY_S = 5.0  # where the output is no terminal


class Progress:
    """Writes to ``stream``; where the terminal has gone it says nothing, and the run goes on."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._live = stream.isatty()
        self._open = False  # a line that may be written over
        self._next = 0.0

    def say(self, text: str) -> None:
        """A line that stays."""
        self._write(("\r\x1b[K" if self._open else "") + f"{text}\n")
        self._open = False

    def show(self, text: str) -> None:
        """The line of the moment."""
        if self._live:
            self._write(f"\r\x1b[K{text[: shutil.get_terminal_size().columns - 1]}")
            self._open = True
        elif time.monotonic() >= self._next:
            self._write(f"{text}\n")
            self._next = time.monotonic() + EVERY_S

    def end(self) -> None:
        """Leave the last line standing."""
        if self._open:
            self._write("\n")
            self._open = False

    def _write(self, text: str) -> None:
        with suppress(OSError, ValueError):
            self._stream.write(text)
            self._stream.flush()


def line(counts: Counts, *, commands: int, sent: int, rate: float, latency: Percentiles | None) -> str:
    """ "sent 10,000  done 4,210  9,800/s  p50 120 ms  p95 180 ms  p99 201 ms  queue 5,790  ETA 1 s"."""
    parts = [f"sent {sent:,}", f"done {counts.ended:,} of {commands:,}", f"{rate:,.0f}/s"]
    if latency is not None:
        parts += [f"{name} {duration(getattr(latency, name))}" for name in ("p50", "p95", "p99")]
    parts.append(f"queue {counts.waiting + counts.in_progress:,}")
    left = commands - counts.ended
    if left and rate >= 1:
        parts.append(f"ETA {duration(round(left / rate) * 1000)}")
    return "  ".join(parts)
