"""Faults at program points: a worker's process ends before a handler, after it, or while its end is being written.

orders (before workers start) ─► bench.witness.Crash ─► armed at its moment by a file ─► the process ends itself
"""

from __future__ import annotations

import time
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING
from uuid import UUID

from bench.faults.inject import injects, judges
from bench.faults.looks import are_final, codes_of, value
from bench.faults.sending import send_extra
from bench.ledgers.executions import read_executions
from bench.scenarios.faults import CrashAt
from bench.witness import FINISHING, Crash
from commands.bus.bulk import NewCommand
from commands.rules.behaviors import Behavior, BehaviorType
from commands.rules.expectation import Bounds, Expectation
from commands.rules.words import DOMAIN, LEASE_EXPIRED, Status

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bench.faults.bench import Bench, Recorder
    from bench.ledgers.executions import Execution
    from bench.scenarios.plan import Plan

HITS_WITHIN_S = 20
PARKED_WITHIN_S = 90  # processes start again and again meanwhile
ALL_UP_WITHIN_S = 60
RESTART_MS = 10_000  # of a worker, and until a lone attempt has its turn: of each of a poison command's attempts

_HAS_END = """
    SELECT EXISTS (
        SELECT FROM commandbus.audit
        WHERE command_id = %s AND details_json ->> 'msg_id' = %s AND details_json ->> 'attempt' = %s
          AND event_type <> 'RECEIVED' AND details_json ->> 'reason' IS DISTINCT FROM 'LEASE_EXPIRED')
"""
_INNOCENT = """
    SELECT count(*) FROM commandbus.command
    WHERE domain = %s AND last_error_code = %s AND status = 'IN_TROUBLESHOOTING_QUEUE' AND command_id <> ALL (%s)
"""


def orders(plan: Plan, folder: Path) -> Iterator[Crash]:
    """What witnesses are told: known before any worker starts, and in force once its file is there."""
    for number, fault in enumerate(plan.scenario.faults):
        if isinstance(fault, CrashAt):
            yield Crash(
                point=fault.point, how=fault.how, seed=plan.seed, share=fault.share, armed=str(_armed(folder, number)),
                ids=tuple(map(str, poison_ids(plan, number))),
            )  # fmt: skip


def poison_ids(plan: Plan, number: int) -> list[UUID]:
    """The commands that fault number so-and-so sends, as the seed says."""
    fault = plan.scenario.faults[number]
    if not isinstance(fault, CrashAt):
        return []
    random = Random(f"{plan.seed}|poison {number}")  # noqa: S311  # it has to be repeatable, not secret
    return [UUID(int=random.getrandbits(128), version=4) for _ in range(fault.poison)]


@injects(CrashAt)
def crash_at(fault: CrashAt, bench: Bench, recorder: Recorder) -> None:
    """Armed from now on; `bench.faults.catalogue.keep_up` starts again what it ends."""
    number = bench.number_of(fault)
    armed, poison = _armed(bench.folder, number), poison_ids(bench.plan, number)
    recorder.begin()
    armed.touch()
    try:
        if poison:
            _send_poison(fault, bench, number, poison)
        bench.wait_until(lambda: bool(_hits(bench.folder, fault)), HITS_WITHIN_S, "the end of a process")
        recorder.fire(f"{fault.point} by {fault.how}")
        if fault.share and recorder.record.began_s is not None:
            over_s = recorder.record.began_s + bench.plan.scenario.seconds(fault.lasts)
            bench.wait(max(0.0, over_s - bench.now_s))
        if poison:
            with bench.connection() as conn:
                bench.wait_until(lambda: are_final(conn, poison), PARKED_WITHIN_S, "the end of what is poisoned")
    finally:
        armed.unlink()
    bench.wait_until(lambda: all(worker.is_up for worker in bench.fleet.workers), ALL_UP_WITHIN_S, "all workers")
    recorder.end()
    recorder.fire(f"{len(_hits(bench.folder, fault))} processes")


@judges(CrashAt)
def _after_crashes(fault: CrashAt, bench: Bench, recorder: Recorder) -> None:
    hits = _hits(bench.folder, fault)
    with bench.connection() as conn:
        ended = sum(bool(value(conn, _HAS_END, [hit.command_id, str(hit.msg_id), str(hit.attempt)])) for hit in hits)
    if fault.point == FINISHING:
        text = "each end that was on its way to the server counts"
        recorder.criterion(text, ended == len(hits), f"{ended} of {len(hits)}")
    else:
        recorder.criterion("no attempt that was hit has an end", ended == 0, f"{ended} of {len(hits)}")
    _judge_poison(bench, recorder, bench.number_of(fault))


def _judge_poison(bench: Bench, recorder: Recorder, number: int) -> None:
    poison = poison_ids(bench.plan, number)
    if not poison:
        return
    most = bench.plan.scenario.bus.max_attempts
    with bench.connection() as conn:
        found = codes_of(conn, poison)
        others = value(conn, _INNOCENT, [DOMAIN, LEASE_EXPIRED, _all_poison(bench.plan)])
    parked = [one for one in found.values() if one == (Status.IN_TROUBLESHOOTING_QUEUE, LEASE_EXPIRED, most)]
    recorder.criterion(
        f"what ends its process each time is parked after its {most} deliveries",
        len(parked) == len(poison),
        f"{len(parked)} of {len(poison)}",
    )
    if not any(isinstance(one, CrashAt) and one.share for one in bench.plan.scenario.faults):
        recorder.criterion("no other command was parked for a lost attempt", others == 0, f"{others} parked")


def _send_poison(fault: CrashAt, bench: Bench, number: int, ids: list[UUID]) -> None:
    bus = bench.plan.scenario.bus
    most, lease_ms = bus.max_attempts, bus.visibility_timeout * 1000
    expected = Expectation(
        statuses=frozenset({Status.IN_TROUBLESHOOTING_QUEUE}),
        attempts=Bounds(least=most, most=most),
        retries=Bounds(least=0, most=0),
        pattern=f"S{'R' * most}T",
        late_completed=Bounds(least=0, most=0),
        late_failed=Bounds(least=0, most=0),
        replies=Bounds(least=0, most=0),
        reply=None,
        ends_ms=Bounds(least=most * lease_ms, most=most * (lease_ms + RESTART_MS)),
    )
    behavior = Behavior(type=BehaviorType.SUCCESS)
    commands = [NewCommand(behavior=behavior, payload={"sent": time.time()}, command_id=one) for one in ids]
    send_extra(bench, f"crash_at/{fault.point}/{number}", commands, expected)


def _all_poison(plan: Plan) -> list[UUID]:
    return [one for number in range(len(plan.scenario.faults)) for one in poison_ids(plan, number)]


def _armed(folder: Path, number: int) -> Path:
    return folder / f"armed-{number}"


def _hits(folder: Path, fault: CrashAt) -> list[Execution]:
    """The executions in which a process was ended so, by the ledgers of those processes."""
    told = Crash.told(fault.point, fault.how)
    return [execution for execution in read_executions(folder) if execution.crashed == told]
