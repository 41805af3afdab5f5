"""What the ledger of a run's handlers costs: a drain with and without it."""

import resource
from pathlib import Path
from tempfile import TemporaryDirectory

from bench.benchmark.case import Metric, Run, case
from bench.errors import BenchError
from bench.ledgers.executions import read_executions
from bench.witness import Orders

AROUND = "bench.witness"


@case(
    "ledger",
    "What the ledger of a run costs",
    sizes={"commands": 80_000},
    quick={"commands": 10_000},
    metrics={
        "without": Metric(label="drain, handlers alone", unit="commands/s"),
        "with": Metric(label="drain, each execution witnessed", unit="commands/s"),
        "processor": Metric(label="of the worker's processor, for each command", unit="µs", digits=1),
        "processor-with": Metric(label="the same, witnessed", unit="µs", digits=1),
    },
    seconds=25,
)
def ledger(run: Run) -> None:
    """In turns, every second pair the other way round: `bench.witness` round each handler, as in every run.

    Two pairs a round: the cost is smaller than what a shared machine changes from drain to drain. The processor's time
    is that of the whole worker, its start included; it shows the cost on a busy machine too.
    """
    for _ in range(run.rounds):
        for witnessed in (False, True, True, False):
            before = _children_s()
            run.record("with" if witnessed else "without", _witnessed(run) if witnessed else _alone(run))
            spent_us = (_children_s() - before) / run.sizes["commands"] * 1e6
            run.record("processor-with" if witnessed else "processor", spent_us)


def _alone(run: Run) -> float:
    count = run.sizes["commands"]
    return run.testbed.drain(count, since=run.testbed.fresh(count)).rate


def _witnessed(run: Run) -> float:
    """BenchError where the ledger does not have each execution with its end."""
    count = run.sizes["commands"]
    since = run.testbed.fresh(count)
    with TemporaryDirectory(prefix="ledger-") as folder:
        environment = Orders(folder=folder, worker="w1").environment()
        drained = run.testbed.drain(count, since=since, around=AROUND, environment=environment)
        written = sum(execution.ended is not None for execution in read_executions(Path(folder)))
    if written != count:
        raise BenchError(f"The ledger has {written:,} of {count:,} executions.")
    return drained.rate


def _children_s() -> float:
    """Processor time of the programs that we started and that have ended."""
    spent = resource.getrusage(resource.RUSAGE_CHILDREN)
    return spent.ru_utime + spent.ru_stime
