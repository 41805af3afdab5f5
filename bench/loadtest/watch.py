"""Watching a load test: count, show and write down what happens, and notice when it is over or cannot go on."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING

from bench.loadtest.errors import BrokenError, StoppedError
from bench.loadtest.progress import line
from e2e_site.texts import one_line

if TYPE_CHECKING:
    from bench.loadtest.options import Options
    from bench.loadtest.progress import Progress
    from bench.loadtest.run_lock import RunLock
    from bench.loadtest.sampler import Percentiles, Sampler
    from bench.loadtest.sender import Sender
    from bench.loadtest.statements import Database
    from bench.loadtest.workers import Workers
    from e2e_site.programs import StopRequests

STEP_S = 0.5
QUIET_S = 3.0  # nothing happened for so long, and nothing is queued: what has not ended never will


def sample_interval(elapsed: float) -> float:
    """Seconds between samples: a run of a day has about three thousand of them."""
    if elapsed < 600:
        return 1.0
    return 5.0 if elapsed < 7200 else 60.0


@dataclass(kw_only=True)
class Watch:
    """One run's eyes. ``until_over`` returns when every command has ended, or none of the others can any more."""

    options: Options
    record: Database  # the site's, with the row of this run
    bus: Database  # in which the commands are
    run_lock: RunLock
    sender: Sender
    workers: Workers
    sampler: Sampler
    shown: Progress
    stop_requests: StopRequests
    _began: float = field(default_factory=time.monotonic)
    _latency: Percentiles | None = None
    _samples: int = 0
    _next_sample: float = 0.0

    def until_over(self) -> None:
        """Raises `StoppedError` if it is asked to stop or the time is over, `BrokenError` if it cannot go on."""
        all_sent, seen, changed = False, -1, time.monotonic()
        while True:
            time.sleep(STEP_S)
            self.sampler.step()
            if self.sender.is_done and not all_sent:
                all_sent = True
                self.run_lock.enter("working")
            over = all_sent and self.sampler.counts.ended >= self.sender.sent and self.sender.error is None
            self._sample(over=over)
            if over:
                return
            self._check()
            happened = self.sampler.counts.ended + self.sampler.counts.received
            if happened != seen or not all_sent:
                seen, changed = happened, time.monotonic()
            elif time.monotonic() - changed > QUIET_S and not self.bus.value("anything_queued"):
                return

    def _check(self) -> None:
        for death in self.workers.deaths():
            self.shown.say(death)
        if self.stop_requests.count:
            self.shown.say("Stopping: the workers finish what they have begun (Ctrl-C again: at once).")
            raise StoppedError("Interrupted")
        if time.monotonic() - self._began > self.options.max_wait:
            raise StoppedError(f"--max-wait ({self.options.max_wait} s) was over")
        if self.sender.error is not None:
            raise BrokenError(f"Sending failed: {one_line(self.sender.error)}")
        if self.run_lock.lost is not None:
            raise BrokenError(one_line(self.run_lock.lost))
        if not self.workers.any_up:
            raise BrokenError("All workers have ended.")

    def _sample(self, *, over: bool) -> None:
        """Show the state, and write it down where it is time to."""
        elapsed = time.monotonic() - self._began
        if over or elapsed >= self._next_sample:
            self._next_sample = elapsed + sample_interval(elapsed)
            self._samples += 1
            self._write_sample(self.sampler.take_latency())
        self.shown.show(
            line(
                self.sampler.counts,
                commands=self.options.commands,
                sent=self.sender.sent,
                rate=self.sampler.rate,
                latency=self._latency,
            )
        )

    def _write_sample(self, latency: Percentiles | None) -> None:
        counts = self.sampler.counts
        self._latency = latency or self._latency
        self.record.run(
            "add_sample",
            run_id=self.run_lock.run_id,
            number=self._samples,
            at_s=self.sampler.at_s,
            sent=counts.sent,
            received=counts.received,
            ended=counts.ended,
            waiting=counts.waiting,
            in_progress=counts.in_progress,
            **(asdict(latency) if latency else {"p50": None, "p95": None, "p99": None}),
        )
        self.record.run("update_counts", run_id=self.run_lock.run_id, **asdict(counts))
