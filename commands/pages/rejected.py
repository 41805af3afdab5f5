"""The messages of a domain that were no command: why, when, and how they began. `mend` sends one again."""

from pathlib import Path
from typing import Any

from django import forms
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from commands.forms.audit import DomainField
from commands.reads import listing, queries
from commands.reads.redacted import redactor_for
from commands.rules.words import archive_table, command_queue
from e2e_site.named_sql import NamedSql, Row

MESSAGE_LISTED = 1100  # characters, as rejected.sql cuts it
MOST_EDITED = 100_000  # characters of a message that a form shows

_SQL = NamedSql(Path(__file__).with_suffix(".sql"))


class RejectedForm(forms.Form):
    def __init__(self, data: Any, *, domains: list[str]) -> None:
        super().__init__(data)
        self.fields["domain"] = DomainField(domains)


@require_safe
def page(request: HttpRequest) -> HttpResponse:
    names, now = queries.domains()
    form = RejectedForm(request.GET, domains=names)
    shown = {"form": form, "now": now, "domains": names, "size": request.GET.get("size", "")}
    if not form.is_valid():
        return render(request, "commands/rejected.html", shown, status=400)
    return render(request, "commands/rejected.html", {**shown, **_context(request, form.cleaned_data["domain"])})


def _context(request: HttpRequest, domain: str) -> dict[str, Any]:
    """The ``rejected`` messages of a page, each with ``kept``: the archive has it."""
    before = listing.number_of(request.GET.get("before", ""))
    size = listing.page_size(request.GET)
    rows = _SQL.rows(
        "rejected",
        {"archive": archive_table(command_queue(domain))},
        domain=domain,
        before=listing.LARGEST_NUMBER if before is None else before,
        limit=size + 1,
    )
    redactor = redactor_for(request.user)
    shown = [{**row, "message": redactor.text(row["message"] or "null", most=MESSAGE_LISTED)} for row in rows[:size]]
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


def event(audit_id: int) -> Row | None:
    """The event of a rejected message, with the ``now`` of the database; None where there is none."""
    if audit_id > listing.LARGEST_NUMBER:
        return None
    found = _SQL.rows("event", audit_id=audit_id)
    return found[0] if found else None


def kept_text(domain: str, msg_id: int | None) -> str | None:
    """A rejected message as the archive has it, for reading; None where it is gone, or too long to be edited."""
    found = _SQL.rows("message", {"archive": archive_table(command_queue(domain))}, msg_id=msg_id, most=MOST_EDITED)
    return found[0]["text"] if found else None
