"""Statistics: how it stands now, and what the sampler saw over a window of time."""

from collections.abc import Sequence
from typing import Any

from django.http import HttpRequest
from ninja import Query, Router
from pydantic import Field

from commands.api.asked import InDomain, domain_of
from commands.api.auth import READING
from commands.api.lists import MOST as MOST_LISTED
from commands.api.problems import invalid_form
from commands.api.stats_shapes import LatencyOut, OverviewOut, QueueWindowOut, RecentActivityOut, ThroughputOut
from commands.forms.window import DEFAULT_MINUTES, LARGEST_MINUTES, WindowForm
from commands.reads import columns as numbers
from commands.reads import queries
from commands.reads.columns import COUNTS, LEVELS, Column
from commands.reads.events import NIL
from commands.rules.formatting import Count, event_summary
from commands.rules.grid import WIDTHS, Grid
from commands.rules.histogram import Histogram
from commands.rules.words import EventType
from commands.stats import samples
from commands.stats.counts import status_counts
from commands.stats.samples import Sample, Sampler
from e2e_site.named_sql import Row
from e2e_site.shared import Shared
from e2e_site.texts import cut, visible
from settings_app.models import Configuration

MOST_TEXT = 200  # characters of a typed text
SUMMARY_SHOWN = 1000  # characters
MARKS = {"": "exact", "+": "at_least", "≈": "estimated"}
SHARES = {"p50_ms": 0.5, "p95_ms": 0.95, "p99_ms": 0.99}
ENDS = ("completed", "parked", "failed", "canceled")

router = Router()


class RecentQuery(InDomain):
    limit: int = Field(20, ge=1, le=MOST_LISTED, description="The most events.")


class WindowQuery(InDomain):
    minutes: int | None = Field(
        None,
        ge=1,
        le=LARGEST_MINUTES,
        description=f"How long the window is, where since is left out; {DEFAULT_MINUTES} if both are.",
        examples=[15],
    )
    since: str = Field("", max_length=MOST_TEXT, description="A time in UTC, or how long ago: 15min, 24h, 7d.")
    until: str = Field("", max_length=MOST_TEXT, description="A time in UTC, or how long ago; now if left out.")
    width: int | None = Field(
        None,
        description="Seconds of a column; what gives at most 100 columns if left out.",
        json_schema_extra={"enum": [*WIDTHS, None]},
    )


@router.get(
    "/overview",
    auth=READING,
    operation_id="get_overview",
    summary="How the bus stands now",
    response=OverviewOut,
)
def overview(request: HttpRequest, query: Query[InDomain]) -> dict[str, Any]:
    return _overviews.get(domain_of(query.domain))


@router.get(
    "/recent-activity",
    auth=READING,
    operation_id="get_recent_activity",
    summary="The newest events",
    response=RecentActivityOut,
)
def recent_activity(request: HttpRequest, query: Query[RecentQuery]) -> dict[str, Any]:
    rows = queries.newest_events(query.limit, domain=domain_of(query.domain))
    return {"items": [_activity(row) for row in rows]}


@router.get(
    "/throughput",
    auth=READING,
    operation_id="get_throughput",
    summary="What was sent and how it ended, over a window",
    response=ThroughputOut,
)
def throughput(request: HttpRequest, query: Query[WindowQuery]) -> dict[str, Any]:
    asked, columns = _window(query)
    total = _total(columns)
    shown = [{"at": column.at, "open": column.open, **_counts(column.sum)} for column in columns]
    return {**asked, "total": _counts(total), "columns": shown}


@router.get(
    "/latency",
    auth=READING,
    operation_id="get_latency",
    summary="How long commands waited and attempts ran, over a window",
    response=LatencyOut,
)
def latency(request: HttpRequest, query: Query[WindowQuery]) -> dict[str, Any]:
    asked, columns = _window(query)
    shown = [{"at": column.at, "open": column.open, **_times(column.sum)} for column in columns]
    return {**asked, "total": _times(_total(columns)), "columns": shown}


