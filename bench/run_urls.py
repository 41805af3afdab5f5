from django.urls import path

from bench.invariants import page

app_name = "bench_runs"
urlpatterns = [
    path("check/", page.page, name="check"),
]
