"""What a case is: one thing that can be measured. Those of ``cases/`` are made of functions, by decorator."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from bench.benchmark.pgbench import Ceiling
from bench.benchmark.progress import Progress
from bench.benchmark.results import Result
from bench.machine import Processors
from bench.testbed import Testbed


@dataclass(frozen=True, kw_only=True)
class Metric:
    """One row of a case's table. ``digits`` are those after the point."""

    label: str
    unit: str
    digits: int = 0


@dataclass(kw_only=True)
class Run:
    """One case being run: where it happens, how big it is, and where its figures go."""

    testbed: Testbed
    ceiling: Ceiling
    sizes: Mapping[str, int]
    rounds: int
    result: Result
    progress: Progress
    metrics: Mapping[str, Metric]

    def record(self, metric: str, value: float) -> float:
        """Keep one round's value and say it; returns it."""
        about = self.metrics[metric]  # a metric that no table would show is a mistake
        self.result.add(metric, value)
        self.say(f"{about.label}: {value:,.{about.digits}f} {about.unit}")
        return value

    @contextmanager
    def processors(self, metric: str) -> Iterator[None]:
        """Watch the processors while this metric is measured."""
        with Processors() as watched:
            yield
        self.result.add(f"{metric}:busy", watched.busy)

    def note(self, key: str, text: str) -> None:
        self.result.notes[key] = text

    def say(self, text: str) -> None:
        self.progress.say(f"{self.result.case}: {text}")


@dataclass(frozen=True, kw_only=True)
class Case:
    """Something that can be measured: its sizes, the metrics it records, and the function that does it.

    ``seconds`` is about how long one round takes in full size, and ``once_s`` what does not depend on the rounds;
    a quick run takes a fifth.
    """

    name: str
    title: str
    sizes: Mapping[str, int]
    quick: Mapping[str, int]
    metrics: Mapping[str, Metric]
    seconds: float
    once_s: float
    perform: Callable[[Run], None]

    def planned_s(self, rounds: int, *, quick: bool) -> float:
        return (self.seconds * rounds + self.once_s) * (0.2 if quick else 1.0)


def case(
    name: str,
    title: str,
    *,
    sizes: Mapping[str, int],
    quick: Mapping[str, int],
    metrics: Mapping[str, Metric],
    seconds: float,
    once_s: float = 0.0,
) -> Callable[[Callable[[Run], None]], Case]:
    """Make a function the case of that name. ``quick`` holds the sizes that differ in a quick run."""

    def make(perform: Callable[[Run], None]) -> Case:
        return Case(
            name=name,
            title=title,
            sizes=sizes,
            quick={**sizes, **quick},
            metrics=metrics,
            seconds=seconds,
            once_s=once_s,
            perform=perform,
        )

    return make