@router.get(
    "/queue",
    auth=READING,
    operation_id="get_queue_depth",
    summary="How long the queue is, and was over a window",
    response=QueueWindowOut,
)
def queue(request: HttpRequest, query: Query[WindowQuery]) -> dict[str, Any]:
    asked, columns = _window(query)
    newest = samples.latest(asked["domain"])
    shown = [{"at": column.at, "open": column.open, **_levels(column.sum)} for column in columns]
    return {**asked, "newest": _queue(newest), "columns": shown}


def _window(query: WindowQuery) -> tuple[dict[str, Any], Sequence[Column]]:
    """What every answer over a window begins with, and the columns."""
    domain, sampler = domain_of(query.domain), samples.sampler()
    given = {name: value for name, value in query.dict().items() if value is not None}
    form = WindowForm(given, now=sampler.now)
    if not form.is_valid():
        raise invalid_form(form)
    grid: Grid = form.grid
    begun = {"domain": domain, "since": grid.since, "until": grid.until, "width": grid.width_s}
    return {**begun, "sampler": _sampler(sampler)}, numbers.read(grid, domain)


def _look(domain: str) -> dict[str, Any]:
    counts, config, sampler = status_counts(domain=domain), Configuration.load(), samples.sampler()
    alive = [worker for worker in queries.workers(domain) if worker["alive"]]
    return {
        "domain": domain,
        "now": sampler.now,
        "statuses": [{"status": status, **_count(count)} for status, count in counts.by_status.items()],
        "rejected": _count(counts.rejected),
        "workers_alive": len(alive),
        "slots": sum(worker["concurrency"] for worker in alive),
        "paused": config.paused,
        "settings_version": config.version,
        "queue": _queue(samples.latest(domain)),
        "sampler": _sampler(sampler),
    }


def _count(count: Count) -> dict[str, Any]:
    return {"count": count.value, "mark": MARKS[count.mark]}


def _sampler(sampler: Sampler) -> dict[str, Any]:
    return {"sampler": sampler.sampler, "at": sampler.at, "silent": sampler.is_silent}


def _activity(row: Row) -> dict[str, Any]:
    summary = ", ".join(map(str, event_summary(row["details"])))
    return {
        "audit_id": row["audit_id"],
        "at": row["ts"],
        "event": row["event_type"],
        "label": EventType.label_of(row["event_type"]),
        "command_id": None if row["command_id"] == NIL else row["command_id"],
        "behavior": row["behavior"],
        "summary": visible(cut(summary, SUMMARY_SHOWN)),
    }


def _total(columns: Sequence[Column]) -> Sample | None:
    seen = [column.sum for column in columns if column.sum]
    return numbers.sum_of(seen, seen[0].at) if seen else None


def _counts(seen: Sample | None) -> dict[str, Any]:
    if seen is None:
        return dict.fromkeys(("seconds", *COUNTS, "sent_per_s", "ended_per_s"))
    ended = sum(getattr(seen, name) for name in ENDS)
    return {
        "seconds": seen.seconds,
        **{name: getattr(seen, name) for name in COUNTS},
        "sent_per_s": round(seen.sent / seen.seconds, 3),
        "ended_per_s": round(ended / seen.seconds, 3),
    }


def _times(seen: Sample | None) -> dict[str, Any]:
    return {name: _percentiles(getattr(seen, name) if seen else Histogram()) for name in ("waiting", "running")}


def _percentiles(histogram: Histogram) -> dict[str, Any]:
    found = {name: histogram.percentile(share) for name, share in SHARES.items()}
    return {"measured": histogram.total, **{name: ms and round(ms, 3) for name, ms in found.items()}}


def _levels(seen: Sample | None) -> dict[str, Any]:
    names = (*LEVELS, "oldest_s", "workers")
    return {name: getattr(seen, name) if seen else None for name in names}


def _queue(seen: Sample | None) -> dict[str, Any] | None:
    return None if seen is None else {"at": seen.at, **_levels(seen)}


_overviews: Shared[str, dict[str, Any]] = Shared(_look)
