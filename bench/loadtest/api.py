"""Load tests for programs: all of them, newest first, and one with its figures and points."""

from datetime import datetime
from typing import Any

from django.http import HttpRequest
from ninja import Path, Query, Router
from pydantic import BaseModel, Field

from bench.loadtest import pictures
from bench.models import LoadRun, LoadSample
from commands.api.asked import Number, Paging, cursor_of, number_at
from commands.api.auth import READING
from commands.api.problems import ProblemError
from commands.api.schemas import ProblemDetails

router = Router()


class LoadTestBase(BaseModel):
    run_id: int
    state: str
    phase: str
    silent: bool = Field(description="It says that it runs, and gives no sign of life.")
    host: str
    pid: int
    options: Any = Field(description="What was asked for.")
    started_at: datetime
    sending_at: datetime | None
    ended_at: datetime | None
    commands: int = Field(description="How many were to be sent.")
    sent: int
    received: int
    completed: int
    failed: int
    parked: int
    as_expected: bool | None
    verdict: str


class LoadTestOut(LoadTestBase):
    per_s: float | None = Field(description="Commands processed a second.")
    p99_ms: float | None = Field(description="99 of 100 commands took no longer from sending to their end.")


class PointOut(BaseModel):
    """One moment of a run, or the highest of several."""

    at_s: float = Field(description="Seconds since sending began.")
    sent: int
    received: int
    ended: int
    waiting: int
    in_progress: int
    p50_ms: float | None
    p95_ms: float | None
    p99_ms: float | None
    sent_per_s: float | None
    received_per_s: float | None
    ended_per_s: float | None


class LoadTestDetail(LoadTestBase):
    summary: Any = Field(description="All its figures; null before its end.")
    points: list[PointOut]


class LoadTestPage(BaseModel):
    items: list[LoadTestOut]
    next: str | None
    looked: int | None
    reach: datetime | None


@router.get("", auth=READING, operation_id="list_load_tests", summary="Load tests, newest first", response=LoadTestPage)
def listed(request: HttpRequest, query: Query[Paging]) -> dict[str, Any]:
    runs = LoadRun.objects.for_list().newest_first()
    before = number_at(query.cursor)
    if before is not None:
        runs = runs.older_than(before)
    rows = list(runs[: query.limit + 1])
    found = rows[: query.limit]
    more = len(rows) > query.limit
    items = [vars(run) for run in found]
    return {"items": items, "next": cursor_of(found[-1].run_id) if more else None, "looked": None, "reach": None}


@router.get(
    "/{run_id}",
    auth=READING,
    operation_id="get_load_test",
    summary="One load test",
    response={200: LoadTestDetail, 404: ProblemDetails},
)
def detail(request: HttpRequest, run_id: Path[Number]) -> dict[str, Any]:
    run = LoadRun.objects.with_silence().filter(run_id=run_id).first()
    if run is None:
        raise ProblemError(404, f"No load test has the number {run_id}.")
    points = pictures.per_second(LoadSample.objects.points(run_id, pictures.POINTS))
    return {**vars(run), "points": points}
