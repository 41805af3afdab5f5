"""Executions in lanes: one lane for each slot that a worker needed at the same time. Pure."""

from __future__ import annotations

import heapq
from collections import defaultdict
from itertools import pairwise
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from bench.report.document import Execution


def packed(executions: Iterable[Execution]) -> list[Execution]:
    """The same, by worker and beginning, each in the lowest lane that is free, and those marked that overlap another
    of their command. One that came to no end keeps its lane, and overlaps nothing: nobody knows how long it lasted.
    """
    found = sorted(executions, key=lambda execution: (execution.worker, execution.began_s))
    by_worker: dict[str, list[Execution]] = defaultdict(list)
    by_command: dict[str, list[Execution]] = defaultdict(list)
    for execution in found:
        by_worker[execution.worker].append(execution)
        by_command[execution.command_id].append(execution)
    for of_worker in by_worker.values():
        _pack(of_worker)
    for of_command in by_command.values():
        _mark_overlaps(of_command)
    return found


def _pack(executions: Iterable[Execution]) -> None:
    free: list[int] = []
    busy: list[tuple[float, int]] = []
    lanes = 0
    for execution in executions:
        while busy and busy[0][0] <= execution.began_s:
            heapq.heappush(free, heapq.heappop(busy)[1])
        if not free:
            heapq.heappush(free, lanes)
            lanes += 1
        execution.lane = heapq.heappop(free)
        ended = float("inf") if execution.ended_s is None else execution.ended_s
        heapq.heappush(busy, (ended, execution.lane))


def _mark_overlaps(executions: list[Execution]) -> None:
    ordered = sorted(executions, key=lambda execution: execution.began_s)
    latest: Execution | None = None
    for before, execution in pairwise(ordered):
        if before.ended_s is not None and (latest is None or before.ended_s > (latest.ended_s or 0)):
            latest = before
        if latest is not None and latest.ended_s is not None and execution.began_s < latest.ended_s:
            latest.overlaps = execution.overlaps = True
