"""One command close up: deliveries, leases, executions, backoffs and ends over one axis across workers. Pure.

The report draws its stories with it, the microscope any command of the site. Lengths are in units of the drawing, as
those of `e2e_site.charts`; times are in seconds on the axis of whoever asks.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from commands.rules.formatting import duration, event_style
from commands.rules.words import LETTERS, EventType
from e2e_site.charts.scales import Scale
from e2e_site.charts.shapes import DIAMOND, Tick
from e2e_site.texts import cut, visible

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from bench.report.document import Event, Execution, Story

MOST_DELIVERIES = 60  # the newest
MOST_LETTERS = 70
WIDTH, LEFT, RIGHT, TOP, ROW, FOOT = 760.0, 108.0, 16.0, 8.0, 26.0, 24.0
LETTER = 9.5  # from letter to letter, at least
THINNEST = 2.0
NAME_SHOWN = 15
_ENDS = frozenset(
    {
        *(EventType.COMPLETED, EventType.FAILED, EventType.MOVED_TO_TSQ, EventType.BUSINESS_RULE_FAILED),
        *(EventType.LATE_COMPLETED, EventType.LATE_FAILED),
    }
)
_BEGINNINGS = (EventType.SENT, EventType.OPERATOR_RETRY)

Kind = Literal["waits", "backoff", "lease", "held", "works", "open"]
HEIGHTS: dict[Kind, float] = {"waits": 3, "backoff": 3, "lease": 20, "held": 12, "works": 12, "open": 12}


@dataclass(frozen=True, kw_only=True)
class Delivery:
    """One delivery of its message to a worker.

    ``end``: the type of the event that ended it, "" where none did. ``lease_s``: when its lease ran out, or would have;
    ``due_s``: when the retry after it might begin; None: not known, or there is none. ``message``: tells apart the
    attempts of different messages, which are counted from 1 each.
    """

    attempt: int
    worker: str
    began_s: float
    ended_s: float | None
    end: str = ""
    code: str = ""
    lease_s: float | None = None
    due_s: float | None = None
    message: int = 0


@dataclass(frozen=True, kw_only=True)
class Work:
    """One execution of a handler, by a ledger; ``ended_s`` None: it came to no end."""

    attempt: int
    worker: str
    began_s: float
    ended_s: float | None
    outcome: str = ""
    overlaps: bool = False
    message: int = 0


@dataclass(frozen=True, kw_only=True)
class Moment:
    """One event of the audit."""

    at_s: float
    type: str
    attempt: int | None = None
    code: str = ""


@dataclass(frozen=True, kw_only=True)
class Course:
    """All that is known of one command. ``until_s``: how far what has no end is drawn: now, or the end of a run."""

    deliveries: Sequence[Delivery]
    works: Sequence[Work]
    moments: Sequence[Moment]
    until_s: float


@dataclass(frozen=True, kw_only=True)
class Piece:
    """A bar, its ``top`` counted from the middle of its row."""

    kind: Kind
    tone: str
    x: float
    width: float
    title: str

    @property
    def height(self) -> float:
        return HEIGHTS[self.kind]

    @property
    def top(self) -> float:
        return -self.height / 2


@dataclass(frozen=True, kw_only=True)
class End:
    """A mark on a row where an attempt ended."""

    x: float
    tone: str
    title: str
    symbol: str = DIAMOND


@dataclass(kw_only=True)
class Row:
    label: str
    y: float
    pieces: list[Piece] = field(default_factory=list)
    ends: list[End] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True)
class Letter:
    """An event as its letter. ``at``: where it happened, ``x``: where there is room for the letter."""

    at: float
    x: float
    text: str
    tone: str
    title: str


@dataclass(frozen=True, kw_only=True)
class Line:
    """The same in words: a line of the table."""

    what: str
    attempt: int | None
    worker: str
    began_s: float
    ended_s: float | None
    note: str
    tone: str

    @property
    def lasted(self) -> str:
        return "" if self.ended_s is None else duration(max(0.0, self.ended_s - self.began_s) * 1000)


@dataclass(frozen=True, kw_only=True)
class CloseUp:
    """What a template draws, and ``lines``, the same in words. ``left_out``: deliveries before those that are shown."""

    rows: Sequence[Row]
    letters: Sequence[Letter]
    ticks: Sequence[Tick]
    lines: Sequence[Line]
    description: str
    left_out: int
    leases: bool
    ledger: bool

    width, left, top = WIDTH, LEFT, TOP
    right = WIDTH - RIGHT

    @property
    def letters_y(self) -> float:
        return TOP + ROW * (len(self.rows) + 0.5)

    @property
    def bottom(self) -> float:
        return TOP + ROW * (len(self.rows) + 1)

    @property
    def height(self) -> float:
        return self.bottom + FOOT


def of_story(story: Story) -> Course:
    """The course of a story of a run's document."""
    retried = [event.at_s for event in story.events if event.type == EventType.OPERATOR_RETRY]

    def message(at_s: float) -> int:
        return sum(at <= at_s for at in retried)

    named = {(message(done.began_s), done.attempt): done.worker for done in story.executions}
    deliveries: list[Delivery] = []
    for event in story.events:
        if event.type == EventType.RECEIVED:
            key = of, attempt = message(event.at_s), event.attempt or 0
            deliveries.append(
                Delivery(
                    attempt=attempt, message=of, worker=named.get(key) or event.worker, began_s=event.at_s,
                    ended_s=None, lease_s=event.at_s + story.lease_s if story.lease_s > 0 else None,
                )
            )  # fmt: skip
        elif event.type in _ENDS:
            _end(deliveries, event, story.executions)
    works = [
        Work(attempt=done.attempt, worker=done.worker, began_s=done.began_s, ended_s=done.ended_s, outcome=done.outcome,
             overlaps=done.overlaps, message=message(done.began_s))
        for done in story.executions
    ]  # fmt: skip
    moments = [
        Moment(at_s=event.at_s, type=event.type, attempt=event.attempt, code=event.code) for event in story.events
    ]
    known = [moment.at_s for moment in moments] + [work.ended_s or work.began_s for work in works]
    return Course(deliveries=_with_backoffs(deliveries), works=works, moments=moments, until_s=max(known, default=0.0))


