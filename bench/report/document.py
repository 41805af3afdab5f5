"""The document of a run, format 1: what the conductor writes, and page, reports and comparison read. Pure.

Times are seconds after sending began (``at_s``) by the server's clock, unless a name says otherwise.

``Document.capacity`` is there where a run looked for the highest rate that is kept up (`bench.capacity`)::

    {"p99_ms": 50.0,                 what p99 from due to end may not exceed
     "seconds": 10.0, "engine": "native", "workers": 1, "slots": 200,     how each rate was offered
     "tries": [                      each rate that was offered, in that order: the points of the chart
         {"trial": 1, "rate": 4000.0, "p50_ms": 6.1, "p99_ms": 14.8, "growth": 0.4, "delay_p99_ms": 5.3,
          "kept": true,              whether it was kept up; null: the sender could not offer it
          "why": "kept up"}],
     "knee": 5200.0,                 the median of the searches, commands/s; null: nothing was kept up
     "at_least": false,              whether the knee was not reached: the sender, or the bounds, came first
     "knees": [5200.0, 5000.0, 5400.0], "spread": [5000.0, 5400.0],       what each search found; null for no spread
     "limit": {"resource": "processor of a worker", "why": "…", "shares": {"machine": 91.0, "worker": 96.2}}}
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from bench.scenarios.model import RunVerdict
from commands.rules.words import Word

FORMAT = 1
MOST_SAMPLES = 32  # of commands behind each number, of violators of each invariant
MOST_STORIES = 200  # commands told in full
MOST_LANES = 10_000  # executions in the swimlane


class CommandVerdict(Word):
    """Whether one command came to what had to become of it."""

    MATCH = "MATCH", "As expected"
    ALLOWED = "ALLOWED", "Allowed by a fault"  # in the set only because of an injected fault
    KNOWN = "KNOWN", "Known deviation"  # of the engine, by the oracle as_built
    MISMATCH = "MISMATCH", "Not as expected"
    STUCK = "STUCK", "Not final in time"
    LOST = "LOST", "Lost"  # acknowledged, and not there
    UNKNOWN = "UNKNOWN", "Unknown"  # the sender never heard whether it was taken


class RuleWord(Word):
    """What a checker found."""

    HOLDS = "HOLDS", "Holds"
    BROKEN = "BROKEN", "Broken"
    UNKNOWN = "UNKNOWN", "Not decided"  # not quiet, no ledger, or the checker itself failed
    NOT_ASKED = "NOT_ASKED", "Not asked"  # it says nothing about such a run


class Part(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Head(Part):
    """``why``: the verdict in one sentence. ``command``: the command line that makes the same run again."""

    run: int
    scenario: str
    about: str
    seed: int
    engines: list[str]
    verdict: RunVerdict
    expected_verdict: RunVerdict
    why: str
    unknowns: list[str] = []
    state: Literal["ended", "canceled", "broken"] = "ended"
    started_at: str
    ended_at: str
    seconds: float
    command: str


class Accounting(Part):
    """attempted = acknowledged + errors + unknown.

    acknowledged = completed + failed + parked + canceled + stuck + lost.

    ``recovered``: of the unknown, those that are there. ``duplicate_*``: deliveries, effects and replies beyond the
    first, as counts of commands.
    """

    attempted: int
    acknowledged: int
    errors: int
    unknown: int
    duplicates_refused: int = 0
    recovered: int
    completed: int
    failed: int
    parked: int
    canceled: int
    stuck: int
    lost: int
    unexpected: int
    duplicate_deliveries: int
    duplicate_effects: int
    duplicate_replies: int
    samples: dict[str, list[str]] = Field(default={}, description="ids of commands behind each number")


class Cell(Part):
    """The commands of one behavior that have one status. ``attempts``: how many had so many, by number as text."""

    status: str
    count: int
    expected: bool
    attempts: dict[str, int]
    verdicts: dict[str, int]
    commands: list[str]


class Row(Part):
    """One row of the matrix expected by actual. ``attempts``: least and most expected, without faults."""

    behavior: str
    said: str = Field(description="what had to happen, in words")
    expected: list[str]
    attempts: tuple[int, int]
    sent: int
    cells: list[Cell]


class Event(Part):
    at_s: float
    type: str
    attempt: int | None = None
    worker: str = ""
    code: str = ""


class Execution(Part):
    """One execution of a handler, by the ledger. ``ended_s`` None: it came to no end."""

    command_id: str
    attempt: int
    worker: str
    lane: int = 0
    began_s: float
    ended_s: float | None
    outcome: str = ""
    overlaps: bool = False


class Story(Part):
    """A command told in full."""

    command_id: str
    behavior: str
    verdict: CommandVerdict
    why: str
    word: str
    expected: str = Field(description="a regular expression for the word")
    status: str
    events: list[Event]
    executions: list[Execution]
    lease_s: float


class Sample(Part):
    command_id: str | None
    detail: str
    word: str = ""


class Rule(Part):
    """What an invariant came to. ``when``: A at any time, Q when quiet. ``sql``: the query that lists violators.

    ``deviations``: those of the library's worker that break it, which a scenario may name as known.
    """

    id: str
    text: str
    when: Literal["A", "Q"]
    word: RuleWord
    checked: int | None = None
    violations: int = 0
    samples: list[Sample] = []
    why: str = ""
    sql: str = ""
    deviations: list[str] = []

    def known_by(self, scenario: dict[str, Any]) -> list[str]:
        """Where it is broken: those of its deviations that the scenario names as known; else none."""
        known = scenario.get("expect", {}).get("known", ())
        return [one for one in self.deviations if one in known] if self.word is RuleWord.BROKEN else []


class Criterion(Part):
    """Something that had to hold, and what was seen. ``held`` None: it could not be told."""

    text: str
    held: bool | None
    seen: str = ""


class FaultRecord(Part):
    """``fired``: whether it really happened; None: it could not be told."""

    do: str
    id: str = Field(description="F1 to F24, or a word")
    text: str
    planned_s: float
    began_s: float | None
    ended_s: float | None
    fired: bool | None
    detail: str = ""
    criteria: list[Criterion] = []


class Point(Part):
    """What was seen at one moment; counts since sending began."""

    at_s: float
    offered: int = 0
    sent: int = 0
    received: int = 0
    ended: int = 0
    visible: int = 0
    leased: int = 0
    delayed: int = 0
    oldest_s: float = 0
    p50_ms: float | None = None
    p95_ms: float | None = None
    p99_ms: float | None = None
    processor: float | None = Field(default=None, description="percent of all processors")


class Latency(Part):
    """Milliseconds. A percentile with fewer than 10 commands beyond it is None. ``spectrum``: shares and times."""

    name: Literal["pickup", "service", "end_to_end", "send_delay"]
    n: int
    p50: float | None
    p90: float | None
    p99: float | None
    p999: float | None
    most: float | None
    spectrum: list[tuple[float, float]] = []


class Cost(Part):
    name: str
    value: float | None
    unit: str
    per_command: float | None = None


class Deviation(Part):
    id: str
    text: str
    word: Literal["present", "fixed", "not_exercised"]
    commands: list[str] = []


class Document(Part):
    """Everything about a run that has ended."""

    format: Literal[1] = 1
    head: Head
    scenario: dict[str, Any]
    versions: dict[str, str]
    environment: dict[str, Any]
    fleet: list[dict[str, Any]]
    accounting: Accounting
    verdicts: dict[str, int]
    matrix: list[Row]
    rules: list[Rule]
    expectations: list[Criterion]
    sometimes: list[Criterion]
    faults: list[FaultRecord]
    phases: list[tuple[str, float, float]]
    points: list[Point]
    latency: list[Latency]
    lanes: list[Execution]
    stories: list[Story]
    costs: list[Cost]
    deviations: list[Deviation] = []
    capacity: dict[str, Any] | None = None


# What a sentence about a run names first.
WORST: tuple[CommandVerdict, ...] = (
    CommandVerdict.LOST,
    CommandVerdict.MISMATCH,
    CommandVerdict.STUCK,
    CommandVerdict.KNOWN,
)
