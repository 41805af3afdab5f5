"""Error pages that Django's defaults cannot give."""

import sys

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.template import loader
from django.urls import Resolver404
from django.utils.http import url_has_allowed_host_and_scheme
from django.views import defaults

from e2e_site.problem import is_for_api, problem
from e2e_site.unavailable import unavailable


def server_error(request: HttpRequest) -> HttpResponse:
    """500, or 503 where a middleware met a database that cannot serve it. Touches no database, whatever happened."""
    response = unavailable(request, sys.exception())
    if response is None and is_for_api(request):
        return problem(500, "This is a defect of the site: its log says more.")
    return response or HttpResponse(loader.get_template("500.html").render(), status=500)


def permission_denied(request: HttpRequest, exception: Exception) -> HttpResponse:
    """403 with the reason: a page, or an alert alone where a page asked for a fragment of it."""
    if is_for_api(request):
        return problem(403, str(exception))
    if getattr(request, "htmx", False):
        return _refused(request, 403, "You may not see this any more.", str(exception))
    return defaults.permission_denied(request, exception)


def page_not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """404: a page, or an alert alone for a fragment of what was there when its page was made."""
    if getattr(request, "htmx", False):
        reason = "" if isinstance(exception, Resolver404) else str(exception)
        return _refused(request, 404, "This is not there any more.", reason)
    return defaults.page_not_found(request, exception)


def _refused(request: HttpRequest, status: int, what: str, reason: str) -> HttpResponse:
    return render(request, "_refused.html", {"what": what, "reason": reason}, status=status)


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """403 for a form without a valid token, with the way back to it; ``reason`` is Django's, for the log only."""
    if is_for_api(request):
        return problem(403, "A change by the session of a login needs the CSRF token (X-CSRFToken).")
    form = request.headers.get("Referer", "")
    ours = url_has_allowed_host_and_scheme(form, {request.get_host()}, require_https=request.is_secure())
    return render(request, "403_csrf.html", {"form_address": form if ours else ""}, status=403)
