"""The page on which an operator cancels a command that waits. Parked ones are the troubleshooting queue's."""

from datetime import timedelta
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods

from commands.bus.operators import Action, Left, act
from commands.forms.operating import CancelWaitingForm
from commands.pages.domains import query_of_domain
from commands.reads import queries
from commands.rules.formatting import since
from commands.rules.words import EventType, OperationKind, Status
from e2e_site.access import permission_needed
from e2e_site.named_sql import Row

CONFLICT = 409


@require_http_methods(["GET", "HEAD", "POST"])
@permission_needed("commands.operate_command", "cancel commands")
def page(request: HttpRequest, command_id: UUID) -> HttpResponse:
    command = _command(command_id)
    form = CancelWaitingForm(request.POST if request.method == "POST" else None)
    if not form.is_bound:
        return _shown(request, command, form, too_late=_too_late(command))
    if not form.is_valid():
        return _shown(request, command, form, too_late=_too_late(command), status=400)
    action = Action(kind=OperationKind.CANCEL, operator=request.user.get_username(), reason=form.cleaned_data["reason"])
    acted = act(action, [command_id], domain=command["domain"], waiting=True)
    if acted.left:
        why = _first(acted.left[command_id], _command(command_id))
        return _shown(request, command, form, too_late=why, status=CONFLICT)
    messages.success(request, f"Command {str(command_id)[:8]} is canceled. Nothing of it is performed.")
    return redirect(_queue(command))


def _command(command_id: UUID) -> Row:
    command = queries.command(command_id)
    if command is None:
        raise Http404(f"No command has the id {command_id}.")
    return command


def _shown(
    request: HttpRequest, command: Row, form: CancelWaitingForm, *, too_late: str, status: int = 200
) -> HttpResponse:
    shown = {"command": command, "now": command["now"], "form": form, "too_late": too_late, "queue": _queue(command)}
    return render(request, "commands/cancel.html", shown, status=status)


def _queue(command: Row) -> str:
    return reverse("commands:queue") + query_of_domain(command["domain"])


def _too_late(command: Row) -> str:
    """Why a command cannot be canceled any more; empty for one that waits."""
    if command["status"] == Status.PENDING:
        return ""
    return _first(Left(status=Status(command["status"])), command)


def _first(left: Left, command: Row) -> str:
    """Who was first, in a sentence."""
    if left.held:
        return "A worker, or another operator, has it in hand just now. Look again: cancel it if it still waits."
    now = Status(command["status"])
    if now == Status.CANCELED:
        who, at = _operator(command, left)
        return f"{who} canceled it {_ago(command, at)}."
    took = _worker(command)
    return f"{took}: it is {now.label.lower() if now != Status.IN_TROUBLESHOOTING_QUEUE else 'in the TSQ'} now."


def _operator(command: Row, left: Left) -> tuple[str, Any]:
    if left.operator:
        return left.operator, left.at
    for event in reversed(queries.events(command["command_id"], command["domain"])):
        if event.event_type == EventType.OPERATOR_CANCEL:
            return str(event.details.get("operator", "Another operator")), event.ts
    return "Another operator", None


def _worker(command: Row) -> str:
    """ "Worker alpha:4711 began it 3 s ago"."""
    for event in reversed(queries.events(command["command_id"], command["domain"])):
        if event.event_type == EventType.RECEIVED:
            worker_id = str(event.details.get("worker", ""))
            seen = queries.workers_seen([worker_id]).get(worker_id) if worker_id else None
            name = f"Worker {seen.name}" if seen else "A worker"
            return f"{name} began it {_ago(command, event.ts)}"
    return "It is no longer waiting"


def _ago(command: Row, moment: Any) -> str:
    return since((command["now"] - moment) / timedelta(seconds=1)) if moment else "meanwhile"
