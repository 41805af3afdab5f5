"""The dashboard: how many commands stand where, the newest events, who works."""

from typing import Any
from urllib.parse import urlencode

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from commands.pages import queries
from commands.rules.words import DOMAIN, command_queue
from commands.stats.counts import status_counts
from e2e_site.texts import cut
from settings_app.models import Configuration

EVENTS_SHOWN = 20
REJECTED_SHOWN = 5


class UnknownDomainError(Http404):
    """``domains``: those that there are, each with its query."""

    def __init__(self, domain: str, names: list[str]) -> None:
        super().__init__(f"There is no domain {cut(domain, 40)!r}: {' or '.join(names)}.")
        self.domains = [(name, _query(name)) for name in names]


@require_safe
def page(request: HttpRequest) -> HttpResponse:
    asked = request.GET.get("domain", DOMAIN)
    try:
        shown = context(asked)
    except UnknownDomainError as exc:
        return render(request, "commands/unknown_domain.html", {"asked": asked, "domains": exc.domains}, status=404)
    return render(request, "commands/dashboard.html", {**shown, "live": True})


@require_safe
def live(request: HttpRequest) -> HttpResponse:
    return render(request, "commands/_dashboard.html", context(request.GET.get("domain", DOMAIN)))


def context(domain: str) -> dict[str, Any]:
    """``counts``; ``workers``, ``alive`` of them; ``settings_version``; the newest ``events`` and ``rejected``.

    All of one ``domain``, whose ``queue`` it is; ``query``: what asks for it; ``in_admin``: the admin lists it, too.
    ``domains``: the name and query of each. ``now``: the database's clock. ``looked_back``: events may be missing
    (`queries.newest_events`). Raises UnknownDomainError.
    """
    names, now = queries.domains()
    if domain not in names:
        raise UnknownDomainError(domain, names)
    counts = status_counts(domain=domain)
    workers = queries.workers(domain)
    events = queries.newest_events(EVENTS_SHOWN, domain=domain)
    return {
        "now": now,
        "domain": domain,
        "query": _query(domain),
        "domains": [(name, _query(name)) for name in names],
        "queue": command_queue(domain),
        "in_admin": domain == DOMAIN,
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
