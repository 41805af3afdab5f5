"""What belongs to every page: how it shows times, and which keys it knows."""

from django.contrib.auth.decorators import login_not_required
from django.core.exceptions import BadRequest
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_POST, require_safe

from e2e_site.times import COOKIE, Times

REMEMBERED_S = 365 * 24 * 3600


@login_not_required
@require_POST
def times(request: HttpRequest) -> HttpResponse:
    """Remember how times are shown (``times``), and go back to the page (``next``). Changes nothing but a cookie."""
    asked = request.POST.get("times", "")
    if asked not in list(Times):
        raise BadRequest(f"times must be one of {', '.join(Times)}.")
    back = request.POST.get("next", "")
    ours = back.startswith("/") and url_has_allowed_host_and_scheme(back, None)
    response = redirect(back if ours else reverse("commands:dashboard"))
    response.set_cookie(COOKIE, asked, max_age=REMEMBERED_S, samesite="Lax", httponly=True, secure=request.is_secure())
    return response


@login_not_required
@require_safe
def keys(request: HttpRequest) -> HttpResponse:
    """The keys of all pages, for where no script opens them in place."""
    return render(request, "keys.html")
