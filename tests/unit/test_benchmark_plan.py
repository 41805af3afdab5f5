"""bench/benchmark/case.py, run.py and progress.py: what is to be measured, how big it is, and how long it takes."""

import io
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from bench.benchmark import progress
from bench.benchmark.case import Case, Metric, case
from bench.benchmark.cases import CASES, chosen
from bench.benchmark.pgbench import Ceiling
from bench.benchmark.progress import Progress, clock
from bench.benchmark.run import Plan
from bench.errors import BenchError


def plan(*names: str, **changes: Any) -> Plan:
    about = {"runs": 3, "quick": False, "sizes": {}, "ceiling": Ceiling(program=Path("pgbench")), **changes}
    return Plan(cases=chosen(names), **about)


# -- which cases -----------------------------------------------------------------------------------------------------


def test_cases_run_in_the_order_of_their_table_whatever_the_order_in_which_they_are_named() -> None:
    assert [one.name for one in chosen(["costs", "send", "drain"])] == ["drain", "send", "costs"]


def test_without_a_name_all_cases_run() -> None:
    assert chosen([]) == list(CASES.values())


def test_a_case_that_there_is_not_is_named_beside_those_that_there_are() -> None:
    with pytest.raises(BenchError, match=r"There is no case drein, x; there are drain, defaults, send,"):
        chosen(["drain", "drein", "x"])


# -- how big ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("one", CASES.values(), ids=list(CASES))
def test_a_quick_run_is_smaller_in_something_and_in_nothing_bigger(one: Case) -> None:
    assert one.quick.keys() == one.sizes.keys()
    assert all(one.quick[name] <= size for name, size in one.sizes.items())
    assert one.quick != one.sizes


@pytest.mark.parametrize("one", CASES.values(), ids=list(CASES))
def test_a_case_has_a_docstring_a_time_and_metrics_with_words(one: Case) -> None:
    assert one.perform.__doc__
    assert one.planned_s(1, quick=False) > 0
    assert all(metric.label for metric in one.metrics.values())
    assert len({metric.label for metric in one.metrics.values()}) == len(one.metrics)


def test_a_quick_plan_has_the_quick_sizes() -> None:
    (drain,) = chosen(["drain"])
    assert plan("drain").sizes_of(drain) == drain.sizes
    assert plan("drain", quick=True).sizes_of(drain) == {"commands": 10_000, "library": 400}


def test_a_size_of_the_command_line_wins_and_the_others_stay() -> None:
    (drain,) = chosen(["drain"])
    assert plan("drain", quick=True, sizes={"drain.library": 7}).sizes_of(drain) == {"commands": 10_000, "library": 7}


@pytest.mark.parametrize("size", ["drain.comands", "send.commands", "drain"])
def test_a_size_that_no_case_of_the_plan_has_is_named_beside_those_that_there_are(size: str) -> None:
    with pytest.raises(BenchError, match=rf"There is no size {size}; there are drain.commands, drain.library\."):
        plan("drain", sizes={size: 5})


def test_what_is_made_of_a_function_keeps_what_it_was_given() -> None:
    @case(
        "nap",
        "A nap",
        sizes={"s": 60, "n": 2},
        quick={"s": 5},
        metrics={"s": Metric(label="slept", unit="s")},
        seconds=10,
    )
    def nap(run: object) -> None:
        """Sleep."""

    assert (nap.name, nap.title, nap.sizes, nap.quick) == ("nap", "A nap", {"s": 60, "n": 2}, {"s": 5, "n": 2})
    assert (nap.seconds, nap.once_s) == (10, 0)


# -- how long --------------------------------------------------------------------------------------------------------


def test_a_plan_takes_its_rounds_and_what_is_done_once_and_a_quick_one_a_fifth() -> None:
    growth, drain = CASES["growth"], CASES["drain"]
    assert growth.planned_s(3, quick=False) == growth.planned_s(1, quick=False) == growth.once_s
    assert drain.planned_s(3, quick=False) == 3 * drain.seconds
    assert drain.planned_s(3, quick=True) == pytest.approx(3 * drain.seconds / 5)
    assert plan("drain", runs=2).planned_s(drain) == 2 * drain.seconds


@pytest.mark.parametrize(("seconds", "text"), [(0, "0:00"), (9.9, "0:09"), (75, "1:15"), (3600, "60:00")])
def test_a_time_is_minutes_and_seconds(seconds: float, text: str) -> None:
    assert clock(seconds) == text


class Shown:
    """Lines of a progress whose clock a test sets."""

    def __init__(self, planned_s: float, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 1000.0
        monkeypatch.setattr(progress, "time", SimpleNamespace(monotonic=lambda: self.now))
        self._out = io.StringIO()
        self.progress = Progress(planned_s, self._out)

    def line(self) -> str:
        """The line of a moment."""
        self._out.truncate(self._out.seek(0))
        self.progress.say("x")
        return self._out.getvalue().rstrip("\n")


def test_a_line_says_how_long_it_takes_so_far_and_by_plan(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = Shown(120, monkeypatch)
    assert shown.line() == "[0:00, about 2:00 left] x"
    shown.now += 50
    assert shown.line() == "[0:50, about 1:10 left] x"


def test_what_is_left_goes_by_how_long_the_cases_before_took(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = Shown(120, monkeypatch)
    shown.now += 120  # twice as long as planned
    shown.progress.done(60)
    assert shown.line() == "[2:00, about 2:00 left] x"
    shown.now += 30
    assert shown.line() == "[2:30, about 1:30 left] x"


def test_a_plan_that_takes_longer_than_it_said_has_nothing_left_and_not_less(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = Shown(60, monkeypatch)
    shown.now += 90
    assert shown.line() == "[1:30, about 0:00 left] x"
