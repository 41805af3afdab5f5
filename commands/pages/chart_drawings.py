"""The dashboard's charts, made of columns and marks."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import cast

from commands.pages.chart_links import Links
from commands.reads.columns import Column
from commands.reads.marks import Mark, MarkKind
from commands.rules.chart_ranges import width_text
from commands.rules.formatting import EVENT_STYLES, STATUS_STYLES, duration
from commands.rules.grid import Grid
from commands.rules.histogram import Histogram
from commands.rules.words import EventType, Status
from commands.stats.samples import Sample
from e2e_site.charts.columns import Moment, Place, column_chart
from e2e_site.charts.geometry import Series
from e2e_site.charts.scales import short, short_time
from e2e_site.charts.shapes import DIAMOND, DOWN, SQUARE, UP, Chart, Tone

SHARES = {"p50": 0.5, "p95": 0.95, "p99": 0.99}
SYMBOLS = {
    MarkKind.SETTINGS: DIAMOND,
    MarkKind.WORKER_CAME: UP,
    MarkKind.WORKER_WENT: DOWN,
    MarkKind.OPERATION: SQUARE,
}
MARKS_TOLD = 8  # in one column
# What ends an attempt or a command, in the order in which it is stacked, with the event whose colour it has.
OUTCOMES = {
    "completed": EventType.COMPLETED,
    "retried": EventType.FAILED,
    "parked": EventType.MOVED_TO_TSQ,
    "failed": EventType.BUSINESS_RULE_FAILED,
    "canceled": EventType.OPERATOR_CANCEL,
    "late": EventType.LATE_COMPLETED,
}
LEVELS = {"visible": "visible", "in_flight": "in flight", "delayed": "delayed"}


@dataclass(frozen=True, kw_only=True)
class Drawing:
    """A chart in its card: ``note`` is its newest whole column in words; ``empty`` is said where it shows nothing."""

    key: str
    chart: Chart
    note: str = ""
    empty: str = ""


def drawings(columns: Sequence[Column], marks: Sequence[Mark], grid: Grid, domain: str) -> list[Drawing]:
    """All charts of the dashboard, in their order."""
    maker = _Maker(columns, marks, grid, domain)
    return [
        maker.throughput(),
        maker.queue(),
        maker.times("waiting", "Waiting time", "from being sent to the first attempt", maker.links.begun),
        maker.times("running", "Running time", "from the beginning of an attempt to its end", maker.links.ended),
        maker.parked(),
    ]


def moment_text(column: Column) -> str:
    """When a column is: "14:02:10 to 14:02:20"; with the day where columns are wide."""
    width_s = (column.end - column.at).total_seconds()
    if width_s < 60:
        return f"{column.at:%H:%M:%S} to {column.end:%H:%M:%S}"
    return f"{column.at:%b} {column.at.day}, {column.at:%H:%M} to {column.end:%H:%M}"


def percentile_text(histogram: Histogram, share: float, *, none: str = "none") -> str:
    found = histogram.percentile(share)
    return none if found is None else duration(found)


class _Maker:
    def __init__(self, columns: Sequence[Column], marks: Sequence[Mark], grid: Grid, domain: str) -> None:
        self.columns, self.grid, self.links = columns, grid, Links(domain)
        self.newest = next((c.sum for c in reversed(columns) if c.sum and not c.open), None)
        self._moments = moments(marks, grid)

    def throughput(self) -> Drawing:
        per = width_text(self.grid.width_s)
        outcomes = [
            Series(name=name, values=self._counts(name), tone=_tone(EVENT_STYLES[event].tone))
            for name, event in OUTCOMES.items()
        ]
        sent = Series(name="sent", values=self._counts("sent"), tone=_tone(EVENT_STYLES[EventType.SENT].tone))
        chart = self._chart(
            title="Throughput",
            description=f"How attempts and commands ended per {per}, stacked, and how many commands were sent.",
            told=_counts_text,
            link=self.links.events,
            stacks=outcomes,
            lines=[sent],
            y_label=f"per {per}",
        )
        note = f"{self.newest.completed / self.newest.seconds:,.1f} completed/s" if self.newest else ""
        return Drawing(key="throughput", chart=chart, note=note)

    def queue(self) -> Drawing:
        tones = {
            "visible": STATUS_STYLES[Status.PENDING].tone,
            "in_flight": STATUS_STYLES[Status.IN_PROGRESS].tone,
            "delayed": EVENT_STYLES[EventType.FAILED].tone,
        }
        lines = [Series(name=LEVELS[name], values=self._levels(name), tone=_tone(tones[name])) for name in LEVELS]
        chart = self._chart(
            title="Queue",
            description="The most messages that a worker could take, whose attempt ran, and that waited for a retry.",
            told=_queue_text,
            link=self.links.sent,
            lines=lines,
            y_label="messages",
        )
        return Drawing(key="queue", chart=chart, note=f"{self.newest.visible:,} visible" if self.newest else "")

    def times(self, name: str, title: str, what: str, link: Callable[[Column], str]) -> Drawing:
        found = [getattr(column.sum, name) if column.sum else Histogram() for column in self.columns]
        lines = [
            Series(name=word, values=[one.percentile(share) for one in found], tone=tone)
            for (word, share), tone in zip(SHARES.items(), (_tone("cyan"), _tone("blue"), _tone("violet")), strict=True)
        ]

        def told(seen: Sample) -> str:
            one: Histogram = getattr(seen, name)
            if not one.total:
                return "none of the commands that are measured"
            return f"{', '.join(f'{w} {percentile_text(one, s)}' for w, s in SHARES.items())} of {one.total:,} measured"

        chart = self._chart(
            title=title,
            description=f"How long it took {what}: half, 95 and 99 of 100 took no longer. Of every 64th command.",
            told=told,
            link=link,
            lines=lines,
            y_label="of every 64th command",
            log=True,
        )
        newest: Histogram = getattr(self.newest, name) if self.newest else Histogram()
        note = f"p99 {percentile_text(newest, 0.99)}" if newest.total else ""
        empty = "" if any(one.total for one in found) else "Every 64th command is measured: none of them in this time."
        return Drawing(key=name, chart=chart, note=note, empty=empty)

    def parked(self) -> Drawing:
        tone = _tone(STATUS_STYLES[Status.IN_TROUBLESHOOTING_QUEUE].tone)
        chart = self._chart(
            title="Troubleshooting queue",
            description="The most commands that were parked at one time.",
            told=lambda seen: f"{seen.tsq:,} in the queue, {seen.parked:,} newly parked",
            link=self.links.parked,
            stacks=[Series(name="parked", values=self._levels("tsq"), tone=tone)],
            y_label="commands",
        )
        return Drawing(key="parked", chart=chart, note=f"{self.newest.tsq:,} parked" if self.newest else "")

    def _counts(self, name: str) -> list[float | None]:
        return [getattr(c.sum, name) * c.share if c.sum else None for c in self.columns]

    def _levels(self, name: str) -> list[float | None]:
        return [getattr(c.sum, name) if c.sum else None for c in self.columns]

    def _chart(
        self,
        *,
        title: str,
        description: str,
        told: Callable[[Sample], str],
        link: Callable[[Column], str],
        stacks: Sequence[Series] = (),
        lines: Sequence[Series] = (),
        y_label: str,
        log: bool = False,
    ) -> Chart:
        places = [Place(title=f"{moment_text(c)}: {_told(c, told)}", href=link(c), open=c.open) for c in self.columns]
        return column_chart(
            title=title,
            description=description,
            span=(self.grid.since, self.grid.until),
            places=places,
            stacks=stacks,
            lines=lines,
            moments=self._moments,
            y_label=y_label,
            log_y=log,
            y_format=short_time if log else short,
        )


def moments(marks: Sequence[Mark], grid: Grid) -> list[Moment]:
    """One for each column in which something is to be marked; where that is several things, with all of them."""
    by_column: dict[int, list[Mark]] = {}
    for mark in marks:
        by_column.setdefault(grid.place(mark.at), []).append(mark)
    return [
        Moment(
            at=together[0].at,
            symbol=SYMBOLS[together[0].kind] if len({mark.kind for mark in together}) == 1 else SQUARE,
            title="\n".join(_mark_lines(together)),
        )
        for together in by_column.values()
    ]


def _mark_lines(marks: Sequence[Mark]) -> list[str]:
    lines = [f"{mark.at:%H:%M:%S} {mark.text}" for mark in marks[:MARKS_TOLD]]
    return lines if len(marks) <= MARKS_TOLD else [*lines, f"and {len(marks) - MARKS_TOLD} more"]


def _told(column: Column, told: Callable[[Sample], str]) -> str:
    if column.sum is None:
        return "not sampled yet" if column.open else "no one sampled"
    gap = f", in {duration(1000 * column.sum.seconds)}: nothing was counted just before" if column.share < 1 else ""
    return f"{told(column.sum)}{gap}{', not over yet' if column.open else ''}"


def _counts_text(seen: Sample) -> str:
    counts = {name: getattr(seen, name) for name in ("sent", *OUTCOMES)}
    return ", ".join(f"{count:,} {name}" for name, count in counts.items() if count) or "nothing"


def _queue_text(seen: Sample) -> str:
    levels = ", ".join(f"{getattr(seen, name):,} {word}" for name, word in LEVELS.items())
    return levels if seen.oldest_s is None else f"{levels}, the oldest waited {duration(1000 * seen.oldest_s)}"


def _tone(name: str) -> Tone:
    return cast("Tone", name)  # a tone of status.css, as formatting has it
