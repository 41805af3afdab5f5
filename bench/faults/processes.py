"""Faults of worker processes: killed, stopped, frozen."""

from __future__ import annotations

import signal
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import psutil

from bench.faults.bench import FaultError
from bench.faults.inject import injects, judges
from bench.faults.looks import held, open_attempts, server_now, value, worker_id
from bench.scenarios.faults import FreezeWorker, KillWorker, StopWorker

if TYPE_CHECKING:
    from datetime import datetime
    from random import Random
    from uuid import UUID

    import psycopg

    from bench.faults.bench import Bench, Recorder
    from bench.fleet import FleetWorker

CAUGHT_WITHIN_S = 20
STOPS_WITHIN_S = 5
READY_WITHIN_S = 60
SLACK_S = 1.0  # for a worker with a free slot to begin what may begin, on a machine that starts a program meanwhile
LONGEST_REST_S = 0.5  # between two blows, as the seed says
GOES_ON_WITHIN_S = 10

# Commands that were performed to their end more than once, of which a process performed one.
_TWICE = """
    SELECT count(*) FROM (
        SELECT command_id FROM public.bench_execution WHERE outcome = 'ok' GROUP BY command_id
        HAVING count(*) > 1 AND bool_or(worker = ANY (%s))) twice
"""


@dataclass(frozen=True, kw_only=True)
class _Hit:
    """A process that was hit, and from when on its commands could begin elsewhere."""

    worker: UUID | None
    process: str
    since: datetime
    until: datetime | None = None  # when it went on


@injects(KillWorker)
def kill_worker(fault: KillWorker, bench: Bench, recorder: Recorder) -> None:
    """SIGKILL while it has enough in flight, as often as asked."""
    random = bench.random(f"kill_worker {bench.number_of(fault)}")
    with bench.connection() as conn:
        for _ in range(fault.times):
            worker = _worker(bench, fault.which, random)
            identity, found = _caught(bench, conn, worker, fault.in_flight)
            recorder.begin()
            worker.kill()
            if worker.program is None or worker.program.exit_code != -signal.SIGKILL:
                raise FaultError(f"{worker.process} did not die of SIGKILL")
            recorder.fire(f"killed {worker.process} with {found} attempts open")
            hit = _Hit(worker=identity, process=worker.process, since=server_now(conn))
            alone = not any(other.is_up for other in bench.fleet.workers)
            bench.wait(bench.plan.scenario.seconds(fault.restart))
            _start_again(bench, conn, worker)
            since = server_now(conn) if alone else hit.since
            recorder.note(_Hit(worker=hit.worker, process=hit.process, since=since))
            bench.wait(random.uniform(0, LONGEST_REST_S))
    recorder.end()


@judges(KillWorker)
def _after_kills(fault: KillWorker, bench: Bench, recorder: Recorder) -> None:
    with bench.connection() as conn:
        found = [one for hit in recorder.notes for one in held(conn, hit.worker, hit.process, since=hit.since)]
        _begun_again(bench, recorder, found)
        twice = int(value(conn, _TWICE, [[hit.process for hit in recorder.notes]]))
    recorder.criterion(
        "no more commands were performed twice than the killed held", twice <= len(found), f"{twice} of {len(found)}"
    )


@injects(StopWorker)
def stop_worker(fault: StopWorker, bench: Bench, recorder: Recorder) -> None:
    """SIGTERM while it has enough in flight, as often as asked."""
    random = bench.random(f"stop_worker {bench.number_of(fault)}")
    codes = []
    with bench.connection() as conn:
        for _ in range(fault.times):
            worker = _worker(bench, fault.which, random)
            identity, found = _caught(bench, conn, worker, fault.in_flight)
            recorder.begin()
            codes.append(worker.stop())
            recorder.fire(f"stopped {worker.process} with {found} attempts open")
            recorder.note(_Hit(worker=identity, process=worker.process, since=server_now(conn)))
            bench.wait(bench.plan.scenario.seconds(fault.restart))
            _start_again(bench, conn, worker)
            bench.wait(random.uniform(0, LONGEST_REST_S))
    recorder.end()
    ended = ", ".join("not in time" if code is None else str(code) for code in codes)
    recorder.criterion("each ended with code 0 within its grace", not any(code != 0 for code in codes), ended)


@judges(StopWorker)
def _after_stops(fault: StopWorker, bench: Bench, recorder: Recorder) -> None:
    with bench.connection() as conn:
        lost = sum(len(held(conn, hit.worker, hit.process, since=hit.since)) for hit in recorder.notes)
    recorder.criterion("no attempt of a stopped worker was lost", lost == 0, f"{lost} lost")