def close_up(course: Course, window: tuple[float, float] | None = None) -> CloseUp | None:
    """The drawing, all of it or a ``window`` of the axis; None where nothing happened."""
    shown = sorted(course.deliveries, key=lambda one: one.began_s)[-MOST_DELIVERIES:]
    left_out = len(course.deliveries) - len(shown)
    works = [work for work in course.works if not left_out or work.began_s >= shown[0].began_s]
    if not shown and not works and not course.moments:
        return None
    begin, end = window or _axis(course, shown, works, left_out)
    across = Scale.of_range([begin, max(end, begin + 0.001)], start=LEFT, end=WIDTH - RIGHT, log=False)
    drawing = _Drawing(across, course.until_s)
    rows = [drawing.queue(shown, course.moments, left_out), *drawing.workers(shown, works)]
    for place, row in enumerate(rows):
        row.y = TOP + ROW * (place + 0.5)
    return CloseUp(
        rows=rows,
        letters=drawing.letters(course.moments),
        ticks=[Tick(at=across.place(tick), label=_seconds(tick)) for tick in across.ticks],
        lines=_lines(shown, works, course.moments),
        description=_described(shown, works),
        left_out=left_out,
        leases=any(one.lease_s is not None for one in shown),
        ledger=bool(works),
    )


