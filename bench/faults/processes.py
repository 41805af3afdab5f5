"""Faults of worker processes: killed, stopped, frozen."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from bench.faults.inject import injects
from bench.scenarios.faults import KillWorker

if TYPE_CHECKING:
    import psycopg

    from bench.faults.bench import Bench, Recorder
    from bench.fleet import FleetWorker

CAUGHT_WITHIN_S = 20


@injects(KillWorker)
def kill_worker(fault: KillWorker, bench: Bench, recorder: Recorder) -> None:
    """SIGKILL while it has enough in flight, as often as asked."""
    for _ in range(fault.times):
        worker = _worker(bench, fault.which)
        with bench.connection() as conn:
            enough = partial(_has_in_flight, bench, conn, fault.in_flight)
            bench.wait_until(enough, CAUGHT_WITHIN_S, f"{fault.in_flight} in flight")
            recorder.begin()
            worker.kill()
            recorder.fire(f"killed {worker.name}.{worker.starts} with {bench.in_flight(conn)} in flight")
        bench.wait(bench.plan.scenario.seconds(fault.restart))
        worker.start()


def _has_in_flight(bench: Bench, conn: psycopg.Connection[Any], least: int) -> bool:
    return bench.in_flight(conn) >= least


def _worker(bench: Bench, place: int) -> FleetWorker:
    return bench.fleet.workers[place % len(bench.fleet.workers)]
