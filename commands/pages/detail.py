"""The page of one command: where it stands, its story attempt by attempt, what was asked of it and what it gave."""

from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_safe

from commands.pages import queries
from commands.pages.forms import fields_of
from commands.rules import timeline
from commands.rules.words import EventType, Status

LATE_ENDS_AWAITED = timedelta(minutes=1)


@require_safe
def page(request: HttpRequest, command_id: UUID) -> HttpResponse:
    return render(request, "commands/detail.html", {**context(command_id), "live": True})


@require_safe
def live(request: HttpRequest, command_id: UUID) -> HttpResponse:
    return render(request, "commands/_detail.html", context(command_id))


def context(command_id: UUID) -> dict[str, Any]:
    """The ``command``, its ``story``, its ``replies``; ``waiting``: it failed and waits for its next attempt, ``due``.

    ``followed``: more may happen. After the end that is a late end of an attempt that still goes on.
    """
    command = queries.command(command_id)
    if command is None:
        raise Http404(f"No command has the id {command_id}.")
    domain = command["domain"]
    events = queries.events(command_id, domain)
    story = timeline.build(events)
    final = Status(command["status"]).is_final
    waiting = not final and bool(events) and events[-1].event_type == EventType.FAILED
    return {
        "command": command,
        "due": queries.due(domain, command["msg_id"]) if waiting else None,
        "final": final,
        "followed": not final or _late_ends_may_come(story, command["updated_at"]),
        "waiting": waiting,
        "story": story,
        "milliseconds": timeline.milliseconds_to_end(events) if final else None,
        "replies": queries.replies(command_id, domain) if final and command["reply_queue"] else [],
        "again": urlencode(fields_of(command["behavior"])),
    }


def _late_ends_may_come(story: list[timeline.Entry], ended: datetime) -> bool:
    """For a while only: the worker of an attempt may have died."""
    goes_on = any(entry.attempt and entry.attempt.goes_on for entry in story)
    return goes_on and timezone.now() - ended < LATE_ENDS_AWAITED
