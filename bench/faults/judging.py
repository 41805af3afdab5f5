"""What several faults ask: do the workers live on, and is work done again soon after?"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from bench.faults.looks import IN_TIME, resumed_after, server_now

if TYPE_CHECKING:
    from bench.faults.bench import Bench, Recorder

RESUMES_WITHIN_S = 10.0


def resumed(bench: Bench, recorder: Recorder, within_s: float = RESUMES_WITHIN_S) -> None:
    """A criterion, after the drain: once nothing was in the way any more, an attempt began and ended in time."""
    text = f"attempts begin and end again within {within_s:g} s after it is over"
    ended_s = recorder.record.ended_s
    if ended_s is None:
        recorder.criterion(text, None, "it did not end")
        return
    with bench.connection() as conn:
        since = server_now(conn) - timedelta(seconds=bench.now_s - ended_s)
        seconds = resumed_after(conn, since, IN_TIME)
    if seconds is None:
        recorder.criterion(text, None, "no attempt began after it")
    else:
        recorder.criterion(text, bool(seconds <= within_s), f"after {seconds:.2f} s")


def processes(bench: Bench) -> dict[str, int]:
    """The workers that are up, and which process each is."""
    return {worker.name: worker.pid for worker in bench.fleet.workers if worker.is_up}


def live_on(bench: Bench, recorder: Recorder, before: dict[str, int]) -> None:
    """A criterion: no worker ended by it."""
    gone = sorted(name for name, pid in before.items() if processes(bench).get(name) != pid)
    seen = f"{', '.join(gone)} ended" if gone else f"{len(before)} live on"
    recorder.criterion("no worker ends by it", not gone, seen)
