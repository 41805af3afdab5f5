"""Columns over time: their widths, their edges, and samples summed into them."""

from datetime import UTC, datetime, timedelta

import pytest

from commands.reads.columns import columns_of, sum_of
from commands.rules.grid import AIMED, KEPT, WIDTHS, Grid, floor, oldest_of, stored_width, width_for
from commands.rules.histogram import Histogram
from commands.stats.samples import WIDTHS_S, Sample

NOW = datetime(2026, 5, 1, 14, 2, 37, 500_000, tzinfo=UTC)


def sample(at: datetime, **values: object) -> Sample:
    zeros = dict.fromkeys(
        ("visible", "in_flight", "delayed", "tsq", "workers", "sent", "received", "completed", "retried", "parked"), 0
    )
    others = dict.fromkeys(("failed", "canceled", "late"), 0)
    empty = {"oldest_s": None, "waiting": Histogram(), "running": Histogram()}
    return Sample(**{"at": at, "seconds": 10.0, **zeros, **others, **empty, **values})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("length", "width", "columns"),
    [
        (timedelta(minutes=15), 10, 90),
        (timedelta(hours=1), 60, 60),
        (timedelta(hours=24), 900, 96),
        (timedelta(days=7), 7200, 84),
        (timedelta(days=90), 86_400, 90),
    ],
)
def test_a_chart_has_60_to_100_columns_of_which_the_newest_is_open(length: timedelta, width: int, columns: int) -> None:
    grid = Grid.up_to(NOW, length)
    assert (grid.width_s, grid.number) == (width, columns)
    assert [place for place in range(grid.number) if grid.is_open(place)] == [columns - 1]
    assert grid.place(NOW) == columns - 1
    assert grid.since.timestamp() % width == 0
    assert grid.until - grid.since == columns * timedelta(seconds=width)


def test_what_is_long_ago_is_seen_in_columns_that_are_still_kept() -> None:
    short = timedelta(minutes=15)
    assert width_for(short, short) == 10
    assert width_for(short, timedelta(hours=25)) == 60
    assert width_for(short, timedelta(days=8)) == 3600
    assert width_for(timedelta(days=365), timedelta(days=365)) == WIDTHS[-1]


def test_every_width_is_made_of_a_stored_one() -> None:
    assert set(KEPT) == set(WIDTHS_S)
    assert [stored_width(width) for width in (1, 5, 10, 30, 60, 900, 3600, 7200)] == [1, 1, 10, 10, 60, 60, 3600, 3600]
    assert max(width / stored_width(width) for width in WIDTHS) * AIMED <= 2400
    assert oldest_of(20) == timedelta(hours=24)


def test_columns_between_two_moments_hold_both() -> None:
    since, until = NOW, NOW + timedelta(seconds=30)
    grid = Grid.between(since, until, width_s=10, now=NOW)
    assert (grid.begins(0), grid.number) == (floor(NOW, 10), 4)
    whole = Grid.between(floor(NOW, 60), floor(NOW, 60) + timedelta(minutes=2), width_s=60, now=NOW)
    assert whole.number == 2


def test_samples_fall_into_their_columns_and_gaps_stay_empty() -> None:
    grid = Grid.between(floor(NOW, 60) - timedelta(minutes=3), NOW, width_s=60, now=NOW)
    first = grid.since
    samples = [
        sample(first, sent=3, visible=7, workers=2, oldest_s=4.0, waiting=Histogram((0, 2))),
        sample(first + timedelta(seconds=50), sent=4, visible=5, workers=1, waiting=Histogram((1, 0, 5))),
        sample(floor(NOW, 10), sent=9),
        sample(grid.until, sent=100),
        sample(first - timedelta(seconds=1), sent=100),
    ]
    columns = columns_of(grid, samples)
    assert [column.sum and column.sum.sent for column in columns] == [7, None, None, 9]
    assert [column.open for column in columns] == [False, False, False, True]
    together = columns[0].sum
    assert together is not None
    assert (together.seconds, together.visible, together.workers, together.oldest_s) == (20.0, 7, 1, 4.0)
    assert together.waiting.counts == (1, 2, 5)


def test_a_column_after_a_gap_holds_more_than_its_own_time() -> None:
    grid = Grid.between(floor(NOW, 10), NOW, width_s=10, now=NOW)
    (column,) = columns_of(grid, [sample(grid.since, seconds=40.0, sent=80)])
    assert column.share == 0.25
    (column,) = columns_of(grid, [sample(grid.since, seconds=3.0, sent=80)])
    assert column.share == 1.0
    assert sum_of([sample(NOW, late=2)], NOW).late == 2
