"""bench/runs/trend.py: what grows while the load stays as it is."""

from random import Random

import pytest

from bench.report.document import Point
from bench.runs.trend import MEASURES, trends
from bench.scenarios.builder import scenario


def soak(*, level: bool = True) -> object:
    return scenario("soak", about="It goes on.").steady("100s", rate=10).mix(success=1).expect(level=level).build()


def held(points: list[Point]) -> list[bool | None]:
    return [criterion.held for criterion in trends(soak(), points)]  # type: ignore[arg-type]


def points(**grows: float) -> list[Point]:
    """100 noisy seconds; ``p95_ms=1``: it grows by so much each second. Outliers and the beginning tell nothing."""
    random = Random(7)  # noqa: S311  # it has to be repeatable
    found = []
    for second in range(120):
        level = {"p95_ms": 40.0, "oldest_s": 0.2, "visible": 10, "processor": 30.0}
        for name, each in grows.items():
            level[name] += each * second
        noisy = {name: value * random.uniform(0.7, 1.3) for name, value in level.items()}
        if second < 10 or second % 17 == 0:
            noisy["p95_ms"] *= 20
        found.append(Point.model_validate({"at_s": second, **noisy, "visible": round(noisy["visible"])}))
    return found


def test_noise_and_outliers_are_no_trend() -> None:
    assert held(points()) == [True] * 4


@pytest.mark.parametrize(
    ("name", "each", "place"), [("p95_ms", 1, 0), ("visible", 1, 1), ("oldest_s", 0.02, 2), ("processor", 0.5, 3)]
)
def test_what_grows_is_told_and_nothing_else(name: str, each: float, place: int) -> None:
    assert held(points(**{name: each})) == [other != place for other in range(4)]


def test_too_few_points_tell_nothing_and_nothing_is_asked_unless_the_scenario_does() -> None:
    assert held(points()[:15]) == [None] * len(MEASURES)
    assert trends(soak(level=False), points()) == []  # type: ignore[arg-type]
