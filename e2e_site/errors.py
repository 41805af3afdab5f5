"""Error pages that Django's defaults cannot give."""

import sys

from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.template import loader


def server_error(request: HttpRequest) -> HttpResponse:
    """500, or 503 where the database did not answer. Touches no database, whatever happened."""
    unreachable = isinstance(sys.exception(), (OperationalError, InterfaceError))
    body = loader.get_template("503.html" if unreachable else "500.html").render()
    response = HttpResponse(body, status=503 if unreachable else 500)
    if unreachable:
        response["Retry-After"] = "5"
    return response


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """403 for a form without a valid token; ``reason`` is Django's, for the log only."""
    return render(request, "403_csrf.html", status=403)
