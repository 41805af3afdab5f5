"""The pages of load tests. A page and its fragment share one ``*_context`` function."""

from typing import Any

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_safe

from bench.loadtest import pictures, styles
from bench.models import LoadRun, LoadSample

PAGE_SIZE = 25
LARGEST_ID = 2**63 - 1


@require_safe
def load_tests(request: HttpRequest) -> HttpResponse:
    return render(request, "bench/load_tests.html", load_tests_context(request.GET.get("before", "")))


def load_tests_context(before: str) -> dict[str, Any]:
    """A page of ``runs``, newest first; ``older``: where the next page begins; ``first``: it is the first page.

    ``now``: the database's clock; None where there is no run.
    """
    runs = LoadRun.objects.for_list().newest_first()
    if before:
        digits = before.isascii() and before.isdecimal() and len(before) <= len(str(LARGEST_ID))
        if not digits or int(before) > LARGEST_ID:
            raise Http404(f"No load test has the number {before}.")
        runs = runs.older_than(int(before))
    found = list(runs[: PAGE_SIZE + 1])
    return {
        "now": found[0].now if found else None,
        "runs": found[:PAGE_SIZE],
        "older": found[PAGE_SIZE - 1].run_id if len(found) > PAGE_SIZE else None,
        "first": not before,
    }


@require_safe
def load_test(request: HttpRequest, run_id: int) -> HttpResponse:
    return render(request, "bench/load_test.html", {**load_test_context(run_id), "live": True})


@require_safe
def load_test_live(request: HttpRequest, run_id: int) -> HttpResponse:
    return render(request, "bench/_load_test.html", load_test_context(run_id))


def load_test_context(run_id: int) -> dict[str, Any]:
    """The ``run`` with ``phase`` in words, its ``summary``, ``points`` and ``charts``; ``running``: more will come.

    ``now``: the database's clock.
    """
    if run_id > LARGEST_ID:
        raise Http404(f"No load test has the number {run_id}.")
    run = get_object_or_404(LoadRun.objects.with_silence(), run_id=run_id)
    running = run.state == "running" and not run.silent
    points = pictures.per_second(LoadSample.objects.points(run_id, pictures.POINTS))
    return {
        "now": run.now,
        "run": run,
        "running": running,
        "phase": styles.PHASES[run.phase],
        "summary": run.summary,
        "points": points,
        "charts": pictures.charts(points) if points else None,
        "silence_s": int(LoadRun.SILENCE.total_seconds()),
        "again": styles.command_line(run.options),
    }
