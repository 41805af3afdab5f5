"""What the ledger of a run's handlers costs: a drain with and without it."""

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
    },
    seconds=25,
)
def ledger(run: Run) -> None:
    """In turns, every second round the other way round: `bench.witness` round each handler, as in every run."""
    for number in range(run.rounds):
        for witnessed in (True, False) if number % 2 else (False, True):
            run.record("with" if witnessed else "without", _witnessed(run) if witnessed else _alone(run))


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
