"""The newest load test for programs, among the API's statistics, which know this module by its name alone."""

from datetime import datetime
from typing import Any

from django.http import HttpRequest
from ninja import Router
from pydantic import BaseModel, Field

from bench.models import LoadRun
from commands.api.auth import READING
from commands.api.problems import ProblemError
from commands.api.schemas import ProblemDetails

router = Router()


class LoadTestStatsOut(BaseModel):
    """The newest load test; figures are null until it has them."""

    run_id: int
    state: str
    silent: bool = Field(description="It says that it runs, and gives no sign of life.")
    as_expected: bool | None
    verdict: str
    started_at: datetime
    ended_at: datetime | None
    commands: int = Field(description="Commands that were asked for.")
    sent: int
    completed: int
    failed: int
    parked: int
    rates: dict[str, float | None] = Field(description="Per second: asked for, sent, processed.")
    end_to_end_ms: dict[str, float | None] = Field(description="From being sent to the end: p50, p95, p99 and others.")


@router.get(
    "",
    auth=READING,
    operation_id="get_newest_load_test",
    summary="What the newest load test came to",
    response={200: LoadTestStatsOut, 404: ProblemDetails},
)
def newest(request: HttpRequest) -> dict[str, Any]:
    run = LoadRun.objects.with_silence().newest_first().first()
    if run is None:
        raise ProblemError(404, "No load test was run yet: manage.py loadtest runs one.")
    summary = run.summary or {}
    return {
        **{name: getattr(run, name) for name in LoadTestStatsOut.model_fields if hasattr(run, name)},
        "rates": summary.get("rates") or {},
        "end_to_end_ms": (summary.get("latency_ms") or {}).get("end_to_end") or {},
    }
