"""The page on which a person sends a test command."""

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_safe

from commands.bus.conflicts import SendConflictError
from commands.bus.send import send_test_command
from commands.fields import typed
from commands.forms.outlooks import outlooks
from commands.forms.sending import SendForm, fields_of
from commands.reads import queries
from commands.reads.redacted import redactor_for
from commands.rules.behaviors import BehaviorType
from commands.rules.redaction import REDACTED, Redactor
from e2e_site.access import permission_needed
from settings_app.models import Configuration

_needs_permission = permission_needed("commands.add_testcommand", "send commands")


@require_http_methods(["GET", "HEAD", "POST"])
@_needs_permission
def page(request: HttpRequest) -> HttpResponse:
    """``?like=ID`` fills the form with what was asked of that command."""
    if request.method != "POST":
        if "like" not in request.GET:
            return _show(request, SendForm(initial={}))
        redactor = redactor_for(request.user)
        return _show(request, SendForm(initial=_asked(request.GET["like"], redactor)), redacted=redactor.hidden)
    form = SendForm(request.POST)
    if not form.is_valid():
        return _show(request, form, status=400)
    asked = {name: form.cleaned_data[name] for name in ("payload", "reply", "max_attempts", "correlation_id")}
    try:
        sent = send_test_command(form.cleaned_data["behavior"], **asked)
    except SendConflictError as exc:
        form.add_error(None, str(exc))
        return _show(request, form, status=409)
    messages.success(request, "The command is sent.")
    return redirect("commands:detail", sent.command_id)


@require_safe
@_needs_permission
def live_outlooks(request: HttpRequest) -> HttpResponse:
    """What would become of each behavior with the numbers typed so far."""
    return render(
        request, "commands/_outlooks.html", {"outlooks": outlooks(SendForm(request.GET), Configuration.load())}
    )


def _show(request: HttpRequest, form: SendForm, status: int = 200, redacted: int = 0) -> HttpResponse:
    """``redacted``: how many values of what the form asks for again are left out."""
    config = Configuration.load()
    form.show_setting(config.max_attempts)
    chosen = form["type"].value() or BehaviorType.SUCCESS.value
    shown = {"form": form, "chosen": chosen, "outlooks": outlooks(form, config), "redacted": redacted}
    return render(request, "commands/send.html", shown, status=status)


def _asked(command_id: str, redactor: Redactor) -> dict[str, Any]:
    """The fields of the form that asks the same again, without a payload or what else is redacted.

    Raises Http404 where there is no such command.
    """
    try:
        asked = queries.asked(UUID(command_id))
    except ValueError:
        asked = None
    if asked is None:
        raise Http404("There is no command with that id, of which another could be sent.")
    payload = payload_again(asked["payload"], redactor)
    known = {name: asked[name] for name in ("max_attempts", "reply", "correlation_id")}
    return {**behavior_again(asked["behavior"], redactor), **known, **payload}


def behavior_again(behavior: Any, redactor: Redactor) -> dict[str, Any]:
    """The fields of a form that ask for a behavior again, but for those that are redacted."""
    shown = redactor.value(fields_of(behavior))
    return {name: value for name, value in shown.items() if value != REDACTED}


def payload_again(text: str | None, redactor: Redactor) -> dict[str, Any]:
    """The field of a form that sends a payload again; none where there is none, or some of it is redacted."""
    if text is None:
        return {}
    before = redactor.hidden
    shown = redactor.under("payload", text)
    return {"payload": typed(shown)} if redactor.hidden == before else {}
