"""What several faults ask: do the workers live on, and is work done again soon after?"""

from __future__ import annotations

from typing import TYPE_CHECKING

from commands.rules.words import DOMAIN, EventType

if TYPE_CHECKING:
    from bench.faults.bench import Bench, Recorder

RESUMES_WITHIN_S = 10.0
# The first attempt that began after that moment and ended, by the server's clock; and whether any was due then.
_RESUMED = """
    WITH since AS (SELECT clock_timestamp() - make_interval(secs => %(ago)s) AS at)
    SELECT (SELECT extract(epoch FROM min(e.ts) - max(since.at))::float8
            FROM since JOIN commandbus.audit r ON r.ts > since.at AND r.event_type = %(received)s
            JOIN commandbus.audit e ON e.domain = r.domain AND e.command_id = r.command_id
                AND e.event_type = ANY (%(ends)s) AND e.details_json ->> 'attempt' = r.details_json ->> 'attempt'
            WHERE r.domain = %(domain)s)
"""
_ENDS = [EventType.COMPLETED, EventType.FAILED, EventType.BUSINESS_RULE_FAILED, EventType.MOVED_TO_TSQ]


def resumed(bench: Bench, recorder: Recorder, within_s: float = RESUMES_WITHIN_S) -> None:
    """A criterion, after the drain: once nothing was in the way any more, an attempt began and ended in time."""
    text = f"attempts begin and end again within {within_s:g} s after it is over"
    ended_s = recorder.record.ended_s
    if ended_s is None:
        recorder.criterion(text, None, "it did not end")
        return
    with bench.connection() as conn:
        asked = {"ago": bench.now_s - ended_s, "received": EventType.RECEIVED, "ends": _ENDS, "domain": DOMAIN}
        row = conn.execute(_RESUMED, asked).fetchone()
    seconds = row[0] if row else None
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
