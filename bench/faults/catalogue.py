"""Every module that injects faults, imported so that its functions are in the table of `bench.faults.inject`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bench.faults import neighbors, network, operators, processes, senders, servers
from bench.scenarios.faults import CrashAt

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from bench.faults.bench import Bench
    from bench.scenarios.plan import Plan

__all__ = ["crash_orders", "keep_up", "neighbors", "network", "operators", "processes", "senders", "servers"]


def crash_orders(plan: Plan, folder: Path) -> Iterator[dict[str, Any]]:
    """What each witness is told of program points (`bench.witness.Crash`): known before any worker starts."""
    yield from ()


def keep_up(bench: Bench) -> None:
    """Called ten times a second: start again the workers that a program point has ended."""
    if any(isinstance(fault, CrashAt) for fault in bench.plan.scenario.faults):
        bench.fleet.revive()
