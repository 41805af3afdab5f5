"""What the templates of a run's document show, worked out of it: numbers that lead to their commands, a matrix with all
of its columns, and the drawings. Pure.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bench.report.close_up import close_up, of_story
from bench.report.document import MOST_STORIES, CommandVerdict, RuleWord
from bench.report.lanes import swimlane
from bench.report.pictures import LATENCY_NAMES, knee, spectrum, thinned, timelines
from bench.report.styles import COMMAND_STYLES, VERDICT_STYLES
from bench.scenarios.model import Place
from commands.rules.formatting import Style
from commands.rules.words import Status
from e2e_site.charts.sparkline import sparkline

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from bench.report.close_up import CloseUp
    from bench.report.document import Cell, Document, Latency, Point, Row, Rule, Story
    from bench.report.lanes import Swimlane
    from bench.report.pictures import Picture
    from e2e_site.charts.sparkline import Sparkline

MOST_FACTS = 200  # of the environment
MOST_NUMBERS = 60  # points in the table below the timelines
FACT_SHOWN = 300  # characters

_RULE_ORDER = (RuleWord.BROKEN, RuleWord.UNKNOWN, RuleWord.HOLDS, RuleWord.NOT_ASKED)

# The sums of the accounting line: a total, and what it must be made of.
_SUMS = (
    ("attempted", ("acknowledged", "errors", "unknown")),
    ("acknowledged", ("completed", "failed", "parked", "canceled", "stuck", "lost")),
)
_BESIDE = (
    *("recovered", "unexpected", "duplicates_refused"),
    *("duplicate_deliveries", "duplicate_effects", "duplicate_replies"),
)
_WORDS = {
    "parked": "in TSQ",
    "recovered": "of the unknown found",
    "unexpected": "there and never sent",
    "duplicates_refused": "refused as known already",
    "duplicate_deliveries": "delivered again",
    "duplicate_effects": "done more than once",
    "duplicate_replies": "answered more than once",
}
_BAD = frozenset({"lost", "stuck", "unexpected"})


@dataclass(frozen=True, kw_only=True)
class Number:
    """A number of the accounting line. ``anchor``: where its commands stand, "" where none are listed."""

    words: str
    value: int
    anchor: str
    bad: bool = False


@dataclass(frozen=True, kw_only=True)
class Sum:
    total: Number
    parts: Sequence[Number]
    agrees: bool


@dataclass(frozen=True, kw_only=True)
class Behind:
    """The commands behind a number, as many as the document has."""

    anchor: str
    title: str
    count: int
    commands: Sequence[str]


@dataclass(frozen=True, kw_only=True)
class ShownCell:
    cell: Cell
    anchor: str
    attempts: str
    spark: Sparkline


@dataclass(frozen=True, kw_only=True)
class ShownRow:
    """``cells``: one for each column, None where no command is."""

    row: Row
    attempts: str
    cells: Sequence[ShownCell | None]


@dataclass(frozen=True, kw_only=True)
class ShownStory:
    story: Story
    picture: CloseUp | None
    style: Style


@dataclass(frozen=True, kw_only=True)
class ShownLatency:
    name: str
    latency: Latency


@dataclass(frozen=True, kw_only=True)
class Shown:
    """Everything, in the order of the page. ``told``: the ids of commands that have a story. ``on_site``: the commands
    are those of the site, so that each has a page."""

    document: Document
    on_site: bool
    as_expected: bool
    style: Style
    sums: Sequence[Sum]
    beside: Sequence[Number]
    verdicts: Sequence[tuple[CommandVerdict, Style, int]]
    statuses: Sequence[str]
    matrix: Sequence[ShownRow]
    rules: Sequence[Rule]
    timelines: Sequence[Picture]
    points: Sequence[Point]
    swimlane: Swimlane | None
    spectrum: Picture
    knee: Picture | None
    latency: Sequence[ShownLatency]
    environment: Sequence[tuple[str, str]]
    scenario: str
    behind: Sequence[Behind]
    stories: Sequence[ShownStory]
    told: frozenset[str]


def shown(document: Document) -> Shown:
    head = document.head
    stories = document.stories[:MOST_STORIES]
    statuses = _statuses(document)
    return Shown(
        document=document,
        on_site=document.scenario.get("place") == Place.SITE,
        as_expected=head.verdict == head.expected_verdict,
        style=VERDICT_STYLES[head.verdict],
        sums=[_sum(document, total, parts) for total, parts in _SUMS],
        beside=[_number(document, name) for name in _BESIDE],
        verdicts=[(v, COMMAND_STYLES[v], document.verdicts[v]) for v in CommandVerdict if document.verdicts.get(v)],
        statuses=statuses,
        matrix=[_row(row, statuses) for row in document.matrix],
        rules=sorted(document.rules, key=lambda rule: _RULE_ORDER.index(rule.word)),
        timelines=timelines(document),
        points=thinned(document.points, MOST_NUMBERS),
        swimlane=swimlane(document),
        spectrum=spectrum(document.latency),
        knee=knee(document.capacity["tries"], document.capacity["p99_ms"]) if document.capacity else None,
        latency=[ShownLatency(name=LATENCY_NAMES[one.name], latency=one) for one in document.latency],
        environment=list(facts(document.environment))[:MOST_FACTS],
        scenario=json.dumps(document.scenario, indent=2, ensure_ascii=False),
        behind=list(_behind(document)),
        stories=[_story(story) for story in stories],
        told=frozenset(story.command_id for story in stories),
    )


def facts(values: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, str]]:
    """Nested values as lines: the way to each, and its text."""
    for key, value in values.items():
        name = f"{before} {key}".strip().replace("_", " ")
        if isinstance(value, dict):
            yield from facts(value, name)
        else:
            text = _fact(value)
            yield name, text if len(text) <= FACT_SHOWN else f"{text[: FACT_SHOWN - 1]}…"


def _fact(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(map(str, value))
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "not known" if value is None else str(value) or "none"


def words_of(name: str) -> str:
    """What a number of the accounting line is called."""
    return _WORDS.get(name, name.replace("_", " "))


def attempts_text(low: int, high: int) -> str:
    return f"{low}" if low == high else f"{low} to {high}"


def seen_attempts(attempts: Mapping[str, int]) -> list[tuple[int, int]]:
    """How many commands had how many attempts, in order."""
    return sorted((int(number), count) for number, count in attempts.items() if number.isascii() and number.isdigit())


def _number(document: Document, name: str) -> Number:
    value = getattr(document.accounting, name)
    anchor = f"behind-{name}" if document.accounting.samples.get(name) else ""
    return Number(words=words_of(name), value=value, anchor=anchor, bad=name in _BAD and value > 0)


def _sum(document: Document, total: str, parts: Sequence[str]) -> Sum:
    whole, numbers = _number(document, total), [_number(document, part) for part in parts]
    return Sum(total=whole, parts=numbers, agrees=whole.value == sum(number.value for number in numbers))


def _statuses(document: Document) -> list[str]:
    """Columns of the matrix: what had to be and what was, in the order of `Status`; words that are none come last."""
    there = {cell.status for row in document.matrix for cell in row.cells}
    there |= {status for row in document.matrix for status in row.expected}
    known = [status.value for status in Status if status in there]
    return known + sorted(there.difference(known))


def _row(row: Row, statuses: Sequence[str]) -> ShownRow:
    by_status = {cell.status: cell for cell in row.cells}
    return ShownRow(
        row=row,
        attempts=attempts_text(*row.attempts),
        cells=[_cell(row, by_status[status]) if status in by_status else None for status in statuses],
    )


def _cell(row: Row, cell: Cell) -> ShownCell:
    attempts = seen_attempts(cell.attempts)
    names = [f"{number} attempt{'' if number == 1 else 's'}" for number, _ in attempts]
    return ShownCell(
        cell=cell,
        anchor=_cell_anchor(row.behavior, cell.status) if cell.commands else "",
        attempts=", ".join(f"{number}: {count:,}" for number, count in attempts),
        spark=sparkline([count for _, count in attempts], names),
    )


def _cell_anchor(behavior: str, status: str) -> str:
    """Both are words from outside, so an id is made of what letters they have."""
    return "cell-" + "-".join("".join(c if c.isalnum() else "_" for c in word) for word in (behavior, status))


def _behind(document: Document) -> Iterator[Behind]:
    samples = document.accounting.samples
    names = [name for total, parts in _SUMS for name in (total, *parts)] + list(_BESIDE)
    for name in dict.fromkeys([*names, *samples]):  # in the order of the line, and each once
        if commands := samples.get(name):
            count = getattr(document.accounting, name, len(commands))
            yield Behind(anchor=f"behind-{name}", title=words_of(name), count=count, commands=commands)
    for row in document.matrix:
        for cell in row.cells:
            if cell.commands:
                title = f"{row.behavior}: {Status.label_of(cell.status)}"
                anchor = _cell_anchor(row.behavior, cell.status)
                yield Behind(anchor=anchor, title=title, count=cell.count, commands=cell.commands)


def _story(story: Story) -> ShownStory:
    return ShownStory(story=story, picture=close_up(of_story(story)), style=COMMAND_STYLES[story.verdict])
