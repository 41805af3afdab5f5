"""The workers of a domain: those that run, and for ten minutes those that fell silent without having stopped."""

from datetime import datetime
from typing import Any
from uuid import UUID

from django.http import HttpRequest
from ninja import Query, Router
from pydantic import BaseModel, Field

from commands.api.asked import InDomain, domain_of
from commands.api.auth import READING
from commands.reads import queries

router = Router()


class WorkerOut(BaseModel):
    """One run of one worker process. Counts are of its commands since it started."""

    worker_id: UUID
    host: str
    pid: int
    engine: str
    queue_name: str
    alive: bool = Field(description="It gave a sign of life within 10 s.")
    polling: bool = Field(description="It is not notified, and looks at the queue by itself.")
    started_at: datetime
    beat_at: datetime = Field(description="Its last sign of life.")
    settings_version: int = Field(description="The settings that it runs with.")
    overrides: dict[str, Any] = Field(description="Settings of its own.")
    concurrency: int
    in_flight: int
    received: int
    completed: int
    retried: int
    parked: int
    failed: int
    late: int


class WorkersOut(BaseModel):
    """At most 50, the live ones first."""

    items: list[WorkerOut]


@router.get("", auth=READING, operation_id="list_workers", summary="The workers of a domain", response=WorkersOut)
def listed(request: HttpRequest, query: Query[InDomain]) -> dict[str, Any]:
    return {"items": queries.workers(domain_of(query.domain))}