@injects(FreezeWorker)
def freeze_worker(fault: FreezeWorker, bench: Bench, recorder: Recorder) -> None:
    """It stands still for longer than a lease, while another goes on."""
    seconds = bench.plan.scenario.seconds(fault.lasts)
    if seconds <= bench.lease_s:
        raise FaultError(f"it has to last longer than a lease, {bench.lease_s:g} s, not {seconds:g} s")
    worker = _worker(bench, fault.which, bench.random(f"freeze_worker {bench.number_of(fault)}"))
    if not any(other.is_up for other in bench.fleet.workers if other is not worker):
        raise FaultError("it needs another worker, that goes on")
    with bench.connection() as conn:
        identity, found = _caught(bench, conn, worker, fault.in_flight)
        try:
            recorder.begin()
            since = server_now(conn)
            bench.wait(seconds)
            stood = _stands_still(worker)
            goes_on_at = server_now(conn)
        finally:
            worker.signal(signal.SIGCONT)
        if not stood:
            raise FaultError(f"{worker.process} did not stand still")
        recorder.fire(f"{worker.process} stood still for {seconds:g} s with {found} attempts open")
        recorder.end()
        recorder.note(_Hit(worker=identity, process=worker.process, since=since, until=goes_on_at))
        beat = "SELECT beat_at > %s FROM public.e2e_worker WHERE worker_id = %s"
        try:
            bench.wait_until(lambda: bool(value(conn, beat, [goes_on_at, identity])), GOES_ON_WITHIN_S, "its beat")
        except FaultError as exc:
            recorder.criterion("it goes on afterwards", held=False, seen=str(exc))
        else:
            recorder.criterion("it goes on afterwards", held=True, seen=f"{worker.process} beats")


@judges(FreezeWorker)
def _after_frost(fault: FreezeWorker, bench: Bench, recorder: Recorder) -> None:
    with bench.connection() as conn:
        for hit in recorder.notes:
            _begun_again(bench, recorder, held(conn, hit.worker, hit.process, since=hit.since, moment=hit.until))


def _begun_again(bench: Bench, recorder: Recorder, found: list[tuple[UUID, float | None]]) -> None:
    """Each command that a process held began again, or was parked for it, once its lease was over.

    Not asked where other faults may have kept the other workers from it.
    """
    faults = bench.plan.scenario.faults
    if sum(fault.loses_attempts or fault.overruns for fault in faults) > 1:
        return
    within = bench.lease_s + SLACK_S
    late = [str(command_id) for command_id, after in found if after is None or after > within]
    longest = max((after for _, after in found if after is not None), default=0.0)
    recorder.criterion(
        f"each command in flight there began again within its lease and {SLACK_S:g} s ({within:g} s)",
        not late,
        f"{len(found)} in flight, the last after {longest:.2f} s"
        + (f", {len(late)} later or never: {', '.join(late[:3])}" if late else ""),
    )


def _caught(bench: Bench, conn: psycopg.Connection[Any], worker: FleetWorker, least: int) -> tuple[UUID | None, int]:
    """Stop a worker (SIGSTOP) that has so many attempts open; who it is and how many. It stands still then."""
    bench.wait_until(lambda: worker_id(conn, worker.pid) is not None, READY_WITHIN_S, f"the row of {worker.process}")
    identity = worker_id(conn, worker.pid)
    found = 0

    def caught() -> bool:
        nonlocal found
        worker.signal(signal.SIGSTOP)
        bench.wait_until(lambda: _stands_still(worker), STOPS_WITHIN_S, f"the standstill of {worker.process}")
        found = open_attempts(conn, identity)
        if found < least:
            worker.signal(signal.SIGCONT)
        return found >= least

    try:
        bench.wait_until(caught, CAUGHT_WITHIN_S, f"{least} attempts in flight in {worker.process}")
    except BaseException:
        worker.signal(signal.SIGCONT)
        raise
    return identity, found


def _stands_still(worker: FleetWorker) -> bool:
    try:
        return bool(psutil.Process(worker.pid).status() == psutil.STATUS_STOPPED)
    except psutil.NoSuchProcess:
        return False


def _start_again(bench: Bench, conn: psycopg.Connection[Any], worker: FleetWorker) -> None:
    """Return when it works."""
    worker.start()
    bench.wait_until(lambda: worker_id(conn, worker.pid) is not None, READY_WITHIN_S, f"the start of {worker.process}")


def _worker(bench: Bench, which: int | None, random: Random) -> FleetWorker:
    """That in this place, or one as the seed says."""
    workers = bench.fleet.workers
    if not workers:
        raise FaultError("there is no worker")
    return random.choice(workers) if which is None else workers[which % len(workers)]
