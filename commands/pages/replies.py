"""The replies of a domain: those that wait to be read, and those that were taken; an operator moves them."""

from pathlib import Path
from typing import Any

from django import forms
from django.contrib import messages
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe

from commands.bus.messages import put_back_replies, take_replies
from commands.forms.audit import DomainField, command_field
from commands.pages.action_log import write_down
from commands.reads import listing, queries
from commands.reads.redacted import redactor_for
from commands.rules.words import archive_table, queue_table, reply_queue
from e2e_site.access import permission_needed
from e2e_site.named_sql import NamedSql, Row

MOST = 10_000  # replies that one page looks at for those of a command
SHOWN = 20_000  # characters of a reply
NUMBERS_SAID = 20

_SQL = NamedSql(Path(__file__).with_suffix(".sql"))


class RepliesForm(forms.Form):
    """Which replies a page shows; ``archived`` where any value is given."""

    id = command_field()

    def __init__(self, data: Any, *, domains: list[str]) -> None:
        super().__init__(data)
        self.fields["domain"] = DomainField(domains)


class ActForm(forms.Form):
    """What is to be done (``take`` or ``put_back``) with which replies: ``only`` one, or each selected ``message``."""

    do = forms.ChoiceField(
        choices=[("take", "Take"), ("put_back", "Put back")],
        error_messages=dict.fromkeys(("required", "invalid_choice"), "do must be take or put_back."),
    )

    def __init__(self, data: Any, *, domains: list[str]) -> None:
        super().__init__(data)
        self.fields["domain"] = DomainField(domains)
        self.fields["message"] = NumbersField()

    def add_prefix(self, field_name: str) -> str:
        """The name under which a field comes."""
        return "only" if field_name == "message" and "only" in self.data else super().add_prefix(field_name)


class NumbersField(forms.Field):
    """The numbers of messages, as many as one page shows."""

    widget = forms.MultipleHiddenInput

    def clean(self, value: Any) -> list[int]:
        numbers = list(value or [])
        if not numbers:
            raise forms.ValidationError("No message was chosen.", code="required")
        if len(numbers) > max(listing.PAGE_SIZES):
            raise forms.ValidationError(f"At most {max(listing.PAGE_SIZES)} messages at once.", code="many")
        if not all(text.isascii() and text.isdecimal() and len(text) < 19 for text in numbers):
            raise forms.ValidationError("message must be the number of a message.", code="invalid")
        return sorted({int(text) for text in numbers})


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
            write_down(request, domain, reply_queue(domain), _said(done, reply_queue(domain), take=take))
    _tell(request, take=take, done=done, gone=len(asked) - len(done))
    query = listing.query_of({"archived": "" if take else "1", "domain": request.POST.get("domain")})
    return redirect(reverse("commands:replies") + query)


def _counted(numbers: list[int]) -> str:
    return "1 reply" if len(numbers) == 1 else f"{len(numbers)} replies"


def _said(numbers: list[int], queue: str, *, take: bool) -> str:
    """What was done to which messages: of what was put back the new numbers."""
    said = ", ".join(map(str, numbers[:NUMBERS_SAID])) + (", …" if len(numbers) > NUMBERS_SAID else "")
    done = _counted(numbers)
    return f"Took {done} out of {queue}: {said}." if take else f"Put {done} back into {queue}: now {said}."


def _tell(request: HttpRequest, *, take: bool, done: list[int], gone: int) -> None:
    if done and take:
        messages.success(request, f"{_counted(done)} moved to the archive: see the taken replies to put back.")
    elif done:
        messages.success(request, f"{_counted(done)} put back into the queue, under new numbers.")
    if gone:
        meanwhile = "was" if gone == 1 else "were"
        messages.warning(request, f"{gone} of them {meanwhile} no longer there: another reader was faster.")


def _context(request: HttpRequest, asked: dict[str, Any], archived: bool) -> dict[str, Any]:
    """The ``replies`` of a page, and how far it looked (``look``)."""
    before = listing.number_of(request.GET.get("before", ""))
    size = listing.page_size(request.GET)
    rows, edge = _read(asked, archived, listing.LARGEST_NUMBER if before is None else before, size)
    known = {name: request.GET.get(name) for name in ("id", "domain", "archived", "size")}
    more = len(rows) > size
    redactor = redactor_for(request.user)
    shown = [{**row, "text": redactor.text(row["text"] or "null", most=SHOWN)} for row in rows[:size]]
    following = rows[size - 1]["msg_id"] if more else (edge["edge"] + 1 if edge["edge"] is not None else None)
    filtered = asked["id"] is not None
    return {
        "replies": shown,
        "redacted": redactor.hidden,
        "queue": reply_queue(asked["domain"]),
        "filtered": filtered,
        "look": listing.Look(
            looked=MOST if edge["edge"] is not None and not more else len(rows[:size]),
            most=MOST,
            found=len(rows[:size]),
            reach=None if more else edge["edge_at"],
            more="" if following is None else listing.query_of({**known, "before": following}),
            filtered=filtered,
        ),
        "first": before is None,
        "newest": listing.query_of(known) or "?",
    }


def _read(asked: dict[str, Any], archived: bool, before: int, size: int) -> tuple[list[Row], Row]:
    queue = reply_queue(asked["domain"])
    names = {
        "replies": archive_table(queue) if archived else queue_table(queue),
        "at": "archived_at" if archived else "enqueued_at",
    }
    found = _SQL.rows("replies", names, command_id=asked["id"], before=before, most=MOST, limit=size + 1, shown=SHOWN)
    return [row for row in found if row["msg_id"] is not None], found[0]
