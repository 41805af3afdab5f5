"""Probes: does the process live, is the site ready to serve. For load balancers and orchestrators, without a login."""

from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.http import require_safe

from commands.reads.readiness import prober
from commands.rules.readiness import Check
from e2e_site.probes import is_watcher

_UNCACHED = {"Cache-Control": "private, no-store"}


@login_not_required
@require_safe
def healthz(request: HttpRequest) -> HttpResponse:
    """200 while the process answers at all: whatever else is wrong, a restart of it would not help."""
    return HttpResponse("ok\n", content_type="text/plain; charset=utf-8", headers=_UNCACHED)


@login_not_required
@require_safe
def readyz(request: HttpRequest) -> HttpResponse:
    """200 where requests can be served, else 503; why not, for those who watch the site and where DEBUG is on."""
    found = prober.readiness()
    tells = settings.DEBUG or is_watcher(request)
    body = {"ready": found.is_ready, "checks": {check.name: _told(check, tells=tells) for check in found.checks}}
    response = JsonResponse(body, status=200 if found.is_ready else 503, headers=_UNCACHED)
    # Django would log each 503; the prober says when it begins and when it is over.
    response._has_been_logged = True  # type: ignore[attr-defined]
    return response


def _told(check: Check, *, tells: bool) -> dict[str, object]:
    return {"ok": check.ok, "reasons": check.reasons} if tells and check.reasons else {"ok": check.ok}
