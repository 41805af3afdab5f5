"""Executions in lanes: one for each slot that was needed at the same time."""

from bench.oracle.lanes import packed
from bench.report.document import Execution


def execution(began_s: float, ended_s: float | None, *, command: str = "", worker: str = "w1") -> Execution:
    return Execution(command_id=command or f"{began_s}", attempt=1, worker=worker, began_s=began_s, ended_s=ended_s)


def test_each_takes_the_lowest_lane_that_is_free() -> None:
    found = packed([execution(0, 3), execution(1, 2), execution(2, 4), execution(2.5, 3), execution(3, 5)])
    assert [one.lane for one in found] == [0, 1, 1, 2, 0]


def test_each_worker_has_lanes_of_its_own() -> None:
    found = packed([execution(0, 3), execution(1, 2, worker="w2"), execution(1, 2)])
    assert [(one.worker, one.lane) for one in found] == [("w1", 0), ("w1", 1), ("w2", 0)]


def test_one_without_an_end_keeps_its_lane() -> None:
    assert [one.lane for one in packed([execution(0, None), execution(9, 10)])] == [0, 1]


def test_those_that_overlap_one_of_their_command_are_marked() -> None:
    times = [(0, 5), (2, 3), (4, 6), (7, None), (8, 9)]
    found = packed([execution(*time, command="one", worker=f"w{n}") for n, time in enumerate(times)])
    assert [one.overlaps for one in found] == [True, True, True, False, False]
    assert not any(one.overlaps for one in packed([execution(0, 2), execution(1, 2)]))
