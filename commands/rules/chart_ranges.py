"""The spans of time that the dashboard's charts show. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from commands.rules.formatting import duration


@dataclass(frozen=True, kw_only=True)
class ChartRange:
    """``pace_s``: how often a page needs to ask again, as columns grow slowly where they are wide."""

    label: str
    length: timedelta
    pace_s: int


RANGES: Mapping[str, ChartRange] = {
    "15min": ChartRange(label="15 min", length=timedelta(minutes=15), pace_s=10),
    "1h": ChartRange(label="1 h", length=timedelta(hours=1), pace_s=20),
    "24h": ChartRange(label="24 h", length=timedelta(hours=24), pace_s=60),
    "7d": ChartRange(label="7 d", length=timedelta(days=7), pace_s=60),
}
DEFAULT = "15min"


def width_text(width_s: int) -> str:
    """What follows "per": "10 s", "min", "15 min", "2 h"."""
    return duration(1000 * width_s).removeprefix("1 ")
