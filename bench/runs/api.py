"""Runs for programs: start one, follow it, cancel it, read its report, compare two."""

from datetime import datetime
from typing import Annotated, Any, Literal

from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from ninja import Path, Query, Router
from ninja.responses import Status as Answer
from pydantic import BaseModel, ConfigDict, Field

from bench.models import BenchRun
from bench.report.document import Document
from bench.runs import row
from bench.runs.asked import AskedError, chosen, needs_sending, of_name, of_object
from bench.runs.compare import Difference, Measure
from bench.runs.files import FORMATS, ReportFormat, rendered
from bench.runs.form import LARGEST_SEED, SENDING
from bench.runs.page import START
from bench.runs.reading import command_of, comparison_of, document_of
from bench.scenarios.model import RunVerdict
from bench.scenarios.plan import Plan
from commands.api.asked import Number, Paging, Text, cursor_of, number_at
from commands.api.auth import READING, changing, sending_budget
from commands.api.problems import INVALID, ProblemError
from commands.api.schemas import ProblemDetails
from commands.api.values import Whole
from commands.rules.payload import ExactNumber
from commands.rules.words import Engine
from e2e_site.problem import FieldError

_ADDRESS = "/api/v1/runs"
_STARTING = changing(START, "start and cancel runs")

router = Router()


class RunLinks(BaseModel):
    """Addresses of the same site. ``reports``: by format; empty before its end."""

    self: str
    page: str
    reports: dict[str, str]


class RunOut(BaseModel):
    """A run as a list has it."""

    id: int
    state: Literal["waiting", "running", "ended", "canceled", "broken", "lost"]
    silent: bool = Field(description="It says that it runs, and gives no sign of life.")
    ahead: int = Field(description="How many runs are before one that waits.")
    scenario: str
    engines: list[str]
    seed: int
    asked_by: str = Field(description="Empty: the command line.")
    asked_at: datetime
    started_at: datetime | None
    ended_at: datetime | None
    phase: str
    done: int = Field(description="Commands so far.")
    total: int
    canceled_by: str
    verdict: RunVerdict | None
    as_asked: bool | None = Field(description="Whether that is the verdict that its scenario expects.")
    why: str
    links: RunLinks


class RunPage(BaseModel):
    items: list[RunOut]
    next: str | None
    looked: int | None
    reach: datetime | None


class RunDetail(RunOut):
    """One run with what was asked for and, once it has ended, its whole document."""

    command: str = Field(description="The command line that makes the same run again; empty where this version cannot.")
    source: dict[str, Any] = Field(description="The scenario as it was asked for.")
    document: dict[str, Any] | None = Field(description="All about it, format 1; null before its end.")


class RunFilter(Paging):
    scenario: Text = Field("", max_length=60, description="Of this scenario only.")
    verdict: RunVerdict | None = Field(None, description="With this verdict only.")


class StartRunIn(BaseModel):
    """What is to be run."""

    model_config = ConfigDict(extra="forbid")

    scenario: Annotated[str, Field(max_length=60)] | dict[str, Any] = Field(
        description="The name of a shipped one (GET /scenarios), or a whole scenario, as its YAML has it.",
        examples=["smoke"],
    )
    seed: Whole | None = Field(
        None, description=f"0 to {LARGEST_SEED}; the scenario's own if left out.", json_schema_extra={"minimum": 0}
    )
    engine: Engine | None = Field(None, description="Of all its workers; as the scenario says if left out.")


class DifferenceOut(BaseModel):
    """What is not the same in both; empty where one has it not at all."""

    name: str
    a: str
    b: str


class SpreadOut(BaseModel):
    """Of several runs of one scenario and seed."""

    median: float
    low: float
    high: float
    count: int


class MeasureOut(BaseModel):
    """A number of both runs."""

    name: str
    unit: str
    a: float | None
    b: float | None
    change: float | None = Field(description="Percent from a to b, by the medians where there are two.")
    of_a: SpreadOut | None = Field(description="Of all runs like the first, where there are three or more.")
    of_b: SpreadOut | None


