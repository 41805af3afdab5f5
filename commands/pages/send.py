"""The page on which a person sends a test command."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods

from commands.bus.send import send_test_command
from commands.pages.forms import SendForm, fields_of
from commands.rules.behaviors import BehaviorType
from commands.rules.expectation import Outlook, outlook
from e2e_site.access import permission_needed
from settings_app.backoff import backoff_ms
from settings_app.models import Configuration


@require_http_methods(["GET", "POST"])
@permission_needed("commands.add_testcommand", "send commands")
def page(request: HttpRequest) -> HttpResponse:
    form = SendForm(request.POST) if request.method == "POST" else SendForm(initial=fields_of(request.GET.dict()))
    if form.is_bound and form.is_valid():
        sent = send_test_command(
            form.cleaned_data["behavior"], payload=form.cleaned_data["payload"], reply=form.cleaned_data["reply"]
        )
        messages.success(request, "The command is sent.")
        return redirect("commands:detail", sent.command_id)
    chosen = form["type"].value() or BehaviorType.SUCCESS.value
    return render(request, "commands/send.html", {"form": form, "chosen": chosen, "outlooks": outlooks()})


def outlooks() -> list[Outlook]:
    """What each behavior would come to with the settings as they are."""
    config = Configuration.load()
    delays = [
        backoff_ms(
            attempt,
            base_delay_ms=config.base_delay_ms,
            max_delay_ms=config.max_delay_ms,
            multiplier=float(config.backoff_multiplier),
        )
        for attempt in range(1, config.max_attempts)
    ]
    return [
        outlook(kind, max_attempts=config.max_attempts, lease_s=config.visibility_timeout, delays_ms=delays)
        for kind in BehaviorType
    ]
