"""The swimlane of a run: every execution as a bar in the lane of the worker's slot that had it. Pure.

What overlaps another execution of the same command is red; a mark stands where the lease of an execution ran out that
had not ended by then.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bench.report.document import MOST_LANES
from bench.report.pictures import span, stretches
from e2e_site.charts.geometry import shades_of
from e2e_site.charts.scales import Scale, short
from e2e_site.charts.shapes import Tick

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from bench.report.document import Document, Execution
    from e2e_site.charts.shapes import Shade

WIDTH, LEFT, RIGHT, TOP, FOOT = 960.0, 84.0, 14.0, 18.0, 24.0
TALL, LOW, FEW = 14.0, 8.0, 24  # heights of a lane; so many may be tall
MOST_ROWS = 160
MOST_TOLD = 100  # in the table of those that overlap or have no end
THINNEST = 0.8
NAME_SHOWN = 12


@dataclass(frozen=True, kw_only=True)
class Bars:
    """Bars of one kind, as SVG path data."""

    kind: str
    path: str


@dataclass(frozen=True, kw_only=True)
class Name:
    """Of a worker, beside the first of its lanes."""

    y: float
    text: str


@dataclass(frozen=True, kw_only=True)
class Told:
    """An execution that overlaps another, or has no end: a line of the table."""

    execution: Execution
    why: str


@dataclass(frozen=True, kw_only=True)
class Swimlane:
    """What a template draws. ``left_out``: executions beyond those that are drawn; ``more``: lines beyond the table."""

    names: Sequence[Name]
    bars: Sequence[Bars]
    edges: str
    rules: str
    ticks: Sequence[Tick]
    shades: Sequence[Shade]
    lanes: int
    drawn: int
    overlapping: int
    unended: int
    left_out: int
    told: Sequence[Told]
    more: int
    bottom: float

    width, left, top = WIDTH, LEFT, TOP
    right = WIDTH - RIGHT

    @property
    def height(self) -> float:
        return self.bottom + FOOT

    @property
    def plot_height(self) -> float:
        return self.bottom - TOP

    @property
    def description(self) -> str:
        return (
            f"{self.drawn:,} executions in {self.lanes:,} lanes, one for each slot of each worker; "
            f"{self.overlapping:,} overlap another of the same command, {self.unended:,} have no end."
        )


def swimlane(document: Document) -> Swimlane | None:
    """None where no execution is known."""
    executions = sorted(document.lanes[:MOST_LANES], key=lambda done: done.began_s)
    if not executions:
        return None
    lease_s = _lease_s(document)
    begin, end = span(document)
    across = Scale.of_range([min(begin, executions[0].began_s), end], start=LEFT, end=WIDTH - RIGHT, log=False)
    slots = _slots(executions, lease_s, end)
    rows = [(worker, slot) for worker, slots_of in slots.items() for slot in slots_of]
    shown, height = rows[:MOST_ROWS], TALL if len(rows) <= FEW else LOW
    drawn = [done for _, slot in shown for done in slot]
    notable = [told for done in executions if (told := _told(done))]
    return Swimlane(
        names=_names(shown, height),
        bars=_bars(shown, across, height, lease_s, end),
        edges=_edges(shown, across, height, lease_s),
        rules=_rules(shown, height),
        ticks=[Tick(at=across.place(tick), label=short(tick)) for tick in across.ticks],
        shades=shades_of(stretches(document.faults), across),
        lanes=len(rows),
        drawn=len(drawn),
        overlapping=sum(done.overlaps for done in executions),
        unended=sum(done.ended_s is None for done in executions),
        left_out=len(document.lanes) - len(drawn),
        told=notable[:MOST_TOLD],
        more=max(0, len(notable) - MOST_TOLD),
        bottom=TOP + height * len(shown),
    )


def _lease_s(document: Document) -> float | None:
    found = document.scenario.get("bus", {}).get("visibility_timeout")
    return float(found) if isinstance(found, int | float) else None


def _until(done: Execution, lease_s: float | None, end: float) -> float:
    """How far it is drawn. Of one without an end nobody knows how long it worked: its lease, at most."""
    if done.ended_s is not None:
        return done.ended_s
    return max(done.began_s, min(end, done.began_s + (lease_s or 0.0)))


def _slots(executions: Iterable[Execution], lease_s: float | None, end: float) -> dict[str, list[list[Execution]]]:
    """By worker, as few lanes as hold its executions without two at the same time in one of them."""
    slots: dict[str, list[list[Execution]]] = defaultdict(list)
    for done in executions:
        of_worker = slots[done.worker]
        free = (slot for slot in of_worker if _until(slot[-1], lease_s, end) <= done.began_s)
        slot = next(free, None)
        if slot is None:
            of_worker.append([done])
        else:
            slot.append(done)
    return dict(sorted(slots.items()))


def _bars(
    rows: Sequence[tuple[str, list[Execution]]], across: Scale, height: float, lease_s: float | None, end: float
) -> list[Bars]:
    paths: dict[str, list[str]] = {kind: [] for kind in ("ok", "raised", "unended", "overlaps")}
    for place, (_, slot) in enumerate(rows):
        y, tall = TOP + height * place + 1, height - 2
        for done in slot:
            x, to = across.place(done.began_s), across.place(_until(done, lease_s, end))
            wide = max(THINNEST, round(to - x, 1))
            paths[_kind(done)].append(f"M{x:g} {y:g}h{wide:g}v{tall:g}h-{wide:g}z")
    return [Bars(kind=kind, path="".join(path)) for kind, path in paths.items() if path]


def _kind(done: Execution) -> str:
    if done.overlaps:
        return "overlaps"
    if done.ended_s is None:
        return "unended"
    return "ok" if done.outcome in ("", "ok") else "raised"


def _edges(rows: Sequence[tuple[str, list[Execution]]], across: Scale, height: float, lease_s: float | None) -> str:
    """A mark across the lane for each execution that its lease did not cover."""
    if lease_s is None:
        return ""
    return "".join(
        f"M{across.place(done.began_s + lease_s):g} {TOP + height * place:g}v{height:g}"
        for place, (_, slot) in enumerate(rows)
        for done in slot
        if done.began_s + lease_s <= across.high and (done.ended_s is None or done.ended_s > done.began_s + lease_s)
    )


def _names(rows: Sequence[tuple[str, list[Execution]]], height: float) -> list[Name]:
    """Where a worker has one low lane, its name would run into the next: those are left out."""
    names: list[Name] = []
    for place, (worker, _) in enumerate(rows):
        y = TOP + height * (place + 0.5)
        first = place == 0 or rows[place - 1][0] != worker
        if first and (not names or y - names[-1].y >= 11):
            text = worker if len(worker) <= NAME_SHOWN else f"{worker[: NAME_SHOWN - 1]}…"
            names.append(Name(y=y, text=text))
    return names


def _rules(rows: Sequence[tuple[str, list[Execution]]], height: float) -> str:
    """A line above the first lane of each worker."""
    return "".join(
        f"M{LEFT:g} {TOP + height * place:g}H{WIDTH - RIGHT:g}"
        for place, (worker, _) in enumerate(rows)
        if place == 0 or rows[place - 1][0] != worker
    )


def _told(done: Execution) -> Told | None:
    why = ["overlaps another execution of its command"] if done.overlaps else []
    why += ["came to no end"] if done.ended_s is None else []
    return Told(execution=done, why=", ".join(why)) if why else None