class ComparisonOut(BaseModel):
    """What was asked for otherwise, and what came out otherwise."""

    a: RunOut
    b: RunOut
    settings: list[DifferenceOut]
    surroundings: list[DifferenceOut]
    outcome: list[DifferenceOut]
    measures: list[MeasureOut]


@router.get("", auth=READING, operation_id="list_runs", summary="Runs, newest first", response=RunPage)
def listed(request: HttpRequest, query: Query[RunFilter]) -> dict[str, Any]:
    asked = {"scenario": query.scenario, "verdict": query.verdict}
    found = BenchRun.objects.for_list().newest_first().filter(**{name: word for name, word in asked.items() if word})
    before = number_at(query.cursor)
    if before is not None:
        found = found.older_than(before)
    rows = list(found[: query.limit + 1])
    page = rows[: query.limit]
    return {
        "items": [_out(run) for run in page],
        "next": cursor_of(page[-1].run_id) if len(rows) > query.limit else None,
        "looked": None,
        "reach": None,
    }


@router.post(
    "",
    auth=_STARTING,
    operation_id="start_run",
    summary="Have a scenario run",
    response={201: RunDetail, 409: ProblemDetails, 429: ProblemDetails},
)
def start(request: HttpRequest, response: HttpResponse, body: StartRunIn) -> Any:
    """It waits for its turn: runs are worked off one at a time. `GET /runs/{id}` says how far it is."""
    try:
        given = of_name(body.scenario) if isinstance(body.scenario, str) else of_object(_plain(body.scenario))
        scenario = chosen(given, seed=_seed(body), engine=body.engine)
    except AskedError as exc:
        raise ProblemError(422, INVALID, errors=_errors(exc)) from exc
    if needs_sending(scenario):
        _may_send(request, Plan(scenario, scenario.seed).count)
    try:
        run_id = row.ask(scenario, by=request.user.get_username())
    except row.BusyError as exc:
        raise ProblemError(409, str(exc), code="busy") from exc
    response["Location"] = f"{_ADDRESS}/{run_id}"
    return Answer(201, _detail(_known(run_id)))


@router.get(
    "/compare",
    auth=READING,
    operation_id="compare_runs",
    summary="Two runs side by side",
    response={200: ComparisonOut, 404: ProblemDetails, 409: ProblemDetails},
)
def compared(request: HttpRequest, a: Query[Number], b: Query[Number]) -> dict[str, Any]:
    """What changed in the setting, and what changed in the outcome; both have to have ended with a verdict."""
    first, second = _known(a), _known(b)
    found = comparison_of(first, second)
    if found is None:
        without = ", ".join(str(run.run_id) for run in (first, second) if document_of(run.document) is None)
        raise ProblemError(409, f"Without a report there is nothing to compare: run {without}.", code="no_report")
    return {
        "a": _out(first),
        "b": _out(second),
        **{name: list(map(_difference, getattr(found, name))) for name in ("settings", "surroundings", "outcome")},
        "measures": list(map(_measure, found.measures)),
    }


@router.get(
    "/{run_id}",
    auth=READING,
    operation_id="get_run",
    summary="One run",
    response={200: RunDetail, 404: ProblemDetails},
)
def detail(request: HttpRequest, run_id: Path[Number]) -> dict[str, Any]:
    return _detail(_known(run_id))


@router.post(
    "/{run_id}/cancel",
    auth=_STARTING,
    operation_id="cancel_run",
    summary="Cancel a run",
    response={200: RunDetail, 404: ProblemDetails, 409: ProblemDetails},
)
def cancel(request: HttpRequest, run_id: Path[Number]) -> dict[str, Any]:
    """One that waits is over with that; one that runs ends within two seconds, and leaves nothing behind."""
    _known(run_id)
    canceled = row.cancel(run_id, by=request.user.get_username())
    run = _known(run_id)
    if not canceled:
        raise ProblemError(409, f"Run {run_id} was over already: it is {run.state}.", code="over")
    return _detail(run)


