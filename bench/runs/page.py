"""The pages of runs: all of them, one from its first second to its report, two side by side, and starting one.

A page and its fragment share one ``*_context`` function.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from bench.models import BenchRun
from bench.runs import row
from bench.runs.asked import needs_sending
from bench.runs.form import SENDING, StartForm
from bench.runs.queue import WORK_LOCK
from bench.runs.reading import command_of, comparison_of, document_of, scenario_of, shown_scenarios
from bench.runs.variants import shipped
from bench.scenarios.model import RunVerdict
from bench.scenarios.yaml_file import to_yaml
from commands.reads.listing import LARGEST_NUMBER, Look, number_of, query_of
from e2e_site.access import permission_needed

if TYPE_CHECKING:
    from django.http import QueryDict

    from bench.scenarios.model import Scenario

PAGE_SIZE = 25
START = "bench.add_benchrun"
DEFAULT = "smoke"
_starting = permission_needed(START, "start and cancel runs")


@require_safe
def runs(request: HttpRequest) -> HttpResponse:
    return render(request, "bench/runs/runs.html", {**runs_context(request.GET), "live": True})


@require_safe
def runs_live(request: HttpRequest) -> HttpResponse:
    return render(request, "bench/runs/_runs.html", runs_context(request.GET))


def runs_context(query: QueryDict) -> dict[str, Any]:
    """A page of ``runs``, newest first, and its ``look``; ``first``: it is the ``newest`` page of those that are
    ``asked`` for by scenario and verdict. ``query``: what asks for it. ``now``: the database's clock, None without a
    run. ``open``: one of them is not over. ``unserved``: one waits for a program that is not there.
    """
    asked = {"scenario": query.get("scenario", "")[:60], "verdict": query.get("verdict", "")}
    if asked["verdict"] not in RunVerdict.__members__:
        asked["verdict"] = ""
    before = number_of(query.get("before", ""))
    found = BenchRun.objects.for_list().newest_first().filter(**{name: value for name, value in asked.items() if value})
    if before is not None:
        found = found.older_than(before)
    rows = list(found[: PAGE_SIZE + 1])
    page = rows[:PAGE_SIZE]
    more = query_of({**asked, "before": page[-1].run_id}) if len(rows) > PAGE_SIZE else ""
    return {
        "now": rows[0].now if rows else None,
        "runs": page,
        "look": Look(looked=len(page), most=PAGE_SIZE, found=len(page), more=more),
        "newest": query_of(asked) or "?",
        "query": query_of({**asked, "before": before}),
        "first": before is None,
        "filtered": any(asked.values()),
        "asked": asked,
        "scenarios": sorted({*shipped(), *filter(None, [asked["scenario"]])}),
        "verdicts": RunVerdict.choices(),
        "open": any(not run.is_over and not run.silent for run in page),
        "unserved": any(run.state == "waiting" and run.pid is None for run in page) and not _is_served(),
    }


@require_safe
def run(request: HttpRequest, run_id: int) -> HttpResponse:
    return render(request, "bench/runs/run.html", {**run_context(request, run_id), "live": True})


@require_safe
def run_live(request: HttpRequest, run_id: int) -> HttpResponse:
    return render(request, "bench/runs/_run.html", run_context(request, run_id))


def run_context(request: HttpRequest, run_id: int) -> dict[str, Any]:
    """The ``run``, its ``document`` once it has one; ``followed``: more will come. ``now``: the database's clock.

    ``unserved``: it waits for a program that is not there. ``again``: the command line that makes it again.
    ``before``: the run of the same scenario before it, to compare with.
    """
    found = _known(run_id)
    may_start = request.user.has_perm(START)
    return {
        "now": found.now,
        "run": found,
        "document": document_of(found.document),
        "followed": not found.is_over and not found.silent,
        "unserved": found.state == "waiting" and found.pid is None and not _is_served(),
        "may_cancel": may_start and not found.is_over and not found.silent,
        "may_start": may_start,
        "again": command_of(found),
        "before": _before(found) if found.document else None,
        "silence_s": row.SILENCE_S,
    }


@require_http_methods(["GET", "HEAD", "POST"])
@_starting
def start(request: HttpRequest) -> HttpResponse:
    """Have a run made. ``?scenario=``: that one is chosen; ``?like=``: what that run was asked for is filled in."""
    if request.method != "POST":
        return _start_page(request, StartForm(request.user, initial=_like(request)))
    form = StartForm(request.user, request.POST)
    if not form.is_valid() or form.scenario_to_run is None:
        return _start_page(request, form, status=400)
    return _asked(request, form.scenario_to_run)


@require_POST
@_starting
def again(request: HttpRequest, run_id: int) -> HttpResponse:
    """The same scenario with the same seed once more."""
    scenario = scenario_of(_known(run_id))
    if scenario is None:
        messages.error(request, "This version does not take its scenario any more.")
        return redirect("bench_runs:run", run_id)
    if needs_sending(scenario) and not request.user.has_perm(SENDING):
        messages.error(request, f"It sends into the site's database: you need the permission {SENDING}.")
        return redirect("bench_runs:run", run_id)
    return _asked(request, scenario)


@require_POST
@_starting
def cancel(request: HttpRequest, run_id: int) -> HttpResponse:
    _known(run_id)
    if row.cancel(run_id, by=request.user.get_username()):
        messages.success(request, f"Run {run_id} is canceled. If it goes on, it ends within a few seconds.")
    else:
        messages.warning(request, f"Run {run_id} was over already: nothing was canceled.")
    return redirect("bench_runs:run", run_id)


@require_safe
def compare(request: HttpRequest) -> HttpResponse:
    """Two runs by ``?a=`` and ``?b=``; without them a form that asks for them."""
    a, b = (number_of(request.GET.get(name, "").strip()) for name in ("a", "b"))
    context: dict[str, Any] = {"a": a or "", "b": b or ""}
    if a is not None and b is not None:
        found = [_known(number) for number in (a, b)]
        context |= {"now": found[0].now, "runs": found, "without": [each for each in found if not each.document]}
        if not context["without"]:
            context["comparison"] = comparison_of(*found)
    return render(request, "bench/runs/compare.html", context)


def _start_page(request: HttpRequest, form: StartForm, *, status: int = 200) -> HttpResponse:
    context = {"form": form, "scenarios": shown_scenarios(), "unserved": not _is_served()}
    return render(request, "bench/runs/start.html", context, status=status)


def _asked(request: HttpRequest, scenario: Scenario) -> HttpResponse:
    try:
        run_id = row.ask(scenario, by=request.user.get_username())
    except row.BusyError as exc:
        messages.error(request, str(exc))
        return redirect("bench_runs:runs")
    return redirect("bench_runs:run", run_id)


def _like(request: HttpRequest) -> dict[str, Any]:
    like = number_of(request.GET.get("like", ""))
    scenario = None if like is None else scenario_of(_known(like))
    return {"text": to_yaml(scenario)} if scenario else {"scenario": request.GET.get("scenario", DEFAULT)}


def _before(found: BenchRun) -> int | None:
    earlier = BenchRun.objects.filter(scenario=found.scenario, state="ended", run_id__lt=found.run_id)
    return earlier.newest_first().values_list("run_id", flat=True).first()


def _known(run_id: int) -> BenchRun:
    if run_id > LARGEST_NUMBER:
        raise Http404(f"No run has the number {run_id}.")
    return get_object_or_404(BenchRun.objects.shown(), run_id=run_id)


def _is_served() -> bool:
    """Whether `manage.py bench work` is there."""
    return bool(row.SQL.rows("served", lock=WORK_LOCK)[0]["served"])
