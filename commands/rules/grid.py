"""Columns of a span of time: how wide they are, where each begins, which stored samples fill them. Pure.

Samples are stored in a few widths, each kept for a while (V008__samples.sql). A column has a round width of its own and
begins at a multiple of it since 1970, so that all who look at one span see the same columns.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

# How long samples of each stored width (seconds) are kept.
KEPT: Mapping[int, timedelta] = {
    1: timedelta(hours=1),
    10: timedelta(hours=24),
    60: timedelta(days=7),
    3600: timedelta(days=90),
}
WIDTHS = (1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 900, 3600, 7200, 21_600, 86_400)  # of columns, in seconds
AIMED = 100  # columns that a chart has at most
MOST = 240  # columns that may be asked for
LONGEST = KEPT[3600]
UNROLLED = 3  # the newest columns of a stored width, which may not be rolled up yet


def stored_width(width_s: int) -> int:
    """Of the stored widths the widest that columns of ``width_s`` are made of."""
    return max(stored for stored in KEPT if width_s % stored == 0)


def oldest_of(width_s: int) -> timedelta:
    """How far back columns of that width reach."""
    return KEPT[stored_width(width_s)]


def width_for(length: timedelta, age: timedelta) -> int:
    """The narrowest width that gives `AIMED` columns at most, for a span that began ``age`` ago; else the widest."""
    seconds = length.total_seconds()
    fitting = (width for width in WIDTHS if seconds <= AIMED * width and age <= oldest_of(width))
    return next(fitting, WIDTHS[-1])


def floor(moment: datetime, width_s: int) -> datetime:
    """Where the column of a moment begins."""
    return datetime.fromtimestamp(moment.timestamp() // width_s * width_s, UTC)


@dataclass(frozen=True, kw_only=True)
class Grid:
    """``number`` columns of ``width_s`` seconds from ``since`` on; at ``now`` the last ones may be open."""

    since: datetime
    width_s: int
    number: int
    now: datetime

    @classmethod
    def up_to(cls, now: datetime, length: timedelta) -> "Grid":
        """The columns of a chart that ends now: the last one has begun and not ended."""
        width_s = width_for(length, length)
        number = int(length.total_seconds() // width_s)
        newest = floor(now, width_s)
        return cls(since=newest - (number - 1) * timedelta(seconds=width_s), width_s=width_s, number=number, now=now)

    @classmethod
    def between(cls, since: datetime, until: datetime, *, width_s: int, now: datetime) -> "Grid":
        """The columns that hold all from ``since`` up to ``until``, which is later."""
        first = floor(since, width_s)
        last = floor(until - timedelta(microseconds=1), width_s)
        number = round((last - first).total_seconds()) // width_s + 1
        return cls(since=first, width_s=width_s, number=number, now=now)

    @property
    def width(self) -> timedelta:
        return timedelta(seconds=self.width_s)

    @property
    def until(self) -> datetime:
        return self.since + self.number * self.width

    def place(self, moment: datetime) -> int:
        """Which column a moment lies in, counted from 0; outside of them below 0, or `number` and above."""
        return int((moment - self.since) // self.width)

    def begins(self, place: int) -> datetime:
        return self.since + place * self.width

    def is_open(self, place: int) -> bool:
        """It has not ended."""
        return self.begins(place + 1) > self.now
