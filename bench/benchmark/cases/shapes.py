"""Other shapes of work: more processes, commands that take time, failures and retries."""

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from itertools import cycle, islice
from typing import LiteralString

import psycopg
from psycopg import sql

from bench.benchmark.case import Metric, Run, case
from bench.programs import worker
from bench.testbed import LOOK_S, Testbed, waiting_table
from commands.rules.behaviors import Behavior, BehaviorType
from commands.rules.words import DOMAIN

SLOTS = 200
PROCESSES = (1, 2, 4)
TIMES_MS = (0, 10, 200)
_RATE = "commands/s"
# Six of ten succeed at once, two at their second or third attempt, one is parked at once, one after three attempts.
MIX = (
    *(Behavior(type=BehaviorType.SUCCESS) for _ in range(6)),
    *(Behavior(type=BehaviorType.FAIL_TRANSIENT_THEN_SUCCEED, transient_failures=n) for n in (1, 2)),
    Behavior(type=BehaviorType.FAIL_PERMANENT),
    Behavior(type=BehaviorType.FAIL_TRANSIENT),
)
_ASKING: LiteralString = "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = %s::regclass"


@case(
    "processes",
    "Several processes",
    sizes={"commands": 60_000},
    quick={"commands": 10_000},
    metrics={f"{n}": Metric(label=f"{n} worker process{'es' if n > 1 else ''}", unit=_RATE) for n in PROCESSES},
    seconds=23,
)
def processes(run: Run) -> None:
    """Each process with 200 slots. They start together: the queue is locked until all of them ask for it."""
    count = run.sizes["commands"]
    for _ in range(run.rounds):
        for number in PROCESSES:
            since = run.testbed.fresh(count)
            _drain_together(run.testbed, number)
            run.record(f"{number}", run.testbed.drained(since, expected=count).rate)


def _drain_together(testbed: Testbed, number: int) -> None:
    queue = waiting_table(DOMAIN)
    with ExitStack() as stack:
        with psycopg.connect(**testbed.database.params) as holder:
            holder.execute(sql.SQL("LOCK TABLE {}").format(queue))
            programs = [stack.enter_context(worker(testbed.database, domain=DOMAIN)) for _ in range(number)]
            while testbed.value(_ASKING, [queue.as_string(None)]) < number:
                for program in programs:
                    program.check_running()
                time.sleep(LOOK_S)
        for program in programs:
            program.wait()


@case(
    "times",
    "Commands that take time",
    sizes={"ms-0": 40_000, "ms-10": 40_000, "ms-200": 16_000},
    quick={"ms-0": 10_000, "ms-10": 10_000, "ms-200": 3_000},
    metrics={
        **{f"ms-{ms}": Metric(label=f"{ms} ms each", unit=_RATE) for ms in TIMES_MS},
        "share-200": Metric(label="200 ms each: share of what 200 slots can do", unit="", digits=3),
    },
    seconds=27,
)
def times(run: Run) -> None:
    """One process with 200 slots: 200 ms each allow it 1,000 commands/s, 10 ms each 20,000."""
    for _ in range(run.rounds):
        for ms in TIMES_MS:
            count = run.sizes[f"ms-{ms}"]
            behavior = Behavior(type=BehaviorType.SUCCESS, execution_time_ms=ms)
            since = run.testbed.fresh(count, behaviors=[behavior] * count)
            rate = run.record(f"ms-{ms}", run.testbed.drain(count, since=since).rate)
            if ms == TIMES_MS[-1]:
                run.record(f"share-{ms}", rate / (SLOTS * 1000 / ms))


@case(
    "mix",
    "Failures and retries",
    sizes={"commands": 20_000},
    quick={"commands": 4_000},
    metrics={
        "commands": Metric(label="commands brought to their end", unit=_RATE),
        "attempts": Metric(label="attempts", unit="attempts/s"),
    },
    seconds=4,
)
def mix(run: Run) -> None:
    """Of ten commands eight succeed, two of these after retries, and two are parked; first retry after 20 ms."""
    count = run.sizes["commands"]
    for _ in range(run.rounds):
        since = run.testbed.fresh(count, behaviors=islice(cycle(MIX), count))
        with short_backoff(run.testbed):
            drained = run.testbed.drain(count, since=since)
        attempts = run.testbed.value("SELECT sum(attempts) FROM public.test_command")
        run.record("commands", drained.rate)
        run.record("attempts", attempts / drained.seconds)


@contextmanager
def short_backoff(testbed: Testbed) -> Iterator[None]:
    """Meanwhile a first retry comes after 20 ms, and none after more than 100."""
    row = testbed.conn.execute("SELECT base_delay_ms, max_delay_ms FROM public.e2e_config").fetchone()
    change: LiteralString = "UPDATE public.e2e_config SET base_delay_ms = %s, max_delay_ms = %s"
    testbed.conn.execute(change, [20, 100])
    try:
        yield
    finally:
        testbed.conn.execute(change, row)
