"""What a target looks at: values of metrics, and ratios of them. Pure: results in, numbers out.

Nothing measured means no values, never an error.
"""

from collections.abc import Callable
from dataclasses import dataclass
from statistics import median

from bench.benchmark.results import Results
from bench.figures import ratios


@dataclass(frozen=True, kw_only=True)
class Measure:
    """``values``: one number per round. ``needs``: the cases that they come from."""

    needs: frozenset[str]
    values: Callable[[Results], list[float]]


def of(case: str, metric: str) -> Measure:
    """The values of one metric."""

    def values(results: Results) -> list[float]:
        return results[case].values.get(metric, []) if case in results else []

    return Measure(needs=frozenset({case}), values=values)


def ratio(above: Measure, below: Measure) -> Measure:
    """Round by round."""
    return Measure(
        needs=above.needs | below.needs, values=lambda results: ratios(above.values(results), below.values(results))
    )


def ratio_of_medians(above: Measure, below: Measure) -> Measure:
    """Of two metrics that are not measured equally often: one number."""

    def values(results: Results) -> list[float]:
        tops, bottoms = above.values(results), below.values(results)
        return [median(tops) / median(bottoms)] if tops and bottoms else []

    return Measure(needs=above.needs | below.needs, values=values)


def best(*measures: Measure) -> Measure:
    """The one with the highest median."""

    def values(results: Results) -> list[float]:
        found = [measure.values(results) for measure in measures]
        return max(found, key=lambda values: median(values) if values else 0.0)

    return Measure(needs=frozenset().union(*(measure.needs for measure in measures)), values=values)


def highest(measure: Measure) -> Measure:
    """The highest value alone: for a limit that no round may exceed."""
    return Measure(needs=measure.needs, values=lambda results: sorted(measure.values(results))[-1:])


def scaled(measure: Measure, factor: float) -> Measure:
    return Measure(needs=measure.needs, values=lambda results: [value * factor for value in measure.values(results)])


def inverse(measure: Measure) -> Measure:
    return Measure(needs=measure.needs, values=lambda results: [1 / value for value in measure.values(results)])


def seconds_for(case: str, rate: Measure) -> Measure:
    """How long the commands of a case would take at these rates."""

    def values(results: Results) -> list[float]:
        found = rate.values(results)
        return [results[case].sizes["commands"] / value for value in found] if case in results else []

    return Measure(needs=frozenset({case}) | rate.needs, values=values)
