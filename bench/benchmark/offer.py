"""Offering commands at a given rate, worked off or not: what becomes of them shows whether it can be kept up."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from threading import Event
from typing import LiteralString
from uuid import UUID

from bench.errors import BenchError
from bench.figures import percentile, slope
from bench.open_loop import Schedule
from bench.programs import MeasuredProgram, worker
from bench.testbed import LOOK_S, MAX_ATTEMPTS, SUCCESS, Testbed
from commands.bus.bulk import NewCommand, send_chunk
from commands.rules.words import DOMAIN

PAUSE_S = 0.005  # what is due since the last chunk is sent together
WARM_UP_S = 3.0  # not counted
DRAIN_S = 60.0  # for what is left when the last one has been sent
SLOPE_ALLOWED = 0.01  # of the rate: a backlog that grows no faster does not grow, by this measure
_LATE_S = 0.5  # a sender that is further behind at its end did not offer the rate
_ENDS: LiteralString = """
    SELECT command_id, extract(epoch FROM ts)::float8 FROM commandbus.audit
    WHERE audit_id > %s AND domain = %s AND event_type = 'COMPLETED'
"""


@dataclass(frozen=True, kw_only=True)
class Offered:
    """What came of it. Latencies in milliseconds from the moment each command was due, warm-up left out.

    ``send_delays``: from due to the call that sent it. ``growth``: commands per second by which the backlog grew.
    ``behind_s``: how late the sender was at its end.
    """

    rate: float
    latencies: list[float]
    send_delays: list[float]
    growth: float
    behind_s: float

    @property
    def valid(self) -> bool:
        """Whether the rate was offered at all: else the sender, not the bus, was measured."""
        return self.behind_s <= _LATE_S

    @property
    def p99(self) -> float:
        return percentile(self.latencies, 99)

    def sustained(self, most_ms: float) -> bool:
        return self.valid and self.growth <= SLOPE_ALLOWED * self.rate and self.p99 < most_ms


def offer(testbed: Testbed, rate: int, seconds: float) -> Offered:
    """Send so many commands per second for so long, to one worker with 200 slots; raises BenchError."""
    schedule = Schedule(rate=rate, count=int(rate * seconds), pause_s=PAUSE_S)
    testbed.empty()
    testbed.tidy()
    with worker(testbed.database, domain=DOMAIN, once=False) as program:
        _warm_up(testbed, program)
        mark, offset = testbed.mark(), clock_offset(testbed)
        start = time.time()
        ids, delays = send_due(testbed, schedule)
        behind_s = time.time() - start - schedule.due_s(schedule.count)
        deadline = time.monotonic() + DRAIN_S
        while testbed.completed(mark) < len(ids):
            program.check_running()
            if time.monotonic() > deadline:
                raise BenchError(f"At {rate:,} commands/s some did not end within {DRAIN_S:.0f} s after the last.")
            time.sleep(LOOK_S)
        program.stop()
    return judge(rate, ids, delays, ends_since(testbed, mark, offset + start), behind_s)


def ends_since(testbed: Testbed, mark: int, start: float) -> dict[UUID, float]:
    """When each command has completed since a mark, in seconds after ``start`` (Unix seconds by the server's clock)."""
    return {command_id: ts - start for command_id, ts in testbed.conn.execute(_ENDS, [mark, DOMAIN])}


def _warm_up(testbed: Testbed, program: MeasuredProgram) -> None:
    """Return when the worker has performed a first command."""
    mark = testbed.mark()
    send_chunk(testbed.conn, DOMAIN, [NewCommand(behavior=SUCCESS)], max_attempts=MAX_ATTEMPTS)
    while not testbed.completed(mark):
        program.check_running()
        time.sleep(LOOK_S)


def send_due(testbed: Testbed, schedule: Schedule, stop: Event | None = None) -> tuple[list[UUID], list[float]]:
    """Send what is due, in chunks; the ids in the order of their moments, and how many milliseconds late each left.

    Fewer where ``stop`` is set meanwhile.
    """
    ids: list[UUID] = []
    delays: list[float] = []
    for due in schedule.chunks(stop):
        chunk = [NewCommand(behavior=SUCCESS) for _ in due.numbers]
        delays += [(due.at_s - schedule.due_s(number)) * 1000 for number in due.numbers]
        ids += [command.command_id for command in chunk]
        send_chunk(testbed.conn, DOMAIN, chunk, max_attempts=MAX_ATTEMPTS)
    return ids, delays


def clock_offset(testbed: Testbed, times: int = 50) -> float:
    """Seconds by which the server's clock is ahead of ours, by the quickest of several questions."""
    best = (float("inf"), 0.0)
    for _ in range(times):
        before = time.time()
        server = float(testbed.value("SELECT extract(epoch FROM clock_timestamp())::float8"))
        after = time.time()
        best = min(best, (after - before, server - (before + after) / 2))
    return best[1]


def judge(
    rate: float, ids: Sequence[UUID], delays: Sequence[float], ended: dict[UUID, float], behind_s: float
) -> Offered:
    """What came of it: the ids in the order in which they were due, and when each ended (seconds from the start)."""
    skip = min(int(WARM_UP_S * rate), len(ids) // 4)
    counted = range(skip, len(ids))
    return Offered(
        rate=rate,
        latencies=[(ended[ids[number]] - number / rate) * 1000 for number in counted],
        send_delays=list(delays[skip:]),
        growth=slope(_backlog(rate, len(ids), sorted(ended.values()), skip / rate)),
        behind_s=behind_s,
    )


def _backlog(rate: float, count: int, ends: list[float], since: float, step: float = 0.25) -> list[tuple[float, float]]:
    """How many commands were due and had not ended, every ``step`` seconds from ``since`` on to the last one due."""
    points, ended, moment = [], 0, since
    while moment <= count / rate:
        while ended < len(ends) and ends[ended] <= moment:
            ended += 1
        points.append((moment, moment * rate - ended))
        moment += step
    return points
