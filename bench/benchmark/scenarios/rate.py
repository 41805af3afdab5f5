"""What rate can be kept up, by an open loop: commands come when they are due, not when there is room."""

from bench.benchmark.figures import percentile
from bench.benchmark.openloop import Offered, offer
from bench.benchmark.scenario import BenchmarkError, Metric, Run, scenario
from bench.benchmark.scenarios.latency import ceiling

MOST_MS = 100  # p99 from the moment a command was due
CEILING_CLIENTS = 4
LOWEST = 50  # commands/s: below that nothing is searched for
CHUNKS_PER_S = 200  # as the open loop sends: one in 5 ms


@scenario(
    "rate",
    "A given rate, open loop",
    sizes={"rate": 3_000, "seconds": 25},
    quick={"seconds": 8},
    metrics={
        "p50": Metric(label="due to COMPLETED, p50", unit="ms", digits=1),
        "p99": Metric(label="due to COMPLETED, p99", unit="ms", digits=1),
        "delay-p99": Metric(label="of that the sender's own delay, p99", unit="ms", digits=1),
        "growth": Metric(label="growth of the backlog", unit="commands/s", digits=1),
        "ceiling-p99": Metric(label="ceiling: the same statements at the same rate, p99", unit="ms", digits=1),
    },
    seconds=60,
)
def rate(run: Run) -> None:
    """One worker with 200 slots; sizes say the rate. The first 3 s are not counted."""
    wanted, seconds = run.sizes["rate"], run.sizes["seconds"]
    for _ in range(run.rounds):
        offered = offer(run.stage, wanted, seconds)
        if not offered.valid:
            raise BenchmarkError(
                f"The sender was {offered.behind_s:.1f} s late at {wanted:,}/s: not the bus was measured."
            )
        run.record("p50", percentile(offered.latencies, 0.50))
        run.record("p99", offered.p99)
        run.record("delay-p99", percentile(offered.send_delays, 0.99))
        run.record("growth", offered.growth)
        run.stage.empty()
        commands = max(1, wanted // CHUNKS_PER_S)
        times, per_second = wanted * seconds // commands, wanted / commands
        took = ceiling(run, "ceiling-p99", commands=commands, clients=CEILING_CLIENTS, rate=per_second, times=times)
        run.record("ceiling-p99", percentile(took, 0.99))


@scenario(
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
    """Rates half as high again each until one is not kept up, then between the last two. Searched for once."""
    kept, failed, rate = None, None, float(run.sizes["first"])
    halvings = run.sizes["halvings"]
    while kept is None or failed is None or halvings > 0:
        halvings -= kept is not None and failed is not None
        offered = offer(run.stage, int(rate), run.sizes["seconds"])
        run.say(_sentence(offered))
        if offered.sustained(MOST_MS):
            kept = offered
        else:
            failed = offered
        rate = 1.5 * rate if failed is None else (failed.rate + (kept.rate if kept else 0.0)) / 2
        if rate < LOWEST:
            raise BenchmarkError(f"Not even {2 * rate:,.0f} commands/s can be kept up.")
    if not failed.valid:
        run.note("rate", "the sender could not offer more")
    run.record("rate", kept.rate)
    run.record("p50", percentile(kept.latencies, 0.50))
    run.record("p99", kept.p99)


def _sentence(offered: Offered) -> str:
    kept = "kept up" if offered.sustained(MOST_MS) else "not kept up" if offered.valid else "could not be offered"
    return f"{offered.rate:,.0f}/s {kept}: p99 {offered.p99:.0f} ms, backlog {offered.growth:+,.0f}/s"
