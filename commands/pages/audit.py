"""The audit: everything that happened, newest first, with filters, as pages and as a file; and one event of it."""

from datetime import datetime, timedelta
from typing import Any

from django.http import Http404, HttpRequest, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.views.decorators.http import require_safe

from commands.forms.audit import AuditForm
from commands.reads import events, listing, queries
from commands.reads.redacted import redactor_for, sees_redacted
from commands.rules.redaction import Redactor
from commands.rules.words import DOMAIN
from e2e_site import export, stored_json
from e2e_site.downloads import Download, TooManyDownloadsError
from e2e_site.named_sql import Row

FILTERS = ("event", "id", "operator", "operation", "text", "from", "to", "domain")
DETAILS_SHOWN = queries.JSON_SHOWN
COLUMNS = ("audit_id", "at", "domain", "event", "command_id", "operator", "details")
FORMATS = {"csv": "text/csv; charset=utf-8", "jsonl": "application/x-ndjson"}
PRESETS = {"Last hour": timedelta(hours=1), "Last 24 hours": timedelta(days=1), "Last 7 days": timedelta(days=7)}


@require_safe
def page(request: HttpRequest) -> HttpResponse:
    form, shown = _form(request)
    if not form.is_valid():
        return render(request, "commands/audit.html", shown, status=400)
    return render(request, "commands/audit.html", {**shown, **_context(request, form)})


@require_safe
def event(request: HttpRequest, audit_id: int) -> HttpResponse:
    """The permanent address of one event."""
    found = events.one(audit_id, shown=DETAILS_SHOWN) if audit_id <= listing.LARGEST_NUMBER else None
    if found is None:
        raise Http404(f"No event has the number {audit_id}. Old ones may have been pruned.")
    redactor = redactor_for(request.user)
    shown = _redacted(found, redactor, most=DETAILS_SHOWN)
    context = {"event": events.listed(shown), "now": found["now"], "details": shown["details"]}
    return render(request, "commands/event.html", {**context, "most_shown": DETAILS_SHOWN, "redacted": redactor.hidden})


@require_safe
def as_file(request: HttpRequest) -> HttpResponseBase:
    """All events that the filter meets, from ``before`` on where it is given: ``?format=csv`` or ``jsonl``."""
    form, shown = _form(request)
    asked = request.GET.get("format", "csv")
    if asked not in FORMATS:
        form.add_error(None, f"format must be one of {', '.join(FORMATS)}.")
    if not form.is_valid():
        return render(request, "commands/audit.html", shown, status=400)
    before = listing.number_of(request.GET.get("before", ""))
    headers = {"Content-Disposition": f'attachment; filename="audit.{asked}"', "Content-Type": FORMATS[asked]}
    if request.method == "HEAD":
        return HttpResponse(headers=headers)
    redactor = redactor_for(request.user)
    rows = (_exported(_redacted(row, redactor)) for row in events.read_all(form.chosen, before=before))
    lines = export.csv_lines(rows, COLUMNS) if asked == "csv" else export.json_lines(rows)
    try:
        return StreamingHttpResponse(Download(export.pieces(lines)), headers=headers)
    except TooManyDownloadsError as exc:
        form.add_error(None, str(exc))
        return render(request, "commands/audit.html", shown, status=503)


def _form(request: HttpRequest) -> tuple[AuditForm, dict[str, Any]]:
    """The filter of an address, and what a page shows with it in any case."""
    names, now = queries.domains()
    form = AuditForm(request.GET, domains=names, may_see=sees_redacted(request.user))
    kept = _kept(request)
    return form, {
        "form": form,
        "now": now,
        "domains": names,
        "size": request.GET.get("size", ""),
        "presets": [
            (label, listing.query_of({**kept, "to": [], "from": _local(now - ago), "size": request.GET.get("size")}))
            for label, ago in PRESETS.items()
            if now is not None
        ],
    }


def _kept(request: HttpRequest) -> dict[str, list[str]]:
    """The filter as it was asked for."""
    return {name: [value for value in request.GET.getlist(name) if value] for name in FILTERS}


def _local(moment: datetime) -> str:
    return f"{moment:%Y-%m-%dT%H:%M:%S}"


def _context(request: HttpRequest, form: AuditForm) -> dict[str, Any]:
    """The ``events`` of a page; how far it looked (``look``); the queries of the same filter: ``newest`` and ``files``.

    ``filtered``: what they are filtered by, but for the domain.
    """
    before = listing.number_of(request.GET.get("before", ""))
    found = events.read(form.chosen, size=listing.page_size(request.GET), before=before)
    kept = _kept(request)
    known = {**kept, "size": request.GET.get("size")}
    filtered = any(values for name, values in kept.items() if name != "domain")
    redactor = redactor_for(request.user)
    return {
        "events": _with_behaviors([events.listed(_redacted(row, redactor)) for row in found.rows]),
        "redacted": redactor.hidden,
        "filtered": filtered,
        "other_domain": form.chosen.domain != DOMAIN,
        "look": listing.Look(
            looked=form.chosen.most if found.reach else len(found.rows),
            most=form.chosen.most,
            found=len(found.rows),
            reach=found.reach,
            more=listing.query_of({**known, "before": found.next}) if found.next is not None else "",
            filtered=filtered or found.reach is not None,
        ),
        "first": before is None,
        "newest": listing.query_of(known) or "?",
        "files": [(kind, listing.query_of({**kept, "before": before, "format": kind})) for kind in FORMATS],
    }


def _redacted(row: Row, redactor: Redactor, *, most: int | None = None) -> Row:
    details = row["details"]
    return {**row, "details": None if details is None else redactor.text(details, most=most)}


def _with_behaviors(rows: list[Row]) -> list[Row]:
    known = events.behaviors(row["command_id"] for row in rows) if rows else {}
    return [{**row, "behavior": known.get(row["command_id"], "")} for row in rows]


def _exported(row: Row) -> Row:
    details = row["details"]
    return {
        "audit_id": row["audit_id"],
        "at": row["ts"],
        "domain": row["domain"],
        "event": row["event_type"],
        "command_id": row["command_id"],
        "operator": row["operator"],
        "details": None if details is None else stored_json.StoredText(details),
    }
