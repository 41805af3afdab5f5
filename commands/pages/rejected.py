"""The messages of a domain that were no command: why, when, and how they began. `mend` sends one again."""

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from commands.forms.messages import DomainForm
from commands.reads import listing, queries
from commands.reads import messages as reads
from commands.reads.redacted import redactor_for
from commands.rules.words import command_queue


@require_safe
def page(request: HttpRequest) -> HttpResponse:
    names, now = queries.domains()
    form = DomainForm(request.GET, domains=names)
    shown = {"form": form, "now": now, "domains": names, "size": request.GET.get("size", "")}
    if not form.is_valid():
        return render(request, "commands/rejected.html", shown, status=400)
    return render(request, "commands/rejected.html", {**shown, **_context(request, form.cleaned_data["domain"])})


def _context(request: HttpRequest, domain: str) -> dict[str, Any]:
    """The ``rejected`` messages of a page, each with ``kept``: the archive has it."""
    before = listing.number_of(request.GET.get("before", ""))
    size = listing.page_size(request.GET)
    rows = reads.rejected(domain, before=before, limit=size + 1)
    redactor = redactor_for(request.user)
    most = reads.REJECTED_LISTED
    shown = [{**row, "message": redactor.text(row["message"] or "null", most=most)} for row in rows[:size]]
    known = {name: request.GET.get(name) for name in ("domain", "size")}
    more = listing.query_of({**known, "before": shown[-1]["audit_id"]}) if len(rows) > size else ""
    return {
        "rejected": shown,
        "redacted": redactor.hidden,
        "queue": command_queue(domain),
        "look": listing.Look(looked=len(shown), most=size + 1, found=len(shown), more=more),
        "first": before is None,
        "newest": listing.query_of(known) or "?",
    }
