"""The last check of the invariants for programs, and a new one."""

from datetime import datetime
from typing import Any, Literal

from django.http import HttpRequest
from ninja import Query, Router, Status
from pydantic import BaseModel, ConfigDict, Field

from bench.invariants.site import CheckUnderWayError, begin_check
from bench.models import BenchCheck
from commands.api.asked import DOMAIN_LENGTH, InDomain, Text, domain_of
from commands.api.auth import READING, changing
from commands.api.problems import ProblemError
from commands.api.schemas import ProblemDetails
from commands.rules.words import DOMAIN

router = Router()


class SampleOut(BaseModel):
    """Something that breaks a rule."""

    command_id: str | None
    detail: str
    word: str = Field(description="Its events, one letter each (docs/bench-invariants.md).")


class RuleOut(BaseModel):
    """One invariant."""

    id: str
    text: str
    when: Literal["A", "Q"] = Field(description="A: asked at any time; Q: when the queue is empty.")
    word: Literal["HOLDS", "BROKEN", "UNKNOWN", "NOT_ASKED"]
    checked: int | None
    violations: int
    samples: list[SampleOut] = Field(description="At most 32 of the violations.")
    why: str = Field(description="Why it was not decided, or not asked.")
    deviations: list[str] = Field(description="Known deviations of the library's worker that break it.")


class CheckOut(BaseModel):
    check_id: int
    domain: str
    at: datetime
    age_s: float = Field(description="Seconds since then, by the server's clock.")
    verdict: Literal["PASS", "FAIL", "UNKNOWN"]
    why: str
    commands: int = Field(description="Commands that were checked.")
    seconds: float = Field(description="How long it took.")
    rules: list[RuleOut]


class UnderWayOut(BaseModel):
    """It takes longer than a request may: ask for the last check again."""

    domain: str
    under_way: Literal[True] = True


class CheckIn(BaseModel):
    model_config = ConfigDict(extra="forbid")

    domain: Text = Field(min_length=1, max_length=DOMAIN_LENGTH, json_schema_extra={"examples": [DOMAIN]})


@router.get(
    "",
    auth=READING,
    operation_id="get_verdict",
    summary="What the last check of the invariants came to",
    response={200: CheckOut, 404: ProblemDetails},
)
def newest(request: HttpRequest, query: Query[InDomain]) -> dict[str, Any]:
    return _found(domain_of(query.domain))


@router.post(
    "",
    auth=changing("bench.add_benchcheck", "check the invariants"),
    operation_id="make_verdict",
    summary="Check the invariants now",
    response={200: CheckOut, 202: UnderWayOut, 409: ProblemDetails},
)
def make(request: HttpRequest, body: CheckIn) -> Any:
    """Workers go on meanwhile. 202 where it takes longer than a request may; 409 where one is under way already."""
    domain = domain_of(body.domain)
    try:
        ended = begin_check(domain)
    except CheckUnderWayError as exc:
        raise ProblemError(409, str(exc)) from exc
    return Status(200, _found(domain)) if ended else Status(202, {"domain": domain})


def _found(domain: str) -> dict[str, Any]:
    check = BenchCheck.objects.newest(domain)
    if check is None:
        raise ProblemError(
            404, f"Domain {domain} was never checked: POST /api/v1/verdict or manage.py bench check does."
        )
    return {**vars(check), "age_s": (check.now - check.at).total_seconds()}
