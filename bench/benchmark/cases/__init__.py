"""The cases, one module a subject, and the table of all of them in the order in which they run."""

from collections.abc import Sequence

from bench.benchmark.case import Case
from bench.benchmark.cases import (
    api,
    console,
    costs,
    drain,
    growth,
    latency,
    ledger,
    observer,
    rate,
    send,
    shapes,
    snapshot,
)
from bench.errors import WrongCallError

CASES = {
    one.name: one
    for one in (
        drain.drain,
        drain.defaults,
        send.send,
        send.million,
        latency.latency,
        rate.rate,
        rate.sustainable,
        growth.growth,
        growth.delayed,
        snapshot.snapshot,
        shapes.processes,
        shapes.times,
        shapes.mix,
        costs.costs,
        console.console,
        api.api,
        observer.observer,
        ledger.ledger,
    )
}


def chosen(names: Sequence[str]) -> list[Case]:
    """The cases of these names, in the order of the table; all without a name. Raises WrongCallError."""
    if unknown := [name for name in names if name not in CASES]:
        raise WrongCallError(f"There is no case {', '.join(unknown)}; there are {', '.join(CASES)}.")
    return [one for name, one in CASES.items() if not names or name in names]
