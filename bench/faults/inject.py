"""The table of faults: which function injects which, and in which thread.

A module of `bench.faults` registers its functions by `injects`; `bench.faults.catalogue` imports all of them.
"""

from __future__ import annotations

import time
from threading import Event, Thread
from typing import TYPE_CHECKING, Any

from bench.faults.bench import FaultError, Recorder, StoppedError
from bench.report.document import FaultRecord
from e2e_site.texts import one_line

if TYPE_CHECKING:
    from collections.abc import Callable

    from bench.faults.bench import Bench
    from bench.scenarios.faults import AnyFault

    Injector = Callable[[Any, Bench, Recorder], None]
    # What a fault looks at when all has drained: called with the run's database still there and the workers stopped.
    Judge = Callable[[Any, Bench, Recorder], None]

INJECTORS: dict[str, Injector] = {}
JUDGES: dict[str, Judge] = {}


def injects(kind: type[AnyFault]) -> Callable[[Injector], Injector]:
    """``@injects(KillWorker)`` before a function: it does that fault, from its beginning to its end."""

    def register(function: Injector) -> Injector:
        INJECTORS[_word(kind)] = function
        return function

    return register


def judges(kind: type[AnyFault]) -> Callable[[Judge], Judge]:
    """``@judges(KillWorker)``: it looks, after the drain, whether the criteria of that fault hold."""

    def register(function: Judge) -> Judge:
        JUDGES[_word(kind)] = function
        return function

    return register


def _word(kind: type[AnyFault]) -> str:
    literal: str = kind.model_fields["do"].annotation.__args__[0]  # type: ignore[union-attr]
    return literal


def record_of(fault: AnyFault, planned_s: float) -> FaultRecord:
    """Its record before it began. The docstring of its class begins so: ``F1: SIGKILL …``, in one paragraph."""
    text = " ".join((type(fault).__doc__ or "").partition("\n\n")[0].split())
    number, colon, said = text.partition(":")
    known = bool(colon) and number.split(" ")[0].startswith("F")
    return FaultRecord(
        do=fault.do, id=number.split(" ")[0] if known else fault.do, text=said.strip() if known else text,
        planned_s=planned_s, began_s=None, ended_s=None, fired=None,
    )  # fmt: skip


class Injections:
    """All faults of a run, each in a thread that waits for its moment.

    A thread stays until it is released: the system ends the workers that it has started with it.
    """

    def __init__(self, bench: Bench) -> None:
        self._bench = bench
        scenario = bench.plan.scenario
        self.records = [record_of(fault, scenario.moment_s(fault.at)) for fault in scenario.faults]
        self._over = 0
        self._released = Event()
        self._threads = [
            Thread(target=self._live, args=(fault, record), name=fault.do, daemon=True)
            for fault, record in zip(scenario.faults, self.records, strict=True)
        ]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    @property
    def are_over(self) -> bool:
        return self._over == len(self._threads)

    def wait(self, seconds: float) -> None:
        """Until all are over, at most so long."""
        deadline = time.monotonic() + seconds
        while not self.are_over and time.monotonic() < deadline:
            time.sleep(0.02)

    def release(self) -> None:
        """Once no worker is left."""
        self._released.set()

    def judge(self) -> None:
        """After the drain."""
        for fault, record in zip(self._bench.plan.scenario.faults, self.records, strict=True):
            if record.fired and (judge := JUDGES.get(fault.do)):
                _safely(judge, fault, self._bench, record)

    def _live(self, fault: AnyFault, record: FaultRecord) -> None:
        self._inject(fault, record)
        with self._bench.lock:
            self._over += 1
        self._released.wait()

    def _inject(self, fault: AnyFault, record: FaultRecord) -> None:
        if self._bench.stop.wait(max(0.0, record.planned_s - self._bench.now_s)):
            return
        _safely(INJECTORS[fault.do], fault, self._bench, record)
        if record.began_s is not None and record.ended_s is None:
            record.ended_s = round(self._bench.now_s, 3)


def _safely(what: Injector, fault: AnyFault, bench: Bench, record: FaultRecord) -> None:
    """Whatever goes wrong with a fault is said in its record."""
    recorder = Recorder(record, bench)
    try:
        what(fault, bench, recorder)
    except StoppedError:
        record.detail = f"{record.detail} (stopped with the run)".strip()
    except FaultError as exc:
        record.fired = bool(record.fired)
        record.detail = str(exc)
    except Exception as exc:  # noqa: BLE001  # a fault that breaks is a run that is UNKNOWN, no traceback
        record.fired = None
        record.detail = f"{type(exc).__name__}: {one_line(exc)}"
