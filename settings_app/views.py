"""The way to the settings: their page is the admin's (settings_app/admin.py)."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_safe


@require_safe
def index(request: HttpRequest) -> HttpResponse:
    return redirect("admin:settings_app_configuration_change", 1)
