"""A fault of handlers: they end in odd ways, with text that nothing can store or that would forge a log line."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID

from bench.faults import handlers
from bench.faults.bench import FaultError
from bench.faults.inject import injects, judges
from bench.faults.looks import codes_of
from bench.faults.sending import send_extra
from bench.scenarios.faults import OddText
from commands.bus.bulk import NewCommand
from commands.rules.behaviors import Behavior, BehaviorType
from commands.rules.expectation import expectation

if TYPE_CHECKING:
    from bench.faults.bench import Bench, Recorder

MODULE = handlers.__name__
# How a handler ends, the behavior that ends so, and the code of its command.
WAYS = {
    "exit": (BehaviorType.FAIL_TRANSIENT, "SystemExit"),
    "interrupt": (BehaviorType.FAIL_TRANSIENT, "KeyboardInterrupt"),
    "close": (BehaviorType.FAIL_TRANSIENT, "GeneratorExit"),
    "cancel": (BehaviorType.FAIL_TRANSIENT, "CancelledError"),
    "error": (BehaviorType.FAIL_TRANSIENT, "ValueError"),
    "for now": (BehaviorType.FAIL_TRANSIENT, handlers.STORED),
    "for good": (BehaviorType.FAIL_PERMANENT, handlers.STORED),
    "by rule": (BehaviorType.BUSINESS_RULE, handlers.STORED),
    "answer": (BehaviorType.SUCCESS, ""),
}


@injects(OddText)
def odd_text(fault: OddText, bench: Bench, recorder: Recorder) -> None:
    """Send commands for each way, some of each."""
    if any(worker.of.handlers != MODULE for worker in bench.fleet.workers):
        raise FaultError(f"its handlers are {MODULE}, and a worker has others")
    random = bench.random(f"odd_text {bench.number_of(fault)}")
    recorder.begin()
    for how, (behavior, _) in WAYS.items():
        ids = [UUID(int=random.getrandbits(128), version=4) for _ in range(fault.count)]
        own = Behavior(type=BehaviorType.SUCCESS)
        commands = [NewCommand(behavior=own, payload={"how": how}, command_id=one) for one in ids]
        expected = expectation(bench.plan.circumstances(Behavior(type=behavior), reply=True))
        kind = f"odd_text/{how.replace(' ', '_')}"
        send_extra(bench, kind, commands, expected, command_type=handlers.COMMAND_TYPE, reply=True)
        recorder.note((how, ids))
        bench.wait(random.uniform(0, 0.1))
    recorder.fire(f"{len(WAYS)} ways, {fault.count} commands of each")
    recorder.end()


@judges(OddText)
def _after_text(fault: OddText, bench: Bench, recorder: Recorder) -> None:
    wrong = []
    with bench.connection() as conn:
        for how, ids in recorder.notes:
            found = codes_of(conn, ids)
            if {code for _, code, _ in found.values()} != {WAYS[how][1]}:
                wrong.append(how)
    recorder.criterion(
        "each has the code of its handler, as far as it can be stored", not wrong, ", ".join(wrong) or "all have"
    )
    forged = [
        line
        for worker in bench.fleet.workers
        if worker.program is not None
        for line in worker.program.output.splitlines()
        if line.startswith(handlers.FORGED)
    ]
    recorder.criterion("no line of a log begins with what a handler said", not forged, f"{len(forged)} lines")
