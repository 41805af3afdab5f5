"""What the statistics answer."""

from datetime import datetime
from typing import Literal
from uuid import UUID

from pydantic import BaseModel, Field

from commands.rules.words import EventType, Status

Mark = Literal["exact", "at_least", "estimated"]


class StatCountOut(BaseModel):
    count: int
    mark: Mark = Field(description="Counted exactly up to 10,000; beyond it at least so many, or estimated.")


class StatusCountOut(StatCountOut):
    status: Status


class QueueOut(BaseModel):
    """How the queue stood: its messages."""

    at: datetime = Field(description="When it was seen.")
    visible: int = Field(description="A worker could take them.")
    in_flight: int = Field(description="Their attempt runs.")
    delayed: int = Field(description="They wait for a retry.")
    oldest_s: float | None = Field(description="Age in seconds of the oldest that a worker could take.")
    tsq: int = Field(description="Commands in the troubleshooting queue.")
    workers: int = Field(description="Live workers.")


class SamplerOut(BaseModel):
    """Who samples what the other figures are read from."""

    sampler: str = Field(description="host:pid; empty before the first.")
    at: datetime | None = Field(description="When it sampled last.")
    silent: bool = Field(description="No one samples: the figures stand since `at`.")


class OverviewOut(BaseModel):
    domain: str
    now: datetime = Field(description="The database's clock.")
    statuses: list[StatusCountOut]
    rejected: StatCountOut = Field(description="Messages that were no command.")
    workers_alive: int
    slots: int = Field(description="Commands that the live workers may perform at the same time.")
    paused: bool
    settings_version: int
    queue: QueueOut | None = Field(description="Its newest sample; null before the first.")
    sampler: SamplerOut


class ActivityOut(BaseModel):
    """One event."""

    audit_id: int
    at: datetime
    event: str = Field(description=f"One of {', '.join(EventType)}, or a word of a newer library.")
    label: str
    command_id: UUID | None = Field(description="Null for a message that was no command.")
    behavior: str | None
    summary: str = Field(description="Its particulars in one line: attempt 2 of 3, TRANSIENT: …")


class RecentActivityOut(BaseModel):
    """The newest events of a domain, newest first."""

    items: list[ActivityOut]
    next: None = None
    looked: None = None
    reach: None = None


class WindowOut(BaseModel):
    """The window as it was read: from `since` up to, and without, `until`, in columns of `width` seconds."""

    domain: str
    since: datetime
    until: datetime
    width: int
    sampler: SamplerOut


class CountsOut(BaseModel):
    """What was counted in `seconds`; null where no one sampled."""

    seconds: float | None = Field(description="What the counts stand for: more than `width` after a gap.")
    sent: int | None
    received: int | None = Field(description="Attempts begun.")
    completed: int | None
    retried: int | None
    parked: int | None
    failed: int | None = Field(description="By a business rule.")
    canceled: int | None
    late: int | None = Field(description="Ends that came too late to count.")
    sent_per_s: float | None
    ended_per_s: float | None = Field(description="completed, parked, failed and canceled, a second.")


class ThroughputColumnOut(CountsOut):
    at: datetime
    open: bool = Field(description="It is not over yet.")


class ThroughputOut(WindowOut):
    total: CountsOut
    columns: list[ThroughputColumnOut]


class PercentilesOut(BaseModel):
    """Milliseconds that so many of 100 did not exceed, within 19 %; null where none was measured."""

    measured: int = Field(description="Every 64th command is.")
    p50_ms: float | None
    p95_ms: float | None
    p99_ms: float | None


class TimesOut(BaseModel):
    waiting: PercentilesOut = Field(description="From being sent to the beginning of the first attempt.")
    running: PercentilesOut = Field(description="From the beginning of an attempt to its end.")


class LatencyColumnOut(TimesOut):
    at: datetime
    open: bool = Field(description="It is not over yet.")


class LatencyOut(WindowOut):
    total: TimesOut
    columns: list[LatencyColumnOut]


class QueueColumnOut(BaseModel):
    """The most of each that was seen in a column, of workers the fewest; null where no one sampled."""

    at: datetime
    open: bool = Field(description="It is not over yet.")
    visible: int | None
    in_flight: int | None
    delayed: int | None
    oldest_s: float | None
    tsq: int | None
    workers: int | None


class QueueWindowOut(WindowOut):
    newest: QueueOut | None = Field(description="The newest sample, whatever the window; null before the first.")
    columns: list[QueueColumnOut]
