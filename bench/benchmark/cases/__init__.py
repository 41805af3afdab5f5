"""The scenarios, one module a subject, and the table of all of them in the order in which they run."""

from collections.abc import Sequence

from bench.benchmark.case import BenchmarkError, Scenario
from bench.benchmark.cases import costs, drain, growth, latency, rate, send, shapes, snapshot

SCENARIOS = {
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
    )
}


def chosen(names: Sequence[str]) -> list[Scenario]:
    """The scenarios of these names, in the order of the table; all without a name. Raises BenchmarkError."""
    if unknown := [name for name in names if name not in SCENARIOS]:
        raise BenchmarkError(f"There is no scenario {', '.join(unknown)}; there are {', '.join(SCENARIOS)}.")
    return [one for name, one in SCENARIOS.items() if not names or name in names]
