"""Offering commands at a given rate whether or not they are worked off: what happens then shows whether it can be kept.

A command is due at a moment that the rate alone decides. Its latency counts from that moment, so a sender or a server
that stalls is counted and not left out.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, LiteralString
from uuid import UUID

from bench.benchmark.case import BenchmarkError
from bench.benchmark.figures import percentile, slope
from bench.benchmark.processes import worker
from bench.testbed import LOOK_S, MAX_ATTEMPTS, SUCCESS
from commands.bus.bulk import NewCommand, send_chunk
from commands.rules.words import DOMAIN

if TYPE_CHECKING:
    from bench.benchmark.processes import Program
    from bench.testbed import Stage

TICK_S = 0.005  # what is due since the last chunk is sent together
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
        return percentile(self.latencies, 0.99)

    def sustained(self, most_ms: float) -> bool:
        return self.valid and self.growth <= SLOPE_ALLOWED * self.rate and self.p99 < most_ms


def offer(stage: Stage, rate: int, seconds: float) -> Offered:
    """Send so many commands per second for so long, to one worker with 200 slots; raises BenchmarkError."""
    stage.empty()
    stage.tidy()
    with worker(stage.database, domain=DOMAIN, once=False) as program:
        _warm_up(stage, program)
        mark, offset = stage.mark(), _clock_offset(stage)
        start = time.time()
        ids, delays, behind_s = _send(stage, rate, int(rate * seconds), start)
        deadline = time.monotonic() + DRAIN_S
        while stage.ended(mark, DOMAIN) < len(ids):
            program.check_running()
            if time.monotonic() > deadline:
                raise BenchmarkError(f"At {rate:,} commands/s some did not end within {DRAIN_S:.0f} s after the last.")
            time.sleep(LOOK_S)
        program.stop()
    ended = {command_id: ts - offset - start for command_id, ts in stage.conn.execute(_ENDS, [mark, DOMAIN])}
    return judge(rate, ids, delays, ended, behind_s)


def _warm_up(stage: Stage, program: Program) -> None:
    """Return when the worker has performed a first command."""
    mark = stage.mark()
    send_chunk(stage.conn, DOMAIN, [NewCommand(behavior=SUCCESS)], max_attempts=MAX_ATTEMPTS)
    while not stage.ended(mark, DOMAIN):
        program.check_running()
        time.sleep(LOOK_S)


def _send(stage: Stage, rate: int, count: int, start: float) -> tuple[list[UUID], list[float], float]:
    """Send what is due, in chunks; the ids in the order of their moments, the delay of each, and the last one's."""
    ids: list[UUID] = []
    delays: list[float] = []
    while len(ids) < count:
        now = time.time() - start
        due = min(count, int(now * rate) + 1) - len(ids)
        if due <= 0:
            time.sleep(TICK_S)
            continue
        chunk = [NewCommand(behavior=SUCCESS) for _ in range(due)]
        delays += [(now - number / rate) * 1000 for number in range(len(ids), len(ids) + due)]
        ids += [command.command_id for command in chunk]
        send_chunk(stage.conn, DOMAIN, chunk, max_attempts=MAX_ATTEMPTS)
        time.sleep(max(0.0, TICK_S - (time.time() - start - now)))
    return ids, delays, time.time() - start - count / rate


def _clock_offset(stage: Stage, times: int = 50) -> float:
    """Seconds by which the server's clock is ahead of ours, by the quickest of several questions."""
    best = (float("inf"), 0.0)
    for _ in range(times):
        before = time.time()
        server = float(stage.value("SELECT extract(epoch FROM clock_timestamp())::float8"))
        after = time.time()
        best = min(best, (after - before, server - (before + after) / 2))
    return best[1]


def judge(rate: int, ids: list[UUID], delays: list[float], ended: dict[UUID, float], behind_s: float) -> Offered:
    """What came of it: the ids in the order in which they were due, and when each ended (seconds from the start)."""
    skip = min(int(WARM_UP_S * rate), len(ids) // 4)
    counted = range(skip, len(ids))
    return Offered(
        rate=rate,
        latencies=[(ended[ids[number]] - number / rate) * 1000 for number in counted],
        send_delays=delays[skip:],
        growth=slope(_backlog(rate, len(ids), sorted(ended.values()), skip / rate)),
        behind_s=behind_s,
    )


def _backlog(rate: int, count: int, ends: list[float], since: float, step: float = 0.25) -> list[tuple[float, float]]:
    """How many commands were due and had not ended, every ``step`` seconds from ``since`` on to the last one due."""
    points, ended, moment = [], 0, since
    while moment <= count / rate:
        while ended < len(ends) and ends[ended] <= moment:
            ended += 1
        points.append((moment, moment * rate - ended))
        moment += step
    return points
