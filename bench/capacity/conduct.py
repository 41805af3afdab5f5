"""Capacity as a run: a database of its own, workers that stay warm, a search for the knee, a document.

rate, rate, … ─► trials (trial.py) ─► search (search.py) ─► limiting resource (limits.py) ─► Document.capacity
"""

from __future__ import annotations

import time
from contextlib import ExitStack, closing
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from bench.capacity.limits import Limit
from bench.capacity.search import Knee, Try, find
from bench.capacity.trial import Trials
from bench.errors import BenchError
from bench.programs import worker
from bench.report.document import Accounting, Document, Head
from bench.runs import measure, surroundings
from bench.scenarios.model import Part, Phase, RunVerdict, Scenario, Workers
from bench.testbed import LOOK_S, MAX_ATTEMPTS, SUCCESS, Testbed
from commands.bus.bulk import NewCommand, send_chunk
from commands.rules.behaviors import BehaviorType
from commands.rules.words import DOMAIN, Engine
from e2e_site.schema.own_database import own_database

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from bench.programs import MeasuredProgram

PURPOSE = "capacity"
NAME = "capacity"
MOST_RATE = 20_000
HALVINGS = 4
SLOTS = {Engine.NATIVE: 200, Engine.LIBRARY: 20}  # what each is quickest with on two processors (docs/performance.md)
WARM_WITHIN_S = 60
_UP = "SELECT count(*) FROM public.e2e_worker WHERE pid = ANY (%s) AND stopped_at IS NULL"


@dataclass(frozen=True, kw_only=True)
class Asked:
    """``p99_ms``: what may not be broken. ``seconds``: how long each rate is offered. ``first``: where it begins."""

    p99_ms: float = 50.0
    engine: Engine = Engine.NATIVE
    workers: int = 1
    seconds: float = 10.0
    trials: int = 3
    first: float = 500.0

    @property
    def command(self) -> str:
        return (
            f"manage.py bench capacity --p99 {self.p99_ms:g} --engine {self.engine.value} --workers {self.workers}"
            f" --seconds {self.seconds:g} --trials {self.trials}"
        )


def conduct(asked: Asked, said: Callable[[Try], None] = lambda _: None, *, run_id: int = 0) -> Document:
    """Find the knee; the document. Raises BenchError, OwnDatabaseError where it cannot work at all."""
    started = datetime.now(UTC)
    with ExitStack() as until_the_end:
        database = until_the_end.enter_context(own_database(PURPOSE))
        testbed = until_the_end.enter_context(closing(Testbed(database)))
        before = measure.costs(testbed.conn)
        slots = SLOTS[asked.engine]
        fleet = [
            until_the_end.enter_context(
                worker(database, domain=DOMAIN, engine=asked.engine, concurrency=slots, batch_size=slots, once=False)
            )
            for _ in range(asked.workers)
        ]
        _warm_up(testbed, fleet)
        trials = Trials(testbed=testbed, workers=fleet, most_ms=asked.p99_ms, seconds=asked.seconds, said=said)
        knee = find(trials.offer, first=asked.first, most=MOST_RATE, trials=asked.trials, halvings=HALVINGS)
        about = {
            "versions": surroundings.versions(testbed.conn),
            "environment": surroundings.environment(testbed.conn, before),
        }
    return _document(asked, knee, trials.tries, started=started, run_id=run_id, about=about)


def _warm_up(testbed: Testbed, fleet: Sequence[MeasuredProgram]) -> None:
    """Until every worker works, and what was sent to them has ended."""
    deadline = time.monotonic() + WARM_WITHIN_S

    def wait(until: Callable[[], bool], what: str) -> None:
        while not until():
            for program in fleet:
                program.check_running()
            if time.monotonic() > deadline:
                raise BenchError(f"{what} within {WARM_WITHIN_S} s.")
            time.sleep(LOOK_S)

    pids = [program.pid for program in fleet]
    wait(lambda: testbed.value(_UP, [pids]) == len(pids), "The workers were not ready")
    mark, count = testbed.mark(), 100 * len(fleet)
    send_chunk(testbed.conn, DOMAIN, [NewCommand(behavior=SUCCESS) for _ in range(count)], max_attempts=MAX_ATTEMPTS)
    wait(lambda: testbed.completed(mark) >= count, "The workers did not perform their first commands")


