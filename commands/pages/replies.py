"""The replies of a domain: those that wait to be read, and those that were taken; an operator moves them."""

from typing import Any

from django.contrib import messages
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe

from commands.bus.action_log import write_down
from commands.bus.messages import moved_text, put_back_replies, replies_text, take_replies
from commands.forms.messages import ActForm, RepliesForm
from commands.reads import listing, queries
from commands.reads import messages as reads
from commands.reads.redacted import redactor_for
from commands.rules.words import reply_queue
from e2e_site.access import permission_needed


@require_safe
def page(request: HttpRequest) -> HttpResponse:
    names, now = queries.domains()
    form = RepliesForm(request.GET, domains=names)
    archived = bool(request.GET.get("archived"))
    shown = {"form": form, "now": now, "domains": names, "size": request.GET.get("size", ""), "archived": archived}
    if not form.is_valid():
        return render(request, "commands/replies.html", shown, status=400)
    return render(request, "commands/replies.html", {**shown, **_context(request, form.cleaned_data, archived)})


@require_POST
@permission_needed("commands.operate_command", "take replies or put them back")
def act(request: HttpRequest) -> HttpResponse:
    """Take replies (archive them), or put them back into the queue; then back to the list."""
    form = ActForm(request.POST, domains=queries.domains()[0])
    if not form.is_valid():
        problem = next(iter(form.errors.values()))[0]
        messages.error(request, f"Nothing was done. {problem}")
        return redirect("commands:replies")
    asked, domain = form.cleaned_data["message"], form.cleaned_data["domain"]
    take = form.cleaned_data["do"] == "take"
    with transaction.atomic():
        done = take_replies(asked, domain=domain) if take else put_back_replies(asked, domain=domain)
        if done:
            write_down(request.user, domain, reply_queue(domain), moved_text(done, domain, take=take))
    _tell(request, take=take, done=done, gone=len(asked) - len(done))
    query = listing.query_of({"archived": "" if take else "1", "domain": request.POST.get("domain")})
    return redirect(reverse("commands:replies") + query)


def _tell(request: HttpRequest, *, take: bool, done: list[int], gone: int) -> None:
    if done and take:
        messages.success(request, f"{replies_text(done)} moved to the archive: see the taken replies to put back.")
    elif done:
        messages.success(request, f"{replies_text(done)} put back into the queue, under new numbers.")
    if gone:
        meanwhile = "was" if gone == 1 else "were"
        messages.warning(request, f"{gone} of them {meanwhile} no longer there: another reader was faster.")


def _context(request: HttpRequest, asked: dict[str, Any], archived: bool) -> dict[str, Any]:
    """The ``replies`` of a page, and how far it looked (``look``)."""
    before = listing.number_of(request.GET.get("before", ""))
    size = listing.page_size(request.GET)
    domain, command_id = asked["domain"], asked["id"]
    found = reads.replies(domain, archived=archived, command_id=command_id, before=before, size=size)
    known = {name: request.GET.get(name) for name in ("id", "domain", "archived", "size")}
    redactor = redactor_for(request.user)
    shown = [{**row, "text": redactor.text(row["text"] or "null", most=reads.SHOWN)} for row in found.rows]
    return {
        "replies": shown,
        "redacted": redactor.hidden,
        "queue": reply_queue(domain),
        "filtered": command_id is not None,
        "look": listing.Look(
            looked=found.looked,
            most=reads.MOST,
            found=len(found.rows),
            reach=found.reach,
            more="" if found.goes_on is None else listing.query_of({**known, "before": found.goes_on}),
            filtered=command_id is not None,
        ),
        "first": before is None,
        "newest": listing.query_of(known) or "?",
    }
