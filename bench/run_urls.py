"""The addresses of runs and of checks, below /runs/."""

from django.urls import path

from bench.invariants import page as checks
from bench.runs import page

app_name = "bench_runs"
urlpatterns = [
    path("", page.runs, name="runs"),
    path("live/", page.runs_live, name="runs_live"),
    path("new/", page.start, name="start"),
    path("compare/", page.compare, name="compare"),
    path("check/", checks.page, name="check"),
    path("<int:run_id>/", page.run, name="run"),
    path("<int:run_id>/live/", page.run_live, name="run_live"),
    path("<int:run_id>/cancel/", page.cancel, name="cancel"),
    path("<int:run_id>/again/", page.again, name="again"),
]
