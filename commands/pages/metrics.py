"""``/metrics``: for Prometheus, by an API token or from the networks that watch the site."""

from django.contrib.auth.decorators import login_not_required
from django.db import Error
from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_safe
from prometheus_client.exposition import choose_encoder

from commands.reads.metrics import registry
from e2e_site.probes import is_watcher
from e2e_site.tokens import caller_of
from e2e_site.unavailable import trouble_of, unavailable

_TEXT = "text/plain; charset=utf-8"
_REFUSED = "The metrics are for API tokens (Authorization: Bearer …) and for the networks in METRICS_NETWORKS.\n"


@login_not_required
@require_safe
def page(request: HttpRequest) -> HttpResponse:
    try:
        return _refusal(request) or _metrics(request.headers.get("Accept", ""))
    except Error as exc:
        trouble = trouble_of(exc)
        if trouble is None or (response := unavailable(request, exc)) is None:
            raise
        response.content = f"{trouble.heading}\n".encode()
        response["Content-Type"] = _TEXT
        return response


def _refusal(request: HttpRequest) -> HttpResponse | None:
    """401 for a token that is good for nothing, 403 without one; None for who may read."""
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        if caller_of(token.strip()):
            return None
        headers = {"WWW-Authenticate": 'Bearer error="invalid_token"'}
        refusal = "The token is unknown, revoked or expired.\n"
        return HttpResponse(refusal, content_type=_TEXT, status=401, headers=headers)
    return None if is_watcher(request) else HttpResponse(_REFUSED, content_type=_TEXT, status=403)


def _metrics(accept: str) -> HttpResponse:
    encode, content_type = choose_encoder(accept)
    return HttpResponse(
        encode(_registry), content_type=content_type, headers={"Cache-Control": "private, no-store", "Vary": "Accept"}
    )


_registry = registry()
