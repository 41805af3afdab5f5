"""What rate can be kept up, by an open loop: commands come when they are due, not when there is room."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import LiteralString

from bench.benchmark.case import Metric, Run, case
from bench.benchmark.cases.drain import CEILING, CONNECTIONS
from bench.benchmark.cases.latency import SEND, variables
from bench.benchmark.offer import Offered, offer
from bench.errors import BenchError
from bench.figures import percentile

MOST_MS = 100  # p99 from the moment a command was due
LOWEST = 50  # commands/s: below that nothing is searched for
CHUNKS_PER_S = 200  # as the open loop sends: one in 5 ms
DRAINS_PER_S = 400  # how often the ceiling looks for commands, on both connections together
_TOOK: LiteralString = """
    SELECT extract(epoch FROM ended - sent)::float8 * 1000 FROM (
        SELECT min(ts) AS sent, coalesce(max(ts) FILTER (WHERE event_type = 'COMPLETED'), clock_timestamp()) AS ended
        FROM commandbus.audit GROUP BY command_id) AS commands
"""


@case(
    "rate",
    "A given rate, open loop",
    sizes={"rate": 3_000, "seconds": 25},
    quick={"seconds": 8},
    metrics={
        "p50": Metric(label="due to COMPLETED, p50", unit="ms", digits=1),
        "p99": Metric(label="due to COMPLETED, p99", unit="ms", digits=1),
        "delay-p99": Metric(label="of that the sender's own delay, p99", unit="ms", digits=1),
        "growth": Metric(label="growth of the backlog", unit="commands/s", digits=1),
        "ceiling-p99": Metric(label="ceiling: SENT to COMPLETED at the same rate, p99", unit="ms", digits=1),
    },
    seconds=60,
)
def rate(run: Run) -> None:
    """One worker with 200 slots; sizes say the rate. The first 3 s are not counted."""
    wanted, seconds = run.sizes["rate"], run.sizes["seconds"]
    for _ in range(run.rounds):
        offered = offer(run.testbed, wanted, seconds)
        if not offered.valid:
            raise BenchError(f"The sender was {offered.behind_s:.1f} s late at {wanted:,}/s: not the bus was measured.")
        run.record("p50", percentile(offered.latencies, 50))
        run.record("p99", offered.p99)
        run.record("delay-p99", percentile(offered.send_delays, 99))
        run.record("growth", offered.growth)
        with run.processors("ceiling-p99"):
            run.record("ceiling-p99", percentile(_ceiling(run, wanted, seconds), 99))


def _ceiling(run: Run, rate: int, seconds: int) -> list[float]:
    """Milliseconds from SENT to COMPLETED where one script sends at that rate and another drains, without a worker."""
    testbed, chunk = run.testbed, max(1, rate // CHUNKS_PER_S)
    testbed.empty()
    testbed.tidy()
    todo = (  # who drains goes on a little longer
        ([SEND], 1, rate / chunk, seconds),
        (CEILING, CONNECTIONS, DRAINS_PER_S, seconds + 2),
    )
    with ThreadPoolExecutor(len(todo)) as pool:
        doing = [
            pool.submit(
                run.ceiling.timings,
                testbed.database,
                steps,
                variables(chunk),
                clients=clients,
                rate=per_second,
                times=int(per_second * lasts),
            )
            for steps, clients, per_second, lasts in todo
        ]
    for done in doing:
        done.result()
    return [took for (took,) in testbed.conn.execute(_TOOK)]


@case(
    "sustainable",
    "The highest rate that can be kept up",
    sizes={"first": 4_000, "seconds": 12, "halvings": 3},
    quick={"first": 3_000, "seconds": 5, "halvings": 1},
    metrics={
        "rate": Metric(label="highest rate without a growing backlog and with p99 below 100 ms", unit="commands/s"),
        "p50": Metric(label="there: due to COMPLETED, p50", unit="ms", digits=1),
        "p99": Metric(label="there: due to COMPLETED, p99", unit="ms", digits=1),
    },
    seconds=0,
    once_s=130,
)
def sustainable(run: Run) -> None:
    """Searched for once."""

    def offered_at(rate: int) -> Offered:
        offered = offer(run.testbed, rate, run.sizes["seconds"])
        run.say(_sentence(offered))
        return offered

    kept, failed = search(offered_at, first=run.sizes["first"], halvings=run.sizes["halvings"])
    if not failed.valid:
        run.note("rate", "The sender could not offer more")
    run.record("rate", kept.rate)
    run.record("p50", percentile(kept.latencies, 50))
    run.record("p99", kept.p99)


def search(offered_at: Callable[[int], Offered], *, first: int, halvings: int) -> tuple[Offered, Offered]:
    """The highest rate that was kept up, and the lowest that was not.

    Rates half as high again each until one is not kept up (or half as high until one is), then so often the rate in
    the middle between the last two. Raises BenchError where nothing is kept up.
    """
    kept, failed, rate = None, None, float(first)
    while kept is None or failed is None or halvings > 0:
        halvings -= kept is not None and failed is not None
        offered = offered_at(int(rate))
        if offered.sustained(MOST_MS):
            kept = offered
        else:
            failed = offered
        rate = 1.5 * rate if failed is None else (failed.rate + (kept.rate if kept else 0.0)) / 2
        if rate < LOWEST:
            raise BenchError(f"Not even {2 * rate:,.0f} commands/s can be kept up.")
    return kept, failed


def _sentence(offered: Offered) -> str:
    kept = "kept up" if offered.sustained(MOST_MS) else "not kept up" if offered.valid else "could not be offered"
    return f"{offered.rate:,.0f}/s {kept}: p99 {offered.p99:.0f} ms, backlog {offered.growth:+,.0f}/s"