class _Drawing:
    def __init__(self, across: Scale, until_s: float) -> None:
        self._across, self._until_s = across, until_s

    def queue(self, deliveries: Sequence[Delivery], moments: Sequence[Moment], left_out: int) -> Row:
        """When its message waited for a worker, and when it was not yet to be seen."""
        row = Row(label="in the queue", y=0)
        ready = None if left_out else next((m.at_s for m in moments if m.type in _BEGINNINGS), None)
        again = [m.at_s for m in moments if m.type == EventType.OPERATOR_RETRY]
        for one in deliveries:
            begun = max((at for at in again if at <= one.began_s), default=None)
            ready = ready if begun is None or (ready is not None and ready > begun) else begun
            if ready is not None and one.began_s > ready:
                waited = _length(one.began_s - ready)
                self._add(row, ("waits", "slate"), (ready, one.began_s), f"Waited {waited} for a worker")
            if one.due_s is not None and one.ended_s is not None:
                length = _length(one.due_s - one.ended_s)
                self._add(row, ("backoff", "amber"), (one.ended_s, one.due_s), f"Backoff: {length}")
            ready = one.due_s if one.ended_s is not None else one.lease_s
        return row

    def workers(self, deliveries: Sequence[Delivery], works: Sequence[Work]) -> list[Row]:
        """As few rows for each worker as keep apart what it had at the same time."""
        found: list[Row] = []
        by_worker: dict[str, list[Delivery | Work]] = defaultdict(list)
        things: list[Delivery | Work] = [*deliveries, *works]
        for one in things:
            by_worker[one.worker].append(one)
        for worker, things in by_worker.items():
            found += self._of_worker(worker, things)
        return found

    def _of_worker(self, worker: str, things: Sequence[Delivery | Work]) -> list[Row]:
        """An execution stands in the row of its delivery."""
        rows: list[tuple[Row, float]] = []
        place_of: dict[tuple[int, int], int] = {}
        named = cut(visible(worker), NAME_SHOWN) or "worker not told"
        deliveries = {(one.message, one.attempt): one for one in things if isinstance(one, Delivery)}
        traced = {(one.message, one.attempt) for one in things if isinstance(one, Work)}
        for one in sorted(things, key=lambda one: (one.began_s, isinstance(one, Work))):
            key = (one.message, one.attempt)
            until = self._until(one, deliveries.get(key))
            if isinstance(one, Work) and key in place_of:
                place = place_of[key]
            else:
                free = (n for n, (_, busy) in enumerate(rows) if busy <= one.began_s)
                place = next(free, len(rows))
                if place == len(rows):
                    rows.append((Row(label=named if not rows else "", y=0), until))
                place_of[key] = place
            row, busy = rows[place]
            rows[place] = row, max(busy, until)
            if isinstance(one, Delivery):
                self._delivery(row, one, until, traced=key in traced)
            else:
                self._work(row, one, until, deliveries.get(key))
        return [row for row, _ in rows]

    def _until(self, one: Delivery | Work, of: Delivery | None) -> float:
        """How far it is drawn; without an end to that of its lease, or to now. ``of``: the delivery that it is of."""
        if one.ended_s is not None:
            return one.ended_s
        lease_s = of.lease_s if of is not None else None
        return max(one.began_s, min(self._until_s, self._until_s if lease_s is None else lease_s))

    def _delivery(self, row: Row, one: Delivery, until: float, *, traced: bool) -> None:
        name = f"Attempt {one.attempt}"
        if one.lease_s is not None:
            length = _length(one.lease_s - one.began_s)
            title = f"Lease of attempt {one.attempt}: {length}, until {_seconds(one.lease_s)}"
            self._add(row, ("lease", "slate"), (one.began_s, one.lease_s), title)
        tone = event_style(one.end or EventType.RECEIVED).tone
        kind: Kind = "held" if traced else "works" if one.ended_s is not None else "open"
        told = f"{name}: " + (_length(until - one.began_s) if one.ended_s is not None else "no end is known")
        self._add(row, (kind, tone), (one.began_s, until), told)
        if one.ended_s is not None and self._across.low <= one.ended_s <= self._across.high:
            title = f"{_label(one.end)}, attempt {one.attempt}, at {_seconds(one.ended_s)}"
            row.ends.append(End(x=self._across.place(one.ended_s), tone=tone, title=title))

    def _work(self, row: Row, one: Work, until: float, of: Delivery | None) -> None:
        end = of.end if of is not None and of.end else EventType.RECEIVED
        tone = "rose" if one.overlaps else event_style(end).tone
        kind: Kind = "works" if one.ended_s is not None else "open"
        lasted = _length(one.ended_s - one.began_s) if one.ended_s is not None else "no end"
        outcome = f", {cut(visible(one.outcome), 60)}" if one.outcome else ""
        overlaps = ", while another execution of it went on" if one.overlaps else ""
        title = f"Execution of attempt {one.attempt}: {lasted}{outcome}{overlaps}"
        self._add(row, (kind, tone), (one.began_s, until), title)

    def _add(self, row: Row, piece: tuple[Kind, str], span: tuple[float, float], title: str) -> None:
        """What of it is in the window; ``piece``: its kind and tone."""
        (kind, tone), (begin, end) = piece, span
        low, high = max(begin, self._across.low), min(end, self._across.high)
        if low > high:
            return
        x, to = self._across.place(low), self._across.place(high)
        row.pieces.append(Piece(kind=kind, tone=tone, x=x, width=round(max(to - x, THINNEST), 1), title=title))

    def letters(self, moments: Sequence[Moment]) -> list[Letter]:
        """Each where it happened, or as near as the letters beside it leave room."""
        shown = [m for m in moments if self._across.low <= m.at_s <= self._across.high][-MOST_LETTERS:]
        places = [self._across.place(moment.at_s) for moment in shown]
        xs: list[float] = []
        for at in places:
            xs.append(max(at, xs[-1] + LETTER) if xs else at)
        for n in range(len(xs) - 1, -1, -1):
            xs[n] = round(min(xs[n], xs[n + 1] - LETTER if n + 1 < len(xs) else WIDTH - RIGHT), 1)
        return [
            Letter(at=at, x=x, text=_letter(moment.type), tone=event_style(moment.type).tone, title=_told(moment))
            for moment, at, x in zip(shown, places, xs, strict=True)
        ]


