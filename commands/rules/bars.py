"""A command's attempts as bars over one axis of time: waiting, working, lease, backoff. Pure: templates draw them.

Lengths are in units of the drawing, as those of `e2e_site.charts`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from commands.rules.formatting import duration, event_style
from commands.rules.timeline import Attempt
from e2e_site.charts.scales import Scale
from e2e_site.charts.shapes import Tick

MOST_ROWS = 20
WIDTH, LEFT, RIGHT, TOP, ROW, FOOT = 640.0, 30.0, 14.0, 6.0, 24.0, 24.0
THINNEST = 2.0  # of a bar, so that a moment is seen
_NOTHING = timedelta()

Kind = Literal["waits", "works", "lease", "backoff"]


@dataclass(frozen=True, kw_only=True)
class Piece:
    """One bar of a row. ``title`` says what it is and how long it took."""

    kind: Kind
    tone: str
    x: float
    width: float
    title: str


@dataclass(frozen=True, kw_only=True)
class Row:
    """One attempt. ``y`` is the middle of its row."""

    label: str
    y: float
    pieces: Sequence[Piece]


@dataclass(frozen=True, kw_only=True)
class Bars:
    """What a template draws; ``left_out`` are attempts before those that are shown."""

    rows: Sequence[Row]
    ticks: Sequence[Tick]
    description: str
    left_out: int
    leases: bool  # their lengths are known

    width = WIDTH
    left = LEFT
    top = TOP

    @property
    def bottom(self) -> float:
        return TOP + ROW * len(self.rows)

    @property
    def height(self) -> float:
        return self.bottom + FOOT

    @property
    def right(self) -> float:
        return WIDTH - RIGHT


@dataclass(frozen=True, kw_only=True)
class Lease:
    """How long each lease was (None: not known); ``until``: when that of the newest attempt ends, if it is held."""

    length: timedelta | None
    until: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class _Spans:
    """When one attempt could begin, began, ended, lost its lease, and when its retry is due."""

    attempt: Attempt
    ready: datetime
    ended: datetime | None
    leased: datetime | None

    @property
    def last(self) -> datetime:
        return max(filter(None, (self.attempt.started, self.ended, self.leased, self.attempt.due)))


def bars(attempts: Sequence[Attempt], *, sent: datetime | None, now: datetime, lease: Lease) -> Bars | None:
    """The attempts on one message, oldest first; ``sent``: when it was sent, where that is known. None without any."""
    shown = attempts[-MOST_ROWS:]
    if not shown:
        return None
    first = sent if sent is not None and len(shown) == len(attempts) else shown[0].started
    spans = _spans(shown, min(first, shown[0].started), now, lease)
    begin, end = min(span.ready for span in spans), max(span.last for span in spans)
    scale = Scale.of_range([0, _ms(end - begin)], start=LEFT, end=WIDTH - RIGHT, log=False)
    return Bars(
        rows=[
            Row(label=str(span.attempt.number), y=TOP + ROW * (n + 0.5), pieces=_pieces(span, begin, scale))
            for n, span in enumerate(spans)
        ],
        ticks=[Tick(at=scale.place(tick), label=duration(tick)) for tick in scale.ticks],
        description="; ".join(_said(span) for span in spans),
        left_out=len(attempts) - len(shown),
        leases=any(span.leased for span in spans),
    )


def _spans(shown: Sequence[Attempt], first: datetime, now: datetime, lease: Lease) -> list[_Spans]:
    spans: list[_Spans] = []
    ready = first
    for place, attempt in enumerate(shown):
        after = shown[place + 1] if place + 1 < len(shown) else None
        leased = None if lease.length is None else attempt.started + lease.length
        if after is None and lease.until is not None:
            leased = max(lease.until, attempt.started)
        ended = attempt.end.ts if attempt.end else _open_until(attempt, after, now)
        spans.append(_Spans(attempt=attempt, ready=min(ready, attempt.started), ended=ended, leased=leased))
        ready = attempt.due or (after.started if after else attempt.started)
    return spans


def _open_until(attempt: Attempt, after: Attempt | None, now: datetime) -> datetime | None:
    """How far an attempt without an end is drawn: to now while it may still end, else to the one that followed it."""
    if attempt.awaited or (after is None and not attempt.overtaken):
        return max(now, attempt.started)
    return after.started if after else None


def _pieces(span: _Spans, begin: datetime, scale: Scale) -> list[Piece]:
    attempt = span.attempt

    def piece(kind: Kind, tone: str, start: datetime, end: datetime, title: str) -> Piece:
        x, to = scale.place(_ms(start - begin)), scale.place(_ms(end - begin))
        return Piece(kind=kind, tone=tone, x=x, width=round(max(to - x, THINNEST), 1), title=title)

    found = []
    if attempt.started > span.ready:
        waited = duration(_ms(attempt.started - span.ready))
        found.append(piece("waits", "slate", span.ready, attempt.started, f"Waited {waited} for a worker"))
    if span.leased is not None:
        length = duration(_ms(span.leased - attempt.started))
        found.append(piece("lease", "slate", attempt.started, span.leased, f"Lease: {length}"))
    tone = event_style(attempt.event_type).tone
    found.append(piece("works", tone, attempt.started, span.ended or attempt.started, _worked(span)))
    if attempt.end is not None and attempt.due is not None:
        title = f"Backoff: {duration(attempt.delay_ms or 0)}"
        found.append(piece("backoff", "amber", attempt.end.ts, attempt.due, title))
    return found


def _worked(span: _Spans) -> str:
    number, milliseconds = span.attempt.number, span.attempt.milliseconds
    if milliseconds is not None:
        return f"Attempt {number}: {duration(milliseconds)}"
    if span.attempt.awaited or not span.attempt.overtaken:
        return f"Attempt {number}: no end yet"
    return f"Attempt {number}: no end is known"


def _said(span: _Spans) -> str:
    waited = span.attempt.started - span.ready
    parts = [f"waited {duration(_ms(waited))}"] if waited > _NOTHING else []
    parts.append(_worked(span))
    if span.attempt.due is not None:
        parts.append(f"backoff {duration(span.attempt.delay_ms or 0)}")
    return ", ".join(parts)


def _ms(length: timedelta) -> float:
    return length / timedelta(milliseconds=1)
