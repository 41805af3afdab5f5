"""The dashboard: how many commands stand where, the newest events, who works."""

from typing import Any
from urllib.parse import urlencode

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from commands.models import Domain
from commands.pages import queries
from commands.rules.words import DOMAIN, command_queue
from commands.stats.counts import status_counts
from e2e_site.texts import cut
from settings_app.models import Configuration

EVENTS_SHOWN = 20
REJECTED_SHOWN = 5


@require_safe
def page(request: HttpRequest) -> HttpResponse:
    return render(request, "commands/dashboard.html", {**context(request.GET.get("domain", DOMAIN)), "live": True})


@require_safe
def live(request: HttpRequest) -> HttpResponse:
    return render(request, "commands/_dashboard.html", context(request.GET.get("domain", DOMAIN)))


def context(domain: str) -> dict[str, Any]:
    """``counts``; ``workers``, ``alive`` of them; ``settings_version``; the newest ``events`` and ``rejected``.

    All of one ``domain``, whose ``queue`` it is; ``query``: what asks for it. ``domains``: the name and query of each.
    ``looked_back``: events may be missing (`queries.newest_events`). Raises Http404 for a domain that does not exist.
    """
    names = list(Domain.objects.names())
    if domain not in names:
        raise Http404(f"There is no domain {cut(domain, 40)!r}: {' or '.join(names)}.")
    counts = status_counts(domain=domain)
    workers = queries.workers(domain)
    events = queries.newest_events(EVENTS_SHOWN, domain=domain)
    return {
        "domain": domain,
        "query": _query(domain),
        "domains": [(name, _query(name)) for name in names],
        "queue": command_queue(domain),
        "counts": counts,
        "workers": workers,
        "alive": sum(worker["alive"] for worker in workers),
        "settings_version": Configuration.load().version,
        "events": events,
        "looked_back": any(event["far"] for event in events),
        "rejected": queries.newest_rejected(REJECTED_SHOWN, domain=domain) if counts.rejected.value else [],
    }


def _query(domain: str) -> str:
    return "" if domain == DOMAIN else "?" + urlencode({"domain": domain})
