"""The list of commands: filters in the address, a bounded look a page, and word of what is newer."""

from dataclasses import dataclass
from typing import Any

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_safe

from commands.forms.command_list import PRESETS, FilterForm
from commands.reads.command_reads import CommandReads
from commands.reads.listing import Look, query_of
from commands.reads.redacted import sees_redacted
from commands.rules.command_filter import Walk
from commands.rules.words import Status

# What is asked for most stands in the open; the others are unfolded.
MORE = ("type", "attempts", "correlation", "operation", "from", "to", "domain", "size")

# In which order each walk goes, where it is not that of sending.
_ORDERS = {
    Walk.PARKED: "parked last, first",
    Walk.ENDED: "ended last, first",
    Walk.QUEUED: "last in the queue, first",
    Walk.IDS: "highest id first",
    Walk.OPERATION: "changed last, first",
}


@dataclass(frozen=True)
class Chip:
    """A filter that is active: its ``label``, its ``value``, and the query without it."""

    label: str
    value: str
    without: str


@require_safe
def page(request: HttpRequest) -> HttpResponse:
    """A form leaves empty fields in the address: it is asked for again without them."""
    if any(not value.strip() for name in request.GET for value in request.GET.getlist(name)):
        kept = {name: [value for value in request.GET.getlist(name) if value.strip()] for name in request.GET}
        return redirect(reverse("commands:list") + query_of(kept))
    form = FilterForm(request.GET, may_see=sees_redacted(request.user))
    if not form.is_valid():
        return refused(request, form)
    return render(request, "commands/list.html", context(form, request.GET.get("before", "")))


@require_safe
def live(request: HttpRequest) -> HttpResponse:
    """How many came since ``?after=``, a place."""
    form = FilterForm(request.GET, may_see=sees_redacted(request.user))
    after = request.GET.get("after", "")
    if not (after and form.is_valid()):
        raise Http404("There is no such list.")
    newer, now = CommandReads(form.chosen).newer(after)
    return render(request, "commands/_list_newer.html", {"newer": newer, "now": now, "newest": form.link()})


def refused(request: HttpRequest, form: FilterForm, *, status: int = 400) -> HttpResponse:
    """The form with what is wrong in it, and no list."""
    return render(request, "commands/list.html", {**_form_context(form), "refused": True}, status=status)


def context(form: FilterForm, before: str) -> dict[str, Any]:
    """The ``rows`` of the page that begins at ``before``, the ``look`` that found them, their ``order`` in words.

    ``total``: how many there are, where an index tells. ``live_query`` asks what is newer, where newer ones announce
    themselves.
    """
    chosen, first = form.chosen, not before
    reads = CommandReads(chosen)
    # Before the page: what comes between the two is on the page, or announces itself.
    newest = reads.newest() if first and chosen.walk != Walk.IDS else ""
    found = reads.page(form.rows, before=before)
    look = Look(
        looked=found.looked,
        # One that ends where the list does looked at all there is.
        most=reads.most if found.more else found.looked + 1,
        found=len(found.rows),
        reach=found.reach,
        more=form.link(before=found.more) if found.more else "",
        filtered=not chosen.shows_every_candidate,
    )
    return {
        **_form_context(form),
        "live": bool(newest),
        "live_query": query_of({**form.asked, "after": reads.place(found.rows[0]) if found.rows else newest}),
        "now": found.now,
        "rows": [_shown(row) for row in found.rows],
        "look": look,
        "first": first,
        "newest": form.link(),
        "total": reads.count(),
        "order": _ORDERS.get(chosen.walk, "newest first"),
    }


def _form_context(form: FilterForm) -> dict[str, Any]:
    shown = [name for name in MORE if name != "domain" or len(form.domains) > 1 or form.errors.get(name)]
    return {
        "form": form,
        "chips": _chips(form),
        "more": [form[name] for name in shown],
        "unfolded": any(name in form.asked or name in form.errors for name in shown),
        "presets": [(label, form.link(**{"from": preset, "to": ""})) for preset, label in PRESETS.items()],
        "export": {name: query_of({**form.asked, "size": "", "format": name}) for name in ("csv", "jsonl")},
    }


def _chips(form: FilterForm) -> list[Chip]:
    chips = []
    for name, values in form.asked.items():
        if name == "size":
            continue
        label = str(form.fields[name].label or name.capitalize())
        for value in values if name == "status" else values[-1:]:
            rest = [other for other in values if other != value] if name == "status" else []
            text = Status.label_of(value) if name == "status" else value
            chips.append(Chip(label, text, form.link(**{name: rest})))
    return chips


def _shown(row: dict[str, Any]) -> dict[str, Any]:
    """A row with ``took``, how many milliseconds after its sending a command ended; None before, and by odd clocks."""
    took = (row["updated_at"] - row["created_at"]).total_seconds() * 1000
    return {**row, "took": took if Status(row["status"]).is_final and took >= 0 else None}
