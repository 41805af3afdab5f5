"""The page on which an operator mends a rejected message and sends it again."""

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods

from commands.fields import typed
from commands.forms.mending import NEW, MendError, MendForm, no_gaps, send_again
from commands.reads.messages import kept_text, rejection
from commands.reads.redacted import redactor_for
from commands.rules.behaviors import Behavior, BehaviorError
from commands.rules.payload import PayloadError, exact_json, parse_json
from commands.rules.words import DOMAIN
from e2e_site.access import permission_needed
from e2e_site.named_sql import Row

SUCCESS = '{"type": "success"}'


@require_http_methods(["GET", "HEAD", "POST"])
@permission_needed("commands.operate_command", "send rejected messages again")
def page(request: HttpRequest, audit_id: int) -> HttpResponse:
    event = rejection(audit_id)
    if event is None:
        raise Http404(f"No rejected message has the number {audit_id}. Old ones may have been pruned.")
    text = kept_text(event["domain"], event["msg_id"])
    if refusal := no_gaps(redactor_for(request.user), event, text):
        raise PermissionDenied(refusal)
    form = MendForm(request.POST if request.method == "POST" else None, initial=_initial(event, text))
    if form.is_bound and form.is_valid() and (command_id := _sent(request, event, form)):
        return redirect("commands:detail", command_id)
    status = 400 if form.is_bound else 200
    context = {"form": form, "event": event, "audit_id": audit_id, "kept": text is not None, "now": event["now"]}
    return render(request, "commands/mend.html", {**context, "ours": event["domain"] == DOMAIN}, status=status)


def _sent(request: HttpRequest, event: Row, form: MendForm) -> UUID | None:
    """The command that got the message; None where the form has an error by now."""
    if form.cleaned_data["way"] == NEW and not request.user.has_perm("commands.add_testcommand"):
        raise PermissionDenied("You need the permission commands.add_testcommand to send commands.")
    try:
        mended = send_again(event, form.cleaned_data, user=request.user)
    except MendError as exc:
        form.add_error(exc.field, str(exc))
        return None
    if mended.msg_id is None:
        messages.success(request, "The message is sent as a new command.")
    else:
        messages.success(request, f"The command has its message again: message {mended.msg_id}.")
    return mended.command_id


def _initial(event: Row, text: str | None) -> dict[str, Any]:
    """The message as the archive has it, else its first KiB, which may be all of it; a behavior where it names one."""
    shown = text if text is not None else event["message"] or ""
    return {"message": typed(shown), "behavior": typed(_behavior_in(shown) or SUCCESS)}


def _behavior_in(text: str) -> str:
    """The behavior that a message seems to mean, as JSON; empty for none."""
    try:
        message = parse_json(text)
    except PayloadError:
        return ""
    known = message if isinstance(message, dict) else {}
    data = known.get("data")
    inner = data.get("behavior") if isinstance(data, dict) else None
    for candidate in (known.get("behavior"), inner, data, known):
        try:
            return exact_json(Behavior.from_json(candidate).to_json())
        except BehaviorError:
            continue
    return ""
