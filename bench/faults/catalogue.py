"""Every module that injects faults, imported so that its functions are in the table of `bench.faults.inject`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bench.faults import (
    connections,
    messages,
    neighbors,
    network,
    odd,
    operators,
    points,
    processes,
    rows,
    senders,
    servers,
)
from bench.scenarios.faults import CrashAt, OddText

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from bench.faults.bench import Bench
    from bench.scenarios.model import Workers
    from bench.scenarios.plan import Plan

__all__ = [
    "connections", "crash_orders", "keep_up", "messages", "neighbors", "network", "odd", "operators", "points",
    "processes", "rows", "senders", "servers", "with_handlers",
]  # fmt: skip


def crash_orders(plan: Plan, folder: Path) -> Iterator[dict[str, Any]]:
    """What each witness is told of program points (`bench.witness.Crash`): known before any worker starts."""
    return map(vars, points.orders(plan, folder))


def with_handlers(plan: Plan, workers: Workers) -> Workers:
    """The workers of a scenario, with the handlers that a fault of it needs; those that have handlers keep them."""
    if workers.handlers or not any(isinstance(fault, OddText) for fault in plan.scenario.faults):
        return workers
    return workers.model_copy(update={"handlers": odd.MODULE})


def keep_up(bench: Bench) -> None:
    """Called ten times a second: start again the workers that a program point has ended."""
    if any(isinstance(fault, CrashAt) for fault in bench.plan.scenario.faults):
        bench.fleet.revive()
