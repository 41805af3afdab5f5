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
from commands.pages import queries
from commands.pages.forms import SendForm, fields_of
from commands.pages.outlooks import outlooks
from commands.rules.behaviors import BehaviorType
from e2e_site.access import permission_needed

_needs_permission = permission_needed("commands.add_testcommand", "send commands")


@require_http_methods(["GET", "HEAD", "POST"])
@_needs_permission
def page(request: HttpRequest) -> HttpResponse:
    """``?like=ID`` fills the form with what was asked of that command."""
    if request.method == "POST":
        form = SendForm(request.POST)
    else:
        form = SendForm(initial=_asked(request.GET["like"]) if "like" in request.GET else {})
    if form.is_bound and form.is_valid():
        asked = {name: form.cleaned_data[name] for name in ("payload", "reply", "max_attempts")}
        try:
            sent = send_test_command(form.cleaned_data["behavior"], **asked)
        except SendConflictError as exc:
            form.add_error(None, str(exc))
        else:
            messages.success(request, "The command is sent.")
            return redirect("commands:detail", sent.command_id)
    chosen = form["type"].value() or BehaviorType.SUCCESS.value
    return render(request, "commands/send.html", {"form": form, "chosen": chosen, "outlooks": outlooks(form)})


@require_safe
@_needs_permission
def live_outlooks(request: HttpRequest) -> HttpResponse:
    """What would become of each behavior with the numbers typed so far."""
    return render(request, "commands/_outlooks.html", {"outlooks": outlooks(SendForm(request.GET))})


def _asked(command_id: str) -> dict[str, Any]:
    """The fields of the form that asks the same again. Raises Http404 where there is no such command."""
    try:
        asked = queries.asked(UUID(command_id))
    except ValueError:
        asked = None
    if asked is None:
        raise Http404("There is no command with that id, of which another could be sent.")
    payload = {} if asked["payload"] is None else {"payload": typed(asked["payload"])}
    known = {"max_attempts": asked["max_attempts"], "reply": asked["reply"]}
    return {**fields_of(asked["behavior"]), **known, **payload}
