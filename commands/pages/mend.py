"""A rejected message, sent again as an operator mended it.

A worker performs a message only for a command that waits for exactly this message. So there are two ways: as the
message of a command that is known and lost its own, or as a new test command with the message's data.
"""

from typing import Any
from uuid import UUID

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied, ValidationError
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods

from commands.bus.conflicts import SendConflictError
from commands.bus.messages import send_lost_message
from commands.bus.send import DuplicateCommandError, send_test_command
from commands.fields import JSONFormField, typed, validate_behavior, validate_payload
from commands.pages import rejected
from commands.pages.action_log import write_down
from commands.reads.redacted import VIEW_REDACTED, redactor_for
from commands.rules.behaviors import Behavior, BehaviorError
from commands.rules.payload import PayloadError, exact_json, parse_json
from commands.rules.words import DOMAIN, command_queue
from e2e_site.access import permission_needed
from e2e_site.named_sql import Row

LOST, NEW = "lost", "new"
SUCCESS = '{"type": "success"}'


class MendForm(forms.Form):
    """The message as it is to be sent: ``lost`` for the command that it names, ``new`` as a command of its own."""

    message = JSONFormField(
        label="Message",
        required=False,
        widget=forms.Textarea(attrs={"rows": 14, "spellcheck": "false", "class": "input mono"}),
    )
    behavior = JSONFormField(
        label="Behavior of the new command",
        required=False,
        widget=forms.Textarea(attrs={"rows": 2, "spellcheck": "false", "class": "input mono"}),
    )
    way = forms.ChoiceField(
        choices=[(LOST, LOST), (NEW, NEW)],
        error_messages=dict.fromkeys(("required", "invalid_choice"), f"way must be {LOST} or {NEW}."),
    )

    def clean_message(self) -> dict[str, Any]:
        message: dict[str, Any] = self.cleaned_data["message"]
        if not isinstance(message, dict):
            raise ValidationError("The message of a command must be a JSON object.", code="message")
        validate_payload(message)
        return message

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        if cleaned.get("way") == NEW and "message" in cleaned and "behavior" in cleaned:
            try:
                validate_behavior(cleaned["behavior"])
            except ValidationError as exc:
                self.add_error("behavior", exc)
            if not isinstance(cleaned["message"].get("data", {}), dict):
                self.add_error("message", 'The message\'s "data" must be a JSON object: it becomes the payload.')
        named = cleaned.get("message", {}).get("command_id")
        needed = cleaned.get("way") == LOST
        if "message" in cleaned and (needed or named is not None) and _uuid(named) is None:
            self.add_error("message", 'The message\'s "command_id" must be a UUID with its four dashes.')
        return cleaned


@require_http_methods(["GET", "HEAD", "POST"])
@permission_needed("commands.operate_command", "send rejected messages again")
def page(request: HttpRequest, audit_id: int) -> HttpResponse:
    event = rejected.event(audit_id)
    if event is None:
        raise Http404(f"No rejected message has the number {audit_id}. Old ones may have been pruned.")
    text = rejected.kept_text(event["domain"], event["msg_id"])
    _refuse_redacted(request, event, text)
    form = MendForm(request.POST if request.method == "POST" else None, initial=_initial(event, text))
    if form.is_bound and form.is_valid():
        sent = _send_lost if form.cleaned_data["way"] == LOST else _send_new
        if command_id := sent(request, event, form):
            return redirect("commands:detail", command_id)
    status = 400 if form.is_bound else 200
    context = {"form": form, "event": event, "audit_id": audit_id, "kept": text is not None, "now": event["now"]}
    return render(request, "commands/mend.html", {**context, "ours": event["domain"] == DOMAIN}, status=status)


def _refuse_redacted(request: HttpRequest, event: Row, text: str | None) -> None:
    """Who may not see all of a message cannot send it again: the gaps would take the place of what is there."""
    redactor = redactor_for(request.user)
    redactor.text(text if text is not None else event["message"] or "")
    if redactor.hidden:
        values = "a value that is" if redactor.hidden == 1 else f"{redactor.hidden} values that are"
        needed = f"You need the permission {VIEW_REDACTED} to send this message again"
        raise PermissionDenied(f"{needed}: it has {values} redacted.")


def _send_lost(request: HttpRequest, event: Row, form: MendForm) -> UUID | None:
    """The command that got the message; None where the form has an error by now."""
    message = form.cleaned_data["message"]
    domain, operator = event["domain"], request.user.get_username()
    reason = f"sent rejected message {event['msg_id']} again, mended"
    sent = send_lost_message(exact_json(message), operator=operator, reason=reason, domain=domain)
    if sent.msg_id is not None:
        messages.success(request, f"The command has its message again: message {sent.msg_id}.")
        return _uuid(message["command_id"])
    if sent.status is None:
        form.add_error("message", "No command has this command_id: a worker would reject the message again.")
    elif sent.status.is_final:
        form.add_error("message", f"The command is {sent.status.label}: a worker would archive the message unread.")
    else:
        form.add_error("message", "The command still has its own message in the queue: nothing was lost.")
    return None


def _send_new(request: HttpRequest, event: Row, form: MendForm) -> UUID | None:
    """The new command; None where the form has an error by now."""
    if not request.user.has_perm("commands.add_testcommand"):
        raise PermissionDenied("You need the permission commands.add_testcommand to send commands.")
    if event["domain"] != DOMAIN:
        form.add_error(None, f"New test commands are sent to domain {DOMAIN} only.")
        return None
    message = form.cleaned_data["message"]
    behavior = Behavior.from_json(form.cleaned_data["behavior"])
    named = _uuid(message.get("command_id"))
    try:
        with transaction.atomic():
            new = send_test_command(
                behavior, payload=message.get("data", {}), reply=bool(message.get("reply_to")), command_id=named
            )
            what = f"Sent rejected message {event['msg_id']} again, mended, as command {new.command_id}."
            write_down(request, event["domain"], command_queue(event["domain"]), what)
    except DuplicateCommandError:
        form.add_error("message", "A command has this command_id already: leave it out for a new one.")
        return None
    except SendConflictError as exc:
        form.add_error(None, str(exc))
        return None
    messages.success(request, "The message is sent as a new command.")
    return new.command_id


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


def _uuid(text: object) -> UUID | None:
    """As commandbus.command_id_of has it: with its four dashes."""
    try:
        return UUID(text) if isinstance(text, str) and len(text) == 36 else None
    except ValueError:
        return None
