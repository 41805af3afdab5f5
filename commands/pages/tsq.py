"""The troubleshooting queue: what waits for an operator, newest first, and its groups by error code and behavior."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from typing import Any

from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_safe

from commands.bus.operations import ParkedFilter
from commands.forms.parked import FilterForm, in_words, spelled
from commands.pages.domains import UnknownDomainError
from commands.reads import parked, queries
from commands.reads.listing import PAGE_SIZES, Look, page_size, query_of
from commands.rules.operating import EFFECTS
from commands.rules.words import DOMAIN
from e2e_site.charts.sparkline import Sparkline, sparkline
from e2e_site.named_sql import Row

PERMISSION = "commands.operate_command"


@require_safe
def page(request: HttpRequest) -> HttpResponse:
    return listed(request, request.GET)


def listed(request: HttpRequest, query: QueryDict, *, problem: str = "") -> HttpResponse:
    """The list that ``query`` asks for; at status 400 where something in it is wrong, or with another ``problem``."""
    shown = context(query)
    status = 400 if problem or not shown["form"].is_valid() else 200
    return render(request, "commands/tsq.html", {**shown, **_rights(request), "problem": problem}, status=status)


@require_safe
def groups_page(request: HttpRequest) -> HttpResponse:
    return render(request, "commands/tsq_groups.html", {**groups_context(request.GET), **_rights(request)})


def _rights(request: HttpRequest) -> dict[str, Any]:
    return {"may_operate": request.user.has_perm(PERMISSION), "effects": EFFECTS}


def domain_of(query: QueryDict) -> str:
    """``domain`` of an address or a form, `DOMAIN` unless it is said. Raises UnknownDomainError."""
    domain = query.get("domain", DOMAIN)
    if domain != DOMAIN:
        names, _ = queries.domains()
        if domain not in names:
            raise UnknownDomainError(domain, names)
    return domain


def domain_named(domain: str) -> dict[str, str]:
    """How an address and a form name it: `DOMAIN` is not named."""
    return {} if domain == DOMAIN else {"domain": domain}


def context(query: QueryDict) -> dict[str, Any]:
    """A page of ``rows`` of the list, its ``look`` and the ``form`` of its filter; ``matching``: how many in all.

    ``matching`` is None where messages are searched. ``hidden`` are the names and values that a form about all that
    match carries. Of a wrong filter only the form. Raises Http404 for a page that begins nowhere.
    """
    form = FilterForm(query)
    before, size = query.get("before", ""), page_size(query)
    place = parked.place_of(before)
    domain = domain_of(query)
    clock, named = parked.moment(domain), domain_named(domain)
    common = {
        "now": clock["now"], "any_sent": clock["any_sent"], "form": form, "filtered": form.is_filtered,
        "size": size, "sizes": PAGE_SIZES, "first": not before,
        "domain": named.get("domain"), "domain_query": query_of(named),
    }  # fmt: skip
    if not form.is_valid():
        return {**common, "rows": [], "look": None, "matching": None}
    chosen = form.chosen(parked.END_OF_TIME)
    values = form.values()
    carried = {**named, **values, "size": size if size != PAGE_SIZES[0] else None}
    rows, look = _page(domain, chosen, place, size, carried)
    address = reverse("commands:tsq")
    return {
        **common,
        "rows": rows,
        "look": look,
        "matching": None if chosen.text else parked.count(domain, chosen),
        "words": in_words(values),
        "newest": address + query_of(carried),
        "hidden": {**named, **values, "until": clock["now"].isoformat(), "back": address + query_of(carried)}.items(),
    }


def _page(
    domain: str, chosen: ParkedFilter, place: parked.Place, size: int, carried: Mapping[str, Any]
) -> tuple[list[Row], Look]:
    found = parked.page(domain, chosen, place, size)
    return found.rows, Look(
        looked=found.looked,
        most=parked.MOST_TEXTS,
        found=len(found.rows),
        reach=found.reach,
        more=query_of({**carried, "before": parked.place_text(*found.goes_on)}) if found.goes_on else "",
        filtered=bool(carried.keys() - {"domain", "size"}),
    )


@dataclass(frozen=True, kw_only=True)
class Group:
    """Parked commands with one error code and one behavior. ``query`` leads to them, ``hidden`` acts on them."""

    code: str
    behavior: str
    count: int
    oldest: datetime
    newest: datetime
    ages: Sparkline
    query: str
    hidden: Mapping[str, str]


def groups_context(query: QueryDict) -> dict[str, Any]:
    """The ``groups``, the largest first, no more than `parked.MOST_GROUPS`; ``cut``: there are more."""
    domain = domain_of(query)
    clock, named = parked.moment(domain), domain_named(domain)
    now = clock["now"]
    found = parked.groups(domain, now)
    shown = [_group(row, now, named) for row in found[: parked.MOST_GROUPS]]
    return {
        "now": now,
        "any_sent": clock["any_sent"],
        "groups": shown,
        "total": sum(group.count for group in shown),
        "cut": len(found) > parked.MOST_GROUPS,
        "domain": named.get("domain"),
        "domain_query": query_of(named),
    }


def _group(row: Row, now: datetime, named: Mapping[str, str]) -> Group:
    values = {**named, "code": spelled(row["error_code"]), "behavior": spelled(row["behavior"])}
    numbers = [older - newer for older, newer in pairwise([row["count"], *row["since"], 0])]
    return Group(
        code=row["error_code"],
        behavior=row["behavior"],
        count=row["count"],
        oldest=row["oldest"],
        newest=row["newest"],
        ages=sparkline(numbers, list(parked.AGES)),
        query=query_of(values),
        hidden={**values, "until": now.isoformat()},
    )
