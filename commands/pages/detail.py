"""The page of one command: where it stands, its story attempt by attempt, what was asked of it and what it gave."""

from datetime import timedelta
from typing import Any
from uuid import UUID

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from commands.pages import queries
from commands.rules import timeline
from commands.rules.formatting import number
from commands.rules.words import EventType, Status

SLOW_PACE_S = 15  # how often a page asks that waits for an operator


@require_safe
def page(request: HttpRequest, command_id: UUID) -> HttpResponse:
    return render(request, "commands/detail.html", {**context(command_id), "live": True})


@require_safe
def live(request: HttpRequest, command_id: UUID) -> HttpResponse:
    return render(request, "commands/_detail.html", context(command_id))


def context(command_id: UUID) -> dict[str, Any]:
    """The ``command``, its ``story``, its ``replies``; ``waiting``: it failed and waits for its next attempt, ``due``.

    ``now``: the database's clock. ``followed``: more may happen, by a worker or, in the troubleshooting queue, by an
    operator, for which it is enough to ask every ``pace`` seconds. ``unserved``: it waits, and no worker is there.
    """
    command = queries.command(command_id)
    if command is None:
        raise Http404(f"No command has the id {command_id}.")
    domain, now, status = command["domain"], command["now"], Status(command["status"])
    events = queries.events(command_id, domain)
    work = _work(command["behavior"])
    story = timeline.build(events, work=work)
    _name_workers(timeline.attempts(story))
    awaited = timeline.await_ends(story, now=now, changed=command["updated_at"], work=work)
    waiting = not status.is_final and bool(events) and events[-1].event_type == EventType.FAILED
    parked = status == Status.IN_TROUBLESHOOTING_QUEUE
    return {
        "now": now,
        "command": command,
        "due": queries.due(domain, command["msg_id"]) if waiting else None,
        "final": status.is_final,
        "followed": not status.is_final or awaited or parked,
        "pace": SLOW_PACE_S if parked and not awaited else None,
        "unserved": not status.is_final and not command["served"],
        "waiting": waiting,
        "story": story,
        "took": timeline.took(events) if status.is_final else None,
        "replies": queries.replies(command_id, domain) if status.is_final and command["reply_queue"] else [],
        "no_result": _no_result(status),
        "most_shown": queries.JSON_SHOWN,
    }


def _no_result(status: Status) -> str:
    """Why there is none, for a command that has none."""
    if not status.is_final:
        return "None yet."
    if status == Status.COMPLETED:
        return "None: the success came without one."
    return "None: only a success gives one."


def _work(behavior: Any) -> timedelta | None:
    """How long each attempt works, where its behavior says so."""
    known = behavior if isinstance(behavior, dict) else {}
    milliseconds = number(known.get("execution_time_ms", 0 if known else None))
    return None if milliseconds is None else timedelta(milliseconds=milliseconds)


def _name_workers(attempts: list[timeline.Attempt]) -> None:
    named = {attempt.worker_id for attempt in attempts if attempt.worker_id}
    workers = queries.workers_seen(named) if named else {}
    for attempt in attempts:
        attempt.worker = workers.get(attempt.worker_id)
