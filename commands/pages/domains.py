"""Which domain a page shows: ``?domain=NAME``, and the site's own without it."""

from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlencode

from django.http import Http404, HttpRequest, HttpResponse, QueryDict
from django.shortcuts import render

from commands.reads import queries
from commands.rules.words import DOMAIN, command_queue
from e2e_site.texts import cut


class UnknownDomainError(Http404):
    """``domains``: those that there are, each with its query."""

    def __init__(self, domain: str, names: list[str]) -> None:
        super().__init__(f"There is no domain {cut(domain, 40)!r}: {' or '.join(names)}.")
        self.asked = domain
        self.domains = [(name, query_of_domain(name)) for name in names]


@dataclass(frozen=True, kw_only=True)
class ChosenDomain:
    """The ``domain`` of a page, whose ``queue`` it is, and the database's clock.

    ``query``: what asks for it (``?…``), empty for the site's own. ``domains``: the name and query of each.
    """

    domain: str
    queue: str
    query: str
    domains: list[tuple[str, str]]
    now: datetime


def chosen_domain(query: QueryDict) -> ChosenDomain:
    """Raises UnknownDomainError."""
    domain = query.get("domain", DOMAIN)
    names, now = queries.domains()
    if domain not in names:
        raise UnknownDomainError(domain, names)
    assert now is not None, "the clock comes with the domains"
    return ChosenDomain(
        domain=domain,
        queue=command_queue(domain),
        query=query_of_domain(domain),
        domains=[(name, query_of_domain(name)) for name in names],
        now=now,
    )


def unknown_domain(request: HttpRequest, exc: UnknownDomainError) -> HttpResponse:
    """The page that names those that there are."""
    shown = {"asked": exc.asked, "domains": exc.domains, "address": request.path}
    return render(request, "commands/unknown_domain.html", shown, status=404)


def query_of_domain(domain: str) -> str:
    return "" if domain == DOMAIN else "?" + urlencode({"domain": domain})
