"""The page on which a person sends a test command."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods

from commands.bus.send import send_test_command
from commands.pages.forms import SendForm, fields_of
from commands.pages.outlooks import outlooks
from commands.rules.behaviors import BehaviorType
from e2e_site.access import permission_needed


@require_http_methods(["GET", "HEAD", "POST"])
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
    return render(request, "commands/send.html", {"form": form, "chosen": chosen, "outlooks": outlooks(form)})
