"""The settings page: the admin's change form of the one row. No list, no add, no delete."""

from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.template.response import TemplateResponse
from django.urls import URLPattern, path

from settings_app import current, pause
from settings_app.forms import Change, ConfigurationForm, ResetForm, differences
from settings_app.models import Configuration, SettingsConflictError, Worker
from settings_app.values import lease_warning


@admin.register(Configuration)
class ConfigurationAdmin(admin.ModelAdmin):  # type: ignore[type-arg]  # takes none at run time
    form = ConfigurationForm
    fieldsets = (
        ("Worker", {"fields": ("visibility_timeout", "concurrency", "poll_interval", "batch_size", "heartbeat")}),
        ("Retry", {"fields": ("max_attempts", "base_delay_ms", "max_delay_ms", "backoff_multiplier")}),
        ("Queue", {"fields": ("paused",)}),
        ("Pages", {"fields": ("redacted_keys",)}),
    )

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Configuration | None = None) -> bool:
        return False

    def get_urls(self) -> list[URLPattern]:
        own = [
            path("1/reset/", self.admin_site.admin_view(self.reset_view), name="settings_app_configuration_reset"),
            path(
                "1/workers/", self.admin_site.admin_view(self.workers_view), name="settings_app_configuration_workers"
            ),
        ]
        return own + super().get_urls()

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> Configuration | None:
        obj: Configuration | None = super().get_object(request, object_id, from_field)
        if obj is not None and request.method == "POST":
            # Held until the save: the version that the form compares is the version that is overwritten.
            return Configuration.objects.select_for_update().get(pk=obj.pk)
        return obj

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        return redirect("admin:settings_app_configuration_change", 1)

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        context = {
            **workers_context(),
            "live": True,
            "show_save_and_add_another": False,
            "show_save_and_continue": False,
            **(extra_context or {}),
        }
        return super().change_view(request, object_id, form_url, context)

    def save_model(self, request: HttpRequest, obj: Configuration, form: ConfigurationForm, change: bool) -> None:
        changes = form.changes()
        if not changes:
            messages.info(request, "Nothing to save: every setting is as it was.")
            return
        self._write(request, changes, form.cleaned_data["seen_version"])

    def construct_change_message(  # type: ignore[override]  # the history takes a text as well
        self, request: HttpRequest, form: ConfigurationForm, formsets: Any, add: bool = False
    ) -> str:
        return _listed(form.changes())

    def response_change(self, request: HttpRequest, obj: Configuration) -> HttpResponse:
        return redirect("admin:settings_app_configuration_change", 1)

    def workers_view(self, request: HttpRequest) -> HttpResponse:
        """The panel of `workers_context` alone, for its own refresh."""
        if not self.has_view_permission(request):
            raise PermissionDenied("You need the permission settings_app.view_configuration for it.")
        return render(request, "settings_app/_workers.html", workers_context())

    def reset_view(self, request: HttpRequest) -> HttpResponse:
        """GET asks, with what would change; POST sets every setting back to its default."""
        config = Configuration.load()
        if not self.has_change_permission(request, config):
            raise PermissionDenied
        changes = differences(config.values(), Configuration.defaults())
        form = ResetForm(request.POST or None, initial={"seen_version": config.version})
        if form.is_valid():
            return self._reset(request, changes, form.cleaned_data["seen_version"])
        context = {
            **self.admin_site.each_context(request),
            "title": "Reset to defaults",
            "opts": self.opts,
            "original": config,
            "form": form,
            "changes": changes,
        }
        return TemplateResponse(request, "admin/settings_app/configuration/reset.html", context)

    def _reset(self, request: HttpRequest, changes: list[Change], version: int) -> HttpResponse:
        if not changes:
            messages.info(request, "Every setting is at its default already.")
            return redirect("admin:settings_app_configuration_change", 1)
        try:
            with transaction.atomic():
                config = self._write(request, changes, version)
                self.log_change(request, config, f"Reset to defaults: {_listed(changes)}")
        except SettingsConflictError as exc:
            who = exc.current.updated_by or "Another user"
            messages.error(request, f"{who} changed the settings meanwhile. Nothing is reset; look again.")
            return redirect("admin:settings_app_configuration_reset")
        return redirect("admin:settings_app_configuration_change", 1)

    def _write(self, request: HttpRequest, changes: list[Change], version: int) -> Configuration:
        values = {change.name: change.new for change in changes}
        config = Configuration.change(values, version=version, by=request.user.get_username())
        pause.forget()
        current.forget()
        messages.success(request, f"Saved as version {config.version}: {_listed(changes)}")
        warning = lease_warning(visibility_timeout=config.visibility_timeout, poll_interval=config.poll_interval)
        if warning:
            messages.warning(request, warning)
        return config


def workers_context() -> dict[str, Any]:
    """``config``: the settings as they are; ``workers``: the live ones; ``taken``: how many run the newest version."""
    config = Configuration.load()
    workers = list(Worker.objects.live())
    taken = sum(worker.settings_version == config.version for worker in workers)
    return {"config": config, "workers": workers, "taken": taken}


def _listed(changes: list[Change]) -> str:
    return f"{', '.join(map(str, changes))}." if changes else "Nothing changed."
