"""The page of the last check: each rule with what it came to; a button makes a new one."""

from typing import Any

from django.contrib import messages
from django.core.exceptions import BadRequest
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods

from bench.invariants.rules import specs
from bench.invariants.site import CheckUnderWayError, begin_check
from bench.models import BenchCheck
from commands.pages.domains import ChosenDomain, UnknownDomainError, chosen_domain, query_of_domain, unknown_domain
from e2e_site.access import permission_needed


@require_http_methods(["GET", "HEAD", "POST"])
def page(request: HttpRequest) -> HttpResponse:
    if request.method == "POST":
        return make(request)
    try:
        chosen = chosen_domain(request.GET)
    except UnknownDomainError as exc:
        return unknown_domain(request, exc)
    return render(request, "bench/check.html", context(chosen))


@permission_needed("bench.add_benchcheck", "check the invariants")
def make(request: HttpRequest) -> HttpResponse:
    if "domain" not in request.POST:
        raise BadRequest("domain is missing: whose commands are to be checked.")
    try:
        chosen = chosen_domain(request.POST)
    except UnknownDomainError as exc:
        return unknown_domain(request, exc)
    try:
        if not begin_check(chosen.domain):
            messages.info(request, "The check goes on: there are many commands. Its verdict is here when it ends.")
    except CheckUnderWayError as exc:
        messages.info(request, str(exc))
    return redirect(reverse("bench_runs:check") + query_of_domain(chosen.domain))


def context(chosen: ChosenDomain) -> dict[str, Any]:
    """The last ``check`` of a domain, or None, with its ``rules``, what is wrong first, each with its ``sql``."""
    check = BenchCheck.objects.newest(chosen.domain)
    queries = {spec.id: spec.shown(chosen.domain) for spec in specs()}
    order = ["BROKEN", "UNKNOWN", "HOLDS", "NOT_ASKED"]
    rules = sorted(check.rules, key=lambda rule: order.index(rule["word"])) if check else []
    return {
        "chosen": chosen,
        "now": chosen.now,
        "check": check,
        "rules": [{**rule, "sql": queries.get(rule["id"], "")} for rule in rules],
    }
