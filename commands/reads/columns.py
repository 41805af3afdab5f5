"""What the sampler saw, in columns of any width: what charts, their table and the API's stats show."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from commands.rules import grid
from commands.rules.grid import Grid
from commands.rules.histogram import Histogram
from commands.rules.words import DOMAIN
from commands.stats.samples import Sample, Span, series

COUNTS = ("sent", "received", "completed", "retried", "parked", "failed", "canceled", "late")
SETTLED = timedelta(seconds=5)  # after its end a column is rolled up whole; before, it may be as it was 10 s ago
GAP = 1.5  # a column whose counts stand for so many times its width follows a gap
LEVELS = ("visible", "in_flight", "delayed", "tsq")  # of these a column has the most that was seen in it


@dataclass(frozen=True, kw_only=True)
class Column:
    """``sum`` is all that was seen from ``at`` up to ``end``; None where no one sampled. ``open``: more may come."""

    at: datetime
    end: datetime
    open: bool
    sum: Sample | None

    @property
    def share(self) -> float:
        """What part of its counts falls into its own width: below 1 where nothing was counted for a while before."""
        width_s = (self.end - self.at).total_seconds()
        follows_gap = self.sum is not None and self.sum.seconds > GAP * width_s
        return width_s / self.sum.seconds if self.sum and follows_gap else 1.0


def read(asked: Grid, domain: str = DOMAIN) -> list[Column]:
    """The columns of a grid, oldest first, however little was seen in them."""
    return columns_of(asked, _samples(asked, domain))


def columns_of(asked: Grid, samples: Iterable[Sample]) -> list[Column]:
    """Samples, oldest first, in the columns of a grid. Pure."""
    found: list[list[Sample]] = [[] for _ in range(asked.number)]
    for sample in samples:
        place = asked.place(sample.at)
        if 0 <= place < asked.number:
            found[place].append(sample)
    return [
        Column(
            at=asked.begins(place),
            end=asked.begins(place + 1),
            open=asked.is_open(place),
            sum=sum_of(seen, asked.begins(place)) if seen else None,
        )
        for place, seen in enumerate(found)
    ]


def sum_of(samples: Sequence[Sample], at: datetime) -> Sample:
    """Several samples as one: counts and seconds added, of queue and TSQ the most, of workers the fewest. Pure."""
    ages = [sample.oldest_s for sample in samples if sample.oldest_s is not None]
    return Sample(
        at=at,
        seconds=sum(sample.seconds for sample in samples),
        oldest_s=max(ages, default=None),
        workers=min(sample.workers for sample in samples),
        waiting=Histogram.sum_of(sample.waiting for sample in samples),
        running=Histogram.sum_of(sample.running for sample in samples),
        **{name: sum(getattr(sample, name) for sample in samples) for name in COUNTS},
        **{name: max(getattr(sample, name) for sample in samples) for name in LEVELS},
    )


def _samples(asked: Grid, domain: str) -> list[Sample]:
    """Stored samples of the widest fitting width, and for the newest columns those that are not rolled up yet.

    Rows of one width end where those of the next finer one are read from, so nothing is counted twice.
    """
    spans: list[Span] = []
    since_of_finer = asked.since
    since, until = asked.since, min(asked.until, asked.now + timedelta(seconds=1))
    widths = [width for width in sorted(grid.KEPT, reverse=True) if width <= grid.stored_width(asked.width_s)]
    for width in widths:
        finest = width == widths[-1]
        ended = until if finest else min(until, grid.floor(asked.now - SETTLED, width))
        if since >= ended:
            continue
        spans.append(Span(width_s=width, since=since, until=ended))
        since = since if finest else max(since, ended - grid.UNROLLED * timedelta(seconds=width))
    found: list[Sample] = []
    for span, rows in zip(spans, series(spans, domain), strict=True):
        found += [row for row in rows if row.at >= since_of_finer]
        if rows:
            since_of_finer = max(since_of_finer, rows[-1].at + timedelta(seconds=span.width_s))
    return found