def _end(deliveries: list[Delivery], event: Event, executions: Sequence[Execution]) -> None:
    """Note the end on the open delivery that it names.

    One that names none, as the library's COMPLETED, on that whose execution ended next to it; else on the newest.
    """
    fitting = [n for n, one in enumerate(deliveries) if one.ended_s is None and event.attempt in (None, one.attempt)]
    if not fitting:
        return
    ends = {done.attempt: done.ended_s for done in executions if done.ended_s is not None}
    traced = [n for n in fitting if deliveries[n].attempt in ends]
    if event.attempt is None and traced:
        place = min(traced, key=lambda n: abs(ends[deliveries[n].attempt] - event.at_s))
    else:
        place = fitting[-1]
    ended = {"ended_s": event.at_s, "end": event.type, "code": event.code}
    deliveries[place] = Delivery(**{**vars(deliveries[place]), **ended})


def _with_backoffs(deliveries: Sequence[Delivery]) -> list[Delivery]:
    """A document does not say how long a retry had to wait: it is told until the next delivery began."""
    found = list(deliveries)
    for place, one in enumerate(found[:-1]):
        if one.end == EventType.FAILED and one.ended_s is not None and found[place + 1].began_s > one.ended_s:
            found[place] = Delivery(**{**vars(one), "due_s": found[place + 1].began_s})
    return found


def _axis(course: Course, deliveries: Sequence[Delivery], works: Sequence[Work], left_out: int) -> tuple[float, float]:
    moments = [moment.at_s for moment in course.moments]
    things: list[Delivery | Work] = [*deliveries, *works]
    begins = [one.began_s for one in things]
    begin = min(begins) if left_out else min([*begins, *moments])
    ends = [*begins, *moments]
    ends += [at for one in things if (at := one.ended_s) is not None]
    ends += [at for one in deliveries if one.ended_s is None and (at := one.lease_s) is not None]
    ends += [at for one in deliveries if (at := one.due_s) is not None]
    last = max(ends)
    # A lease of minutes after work of milliseconds would leave nothing of the work to be seen.
    most = begin + 3 * (last - begin)
    leases = [one.lease_s for one in deliveries if one.lease_s is not None and one.lease_s <= most]
    return begin, max([last, *leases])


def _lines(deliveries: Sequence[Delivery], works: Sequence[Work], moments: Sequence[Moment]) -> list[Line]:
    lines = [
        Line(what="Delivery", attempt=one.attempt, worker=one.worker, began_s=one.began_s, ended_s=one.ended_s,
             note=_delivery_note(one), tone=event_style(one.end or EventType.RECEIVED).tone)
        for one in deliveries
    ]  # fmt: skip
    lines += [
        Line(what="Execution", attempt=one.attempt, worker=one.worker, began_s=one.began_s, ended_s=one.ended_s,
             note=_work_note(one), tone="rose" if one.overlaps else "emerald")
        for one in works
    ]  # fmt: skip
    lines += [
        Line(what=_label(moment.type), attempt=moment.attempt, worker="", began_s=moment.at_s,
             ended_s=None, note=moment.code, tone=event_style(moment.type).tone)
        for moment in moments
        if moment.type != EventType.RECEIVED
    ][-MOST_LETTERS:]  # fmt: skip
    return sorted(lines, key=lambda line: line.began_s)


def _delivery_note(one: Delivery) -> str:
    parts = [_label(one.end) if one.end else "no end is known"]
    parts += [one.code] if one.code else []
    parts += [f"lease until {_seconds(one.lease_s)}"] if one.lease_s is not None else []
    parts += [f"retry from {_seconds(one.due_s)} on"] if one.due_s is not None else []
    return ", ".join(parts)


def _work_note(one: Work) -> str:
    parts = [one.outcome] if one.outcome else [] if one.ended_s is not None else ["came to no end"]
    parts += ["while another execution of it went on"] if one.overlaps else []
    return ", ".join(parts)


def _described(deliveries: Iterable[Delivery], works: Sequence[Work]) -> str:
    told = [
        f"attempt {one.attempt} by {one.worker or 'a worker not told'} from {_seconds(one.began_s)}, "
        + (_label(one.end).lower() if one.end else "no end known")
        for one in deliveries
    ]
    overlapping = sum(work.overlaps for work in works)
    said = [f"{len(works)} executions in the ledger, {overlapping} of them overlapping"] if works else []
    return visible("; ".join(told + said)) or "No attempt began."


def _label(event_type: str) -> str:
    """A word of a newer library is its own, made fit to be read."""
    return cut(visible(EventType.label_of(event_type)), 60)


def _letter(event_type: str) -> str:
    return LETTERS[EventType(event_type)] if event_type in LETTERS else "?"


def _told(moment: Moment) -> str:
    attempt = f", attempt {moment.attempt}" if moment.attempt else ""
    code = f", {cut(visible(moment.code), 60)}" if moment.code else ""
    return f"{_label(moment.type)}{attempt}{code}, at {_seconds(moment.at_s)}"


def _length(seconds: float) -> str:
    return duration(max(0.0, seconds) * 1000)


def _seconds(at_s: float) -> str:
    return f"{at_s:,.3f}".rstrip("0").rstrip(".") + " s"