@router.get(
    "/{run_id}/report.{kind}",
    auth=READING,
    operation_id="get_run_report",
    summary="The report of a run as a file",
    response={200: Any, 404: ProblemDetails},
    openapi_extra={
        "responses": {
            200: {
                "content": {
                    known.media_type: {"schema": {} if name == "json" else {"type": "string"}}
                    for name, known in FORMATS.items()
                }
            }
        }
    },
)
def report(request: HttpRequest, run_id: Path[Number], kind: ReportFormat) -> HttpResponse:
    """`html`: one page without scripts; `junit`: XML for a CI; `md`: Markdown; `json`: the document, format 1."""
    document = _document(run_id)
    return HttpResponse(
        rendered(document, kind),
        content_type=f"{FORMATS[kind].media_type}; charset=utf-8",
        # Saved, not shown: it brings its own style, which the pages of this site may not have.
        headers={"Content-Disposition": f'attachment; filename="run-{run_id}{FORMATS[kind].suffix}"'},
    )


def _known(run_id: int) -> BenchRun:
    run = BenchRun.objects.shown().filter(run_id=run_id).first()
    if run is None:
        raise ProblemError(404, f"No run has the number {run_id}.")
    return run


def _document(run_id: int) -> Document:
    run = _known(run_id)
    document = document_of(run.document)
    if document is None:
        raise ProblemError(404, f"Run {run_id} has no report: it is {run.state}.", code="no_report")
    return document


def _out(run: BenchRun) -> dict[str, Any]:
    own = f"{_ADDRESS}/{run.run_id}"
    reports = {kind: f"{own}/report.{kind}" for kind in FORMATS} if run.state == "ended" else {}
    named = {name: getattr(run, name) for name in RunOut.model_fields if name not in ("id", "engines", "links")}
    return {
        **named,
        "id": run.run_id,
        "engines": [word for word in run.engines.split(", ") if word],
        "links": {"self": own, "page": reverse("bench_runs:run", args=[run.run_id]), "reports": reports},
    }


def _detail(run: BenchRun) -> dict[str, Any]:
    return {**_out(run), "command": command_of(run), "source": run.source, "document": run.document}


def _seed(body: StartRunIn) -> int | None:
    if body.seed is not None and not 0 <= body.seed <= LARGEST_SEED:
        raise ProblemError(
            422, INVALID, errors=[{"field": "seed", "message": f"seed must be from 0 to {LARGEST_SEED}."}]
        )
    return body.seed


def _may_send(request: HttpRequest, count: int) -> None:
    if not request.auth.may(SENDING):  # type: ignore[attr-defined]  # ninja puts it there
        raise ProblemError(403, f"You need the permission {SENDING} to run a scenario with place: site.")
    sending_budget(request, count)


def _errors(exc: AskedError) -> list[FieldError]:
    return [{"field": _field(problem.field), "message": problem.message} for problem in exc.problems]


def _field(field: str) -> str:
    """Its way in the body."""
    return field if field in ("scenario", "engine") else f"scenario.{field}" if field else "scenario"


def _plain(value: Any) -> Any:
    """JSON with Python's own numbers: a scenario needs no more digits."""
    match value:
        case dict():
            return {key: _plain(inner) for key, inner in value.items()}
        case list():
            return [_plain(inner) for inner in value]
        case ExactNumber():
            return float(value)
        case _:
            return value


def _difference(found: Difference) -> dict[str, Any]:
    return {"name": found.name, "a": found.a, "b": found.b}


def _measure(found: Measure) -> dict[str, Any]:
    spreads = {name: vars(figure) if (figure := getattr(found, name)) else None for name in ("of_a", "of_b")}
    return {"name": found.name, "unit": found.unit, "a": found.a, "b": found.b, "change": found.change, **spreads}