def _document(
    asked: Asked, knee: Knee, tries: Sequence[tuple[Try, Limit]], *, started: datetime, run_id: int,
    about: dict[str, Any],
) -> Document:  # fmt: skip
    ended = datetime.now(UTC)
    found = _limit(knee, tries)
    verdict, why = told(asked, knee, found)
    scenario = _scenario(asked, knee)
    head = Head(
        run=run_id, scenario=NAME, about=scenario.about, seed=0, engines=[asked.engine.value], verdict=verdict,
        expected_verdict=RunVerdict.PASS, why=why, unknowns=[why] if verdict is RunVerdict.UNKNOWN else [],
        started_at=started.isoformat(), ended_at=ended.isoformat(),
        seconds=round((ended - started) / timedelta(seconds=1), 1), command=asked.command,
    )  # fmt: skip
    capacity = {
        "p99_ms": asked.p99_ms,
        "seconds": asked.seconds,
        "engine": asked.engine.value,
        "workers": asked.workers,
        "slots": SLOTS[asked.engine],
        "tries": [asdict(each) for each, _ in tries],
        "knee": knee.rate,
        "at_least": knee.at_least,
        "knees": list(knee.knees),
        "spread": list(knee.spread) if knee.spread else None,
        "limit": asdict(found),
    }
    return Document(
        head=head, scenario=scenario.model_dump(mode="json", by_alias=True), **about, fleet=[], accounting=_NOTHING,
        verdicts={}, matrix=[], rules=[], expectations=[], sometimes=[], faults=[], phases=[], points=[], latency=[],
        lanes=[], stories=[], costs=[], capacity=capacity,
    )  # fmt: skip


_NOTHING = Accounting(
    attempted=0, acknowledged=0, errors=0, unknown=0, recovered=0, completed=0, failed=0, parked=0, canceled=0, stuck=0,
    lost=0, unexpected=0, duplicate_deliveries=0, duplicate_effects=0, duplicate_replies=0,
)  # fmt: skip


def told(asked: Asked, knee: Knee, found: Limit) -> tuple[RunVerdict, str]:
    """The verdict, and the result in a sentence."""
    if knee.rate is None or knee.spread is None:
        least = min(each.rate for each in knee.tries)
        if knee.limited:
            return RunVerdict.UNKNOWN, f"The sender could not even offer {least:,.0f} commands/s in time."
        return RunVerdict.FAIL, f"Not even {least:,.0f} commands/s are kept up with p99 below {asked.p99_ms:g} ms."
    low, high = knee.spread
    spread = f" ({low:,.0f} to {high:,.0f} in {len(knee.knees)} searches)" if len(knee.knees) > 1 else ""
    rate = f"{knee.rate:,.0f} commands/s{spread} are kept up with p99 below {asked.p99_ms:g} ms"
    if knee.limited:
        return RunVerdict.UNKNOWN, f"At least {rate}: the sender could not offer more, so the knee was not reached."
    if knee.at_least:
        return RunVerdict.PASS, f"At least {rate}: more was not tried."
    return RunVerdict.PASS, f"{rate}; limited by: {found.resource} ({found.why})."


def _limit(knee: Knee, tries: Sequence[tuple[Try, Limit]]) -> Limit:
    """What was used up at the lowest rate that was not kept up, of the last search that has one."""
    above = [found for each, found in tries if knee.above and each is knee.above[-1]]
    return above[0] if above else Limit(resource="not told", why="no rate was too high", shares={})


def _scenario(asked: Asked, knee: Knee) -> Scenario:
    """A run at the knee, as a scenario that can be run."""
    slots = SLOTS[asked.engine]
    rate = knee.rate or asked.first
    steady = Phase.model_validate({"phase": "steady", "for": f"{asked.seconds:g}s", "rate": rate})
    return Scenario(
        scenario=NAME,
        about=f"The highest rate that is kept up with p99 below {asked.p99_ms:g} ms.",
        workers=(Workers(count=asked.workers, engine=asked.engine, concurrency=slots, batch_size=slots),),
        load=(steady,),
        mix={BehaviorType.SUCCESS: Part(weight=1)},
    )
