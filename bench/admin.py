"""Load tests and runs in the admin: to look at; load tests also to delete, for who may."""

from typing import Any

from django.contrib import admin
from django.db.models import Model, QuerySet
from django.http import HttpRequest
from django.urls import reverse

from bench.loadtest.run_lock import KEPT_RUNS
from bench.models import BenchRun, LoadRun
from commands.admin import ReadOnlyAdmin


@admin.register(LoadRun)
class LoadRunAdmin(ReadOnlyAdmin):
    list_display = ("run_id", "state", "as_expected", "verdict", "commands", "started_at", "ended_at")
    ordering = ("-run_id",)
    search_fields = ()  # type: ignore[assignment]  # none, where the others have one

    def listed(self) -> str:
        return f"the newest {KEPT_RUNS}"

    def newest(self, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset  # there are no others

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return bool(request.user.has_perm("bench.delete_loadrun"))

    def view_on_site(self, obj: LoadRun) -> str:
        return reverse("bench:load_test", args=[obj.run_id])


@admin.register(BenchRun)
class BenchRunAdmin(ReadOnlyAdmin):
    list_display = ("run_id", "scenario", "seed", "engines", "state", "verdict", "why", "asked_by", "asked_at")
    ordering = ("-run_id",)
    search_fields = ()  # type: ignore[assignment]  # none, where the others have one
    exclude = ("source", "document")  # its page shows them

    def listed(self) -> str:
        return f"the newest {BenchRun.KEPT}"

    def newest(self, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.defer("source", "document")  # there are no others

    def view_on_site(self, obj: BenchRun) -> str:
        return reverse("bench_runs:run", args=[obj.run_id])
