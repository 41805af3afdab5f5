"""The dashboard: how many commands stand where, what is odd, the newest events, who works.

What it shows is read once a moment for all who look at it (`e2e_site.shared`), and sent again only where it changed.
"""

from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.template.loader import render_to_string
from django.urls import reverse
from django.views.decorators.http import require_safe

from commands.pages import charts
from commands.pages.domains import ChosenDomain, UnknownDomainError, chosen_domain, query_of_domain, unknown_domain
from commands.pages.odd import odd
from commands.reads import queries
from commands.reads.listing import query_of
from commands.rules import chart_ranges
from commands.rules.formatting import Count
from commands.rules.words import DOMAIN, Status
from commands.stats.counts import StatusCounts, status_counts
from e2e_site.shared import Shared
from e2e_site.times import Times, times_of
from e2e_site.unchanged import not_again
from settings_app.current import settings_now

EVENTS_SHOWN = 20
# The rights that decide what the live part offers.
RIGHTS = (
    "commands.add_testcommand",
    "commands.operate_command",
    "settings_app.view_configuration",
    "settings_app.change_configuration",
)
REJECTED_SHOWN = 5
REJECTED_TOLD = timedelta(days=1)  # for how long a rejected message is told


@require_safe
def page(request: HttpRequest) -> HttpResponse:
    try:
        shown = context(request)
    except UnknownDomainError as exc:
        return unknown_domain(request, exc)
    problem = ""
    try:
        asked = charts.range_of(request.GET)
    except charts.UnknownRangeError as exc:
        asked, problem = chart_ranges.DEFAULT, str(exc)
    chosen = shown["chosen"]
    drawn = {
        "charts": charts.fragment(charts.Asked(domain=chosen.domain, name=asked, now=chosen.now)),
        "charts_query": charts.query(chosen.domain, asked),
    }
    status = 400 if problem else 200
    return render(
        request, "commands/dashboard.html", {**shown, **drawn, "problem": problem, "live": True}, status=status
    )


@require_safe
@not_again
def live(request: HttpRequest) -> HttpResponse:
    """Drawn once a moment for all who are shown the same: hundreds may look, and drawing takes longer than reading."""
    user, chosen = request.user, chosen_domain(request.GET)
    return HttpResponse(
        _drawn.get(
            Viewed(
                domain=chosen.domain,
                rights=tuple(user.has_perm(right) for right in RIGHTS) if user.is_authenticated else None,
                times=times_of(request),
                chosen=chosen,
                request=request,
            )
        )
    )


def context(request: HttpRequest) -> dict[str, Any]:
    """``cards``; what is ``odd``; ``workers``, ``alive`` of them; ``config``; the newest ``events`` and ``rejected``.

    All of one domain, ``chosen``. ``now``: the database's clock. ``looked_back``: events may be missing
    (`queries.newest_events`). Raises UnknownDomainError.
    """
    chosen = chosen_domain(request.GET)
    return _context(chosen)


def _context(chosen: ChosenDomain) -> dict[str, Any]:
    return {**_seen.get(chosen.domain), "chosen": chosen, "now": chosen.now}


@dataclass(frozen=True, kw_only=True)
class Viewed:
    """What the live part depends on; of the ``request`` nothing but that. ``rights``: None for who is not logged in."""

    domain: str
    rights: tuple[bool, ...] | None
    times: Times
    chosen: ChosenDomain = field(compare=False)
    request: HttpRequest = field(compare=False)


def _draw(viewed: Viewed) -> str:
    return render_to_string("commands/_dashboard.html", _context(viewed.chosen), viewed.request)


def _look(domain: str) -> dict[str, Any]:
    counts = status_counts(domain=domain)
    workers = queries.workers(domain)
    events = queries.newest_events(EVENTS_SHOWN, domain=domain)
    rejected = counts.rejected.value > 0
    return {
        "counts": counts,
        "cards": _cards(counts, domain),
        "odd": odd(domain),
        "workers": workers,
        "alive": sum(worker["alive"] for worker in workers),
        "config": settings_now(),
        "events": events,
        "looked_back": any(event["far"] for event in events),
        "rejected": queries.newest_rejected(REJECTED_SHOWN, within=REJECTED_TOLD, domain=domain) if rejected else [],
        "domain_query": query_of_domain(domain),
    }


def _cards(counts: StatusCounts, domain: str) -> list[tuple[Status, Count, str]]:
    """Each status with its count and the list of what it counts."""
    own = None if domain == DOMAIN else domain
    lists = {
        Status.PENDING: reverse("commands:queue") + query_of_domain(domain),
        Status.IN_PROGRESS: reverse("commands:queue") + query_of_domain(domain),
        Status.IN_TROUBLESHOOTING_QUEUE: reverse("commands:tsq") + query_of_domain(domain),
    }
    return [
        (status, count, lists.get(status, reverse("commands:list") + query_of({"domain": own, "status": status.value})))
        for status, count in counts.by_status.items()
    ]


_seen: Shared[str, dict[str, Any]] = Shared(_look)
_drawn: Shared[Viewed, str] = Shared(_draw)
