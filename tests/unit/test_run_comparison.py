"""Two runs side by side: what was asked for otherwise, what came out otherwise, and what may be chance."""

import pytest

from bench.report.document import Document
from bench.runs.compare import PARTS, Measure, compare
from bench.scenarios.model import RunVerdict
from tests.support.bench_runs import document


def measure(name: str, a: Document, b: Document, like: tuple[list[Document], list[Document]] = ([], [])) -> Measure:
    like_a, like_b = ([made.model_dump(include=set(PARTS), mode="json") for made in side] for side in like)
    found = compare(a, b, like_a, like_b)
    return next(each for each in found.measures if each.name == name)


def test_a_run_compared_with_itself_differs_in_nothing() -> None:
    found = compare(document(), document())
    assert (found.settings, found.outcome, found.surroundings) == ([], [], [])
    assert not any(each.differs for each in found.measures)
    assert any(each.a for each in found.measures)


def test_what_was_asked_for_otherwise_is_named_by_its_way() -> None:
    found = compare(document(), document(scenario="f01_kill", seed=7))
    names = {each.name: (each.a, each.b) for each in found.settings}
    assert names["seed"] == ("1", "7")
    assert names["scenario"] == ("smoke", "f01_kill")
    assert names["load.0.for"] == ("3s", "7s")
    assert names["faults.0.do"] == ("", "kill_worker")
    assert names["mix.success.sleep"] == ("", "100ms"), "what is as by default is no setting"
    assert "about" not in names


def test_what_came_out_otherwise_stands_in_words() -> None:
    worse = document(verdict=RunVerdict.FAIL, why="1 command is lost.", completed=299, broken=("V05", "V09"))
    found = {each.name: (each.a, each.b) for each in compare(document(), worse).outcome}
    assert found["verdict"] == ("PASS", "FAIL")
    assert found["why"][1] == "1 command is lost."
    assert found["success"] == ("300 COMPLETED", "299 COMPLETED")
    assert found["rules broken"] == ("", "V05, V09")
    assert measure("Stuck", document(), worse).b == 1


@pytest.mark.parametrize(("other", "change"), [(20.0, 0.0), (30.0, 50.0), (10.0, -50.0)])
def test_a_figure_changes_by_percent(other: float, change: float) -> None:
    found = measure("End to end, p99", document(p99=20.0), document(p99=other))
    assert found.change == pytest.approx(change)
    assert found.differs is (other != 20.0)
    assert not found.within_spread, "nothing is known of a spread"


def test_of_three_runs_or_more_the_medians_are_compared_and_overlapping_spreads_are_chance() -> None:
    slow = [document(p99=value) for value in (20.0, 40.0, 60.0)]
    near = [document(p99=value) for value in (30.0, 44.0, 70.0)]
    far = [document(p99=value) for value in (100.0, 110.0, 200.0)]
    chance = measure("End to end, p99", slow[0], near[0], like=(slow, near))
    assert chance.change == pytest.approx(10.0)
    assert chance.within_spread
    real = measure("End to end, p99", slow[0], far[0], like=(slow, far))
    assert real.change == pytest.approx(175.0)
    assert not real.within_spread
    assert real.of_b is not None
    assert (real.of_b.low, real.of_b.median, real.of_b.high, real.of_b.count) == (100, 110, 200, 3)
    two = measure("End to end, p99", slow[0], far[0], like=(slow[:2], far[:2]))
    assert (two.of_a, two.of_b) == (None, None), "two make no median"


def test_what_one_of_them_has_not_is_no_change() -> None:
    without = document().model_copy(update={"latency": []})
    found = measure("End to end, p99", document(), without)
    assert (found.a, found.b, found.change) == (20.0, None, None)
