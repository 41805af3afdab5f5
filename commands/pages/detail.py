"""The page of one command: where it stands beside what had to happen, its story, what was asked and what came of it."""

from dataclasses import replace
from typing import Any
from uuid import UUID

from django.contrib.auth.models import AnonymousUser, User
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from commands.pages.allowed_actions import actions
from commands.pages.copies import HIDDEN, Asked, Copy, copies, no_copies
from commands.reads import queries
from commands.reads.expected import expected, lease
from commands.reads.one_command import OneCommand, read
from commands.reads.redacted import redactor_for
from commands.rules.bars import Bars, bars
from commands.rules.ends import took
from commands.rules.words import EventType, Status
from e2e_site.named_sql import Row

SLOW_PACE_S = 15  # how often a page asks that waits for an operator
TOLD = 50  # lines of a story; the audit has all of them


@require_safe
def page(request: HttpRequest, command_id: UUID) -> HttpResponse:
    return render(request, "commands/detail.html", {**context(command_id, request.user), "live": True})


@require_safe
def live(request: HttpRequest, command_id: UUID) -> HttpResponse:
    return render(request, "commands/_detail.html", context(command_id, request.user))


@require_safe
def raw(request: HttpRequest, command_id: UUID, part: str) -> HttpResponse:
    """The JSON of ``behavior``, ``payload`` or ``result`` as it is stored, whole."""
    found = queries.raw(command_id, part)
    if found is None:
        raise Http404(f"The command {command_id} has no {part}.")
    if found["text"] is None:
        raise Http404(f"This {part} has more than {queries.RAW_SHOWN:,} characters: read it in SQL.")
    text = redactor_for(request.user).under(part, found["text"])
    return HttpResponse(text, content_type="application/json; charset=utf-8")


def context(command_id: UUID, user: User | AnonymousUser) -> dict[str, Any]:
    """The ``command``, its ``story``, its ``replies``; ``waiting``: it failed and waits for its next attempt, ``due``.

    ``now``: the database's clock. ``followed``: more may happen, by a worker or, in the troubleshooting queue, by an
    operator, for which it is enough to ask every ``pace`` seconds. ``unserved``: it waits, and no worker is there.
    ``expected``: what had to happen. ``message``: where its message is. ``actions``: what ``user`` may do to it.
    ``redacted``: how many values ``user`` may not see.
    """
    redactor = redactor_for(user)
    found = read(command_id, redactor)
    command, status, message, outcome = found.command, found.status, found.message, found.outcome
    parked = status == Status.IN_TROUBLESHOOTING_QUEUE
    return {
        "now": outcome.now,
        "command": command,
        "due": message["vt"] if found.waiting and message and message["archived_at"] is None else None,
        "final": status.is_final,
        "followed": not status.is_final or outcome.awaited or parked,
        "pace": SLOW_PACE_S if parked and not outcome.awaited else None,
        "unserved": not status.is_final and not command["served"],
        "waiting": found.waiting,
        "expected": expected(command, outcome, found.config),
        "story": found.story[:TOLD],
        "untold": len(found.story) - TOLD,
        "bars": _bars(found),
        "took": took(outcome.events) if status.is_final else None,
        "message": message,
        "replies": found.replies,
        "no_result": _no_result(status),
        "copies": _copies(command),
        "redacted": redactor.hidden,
        "actions": actions(command_id, status, user),
        "most_shown": queries.JSON_SHOWN,
        "most_of_details": queries.DETAIL_SHOWN,
    }


def _bars(found: OneCommand) -> Bars | None:
    """The attempts on its current message, or on the one that the newest attempt had."""
    outcome, message = found.outcome, found.message
    if not outcome.attempts:
        return None
    msg_id = outcome.attempts[-1].msg_id
    of_message = [attempt for attempt in outcome.attempts if attempt.msg_id == msg_id]
    sent = [event for event in outcome.events if event.event_type in (EventType.SENT, EventType.OPERATOR_RETRY)]
    before = [event.ts for event in sent if event.ts <= of_message[0].started]
    leases = lease(found.command, outcome, found.config)
    if found.status == Status.IN_PROGRESS and not found.waiting and message and msg_id == found.command["msg_id"]:
        leases = replace(leases, until=message["vt"])
    return bars(of_message, sent=before[-1] if before else None, now=outcome.now, lease=leases)


def _copies(command: Row) -> list[Copy]:
    if command["asked_hidden"]:
        return no_copies(HIDDEN)
    if command["behavior_text"] is None:
        return copies(None)
    asked = Asked(
        domain=command["domain"],
        command_type=command["command_type"],
        behavior=command["behavior_text"],
        known=command["behavior"],
        payload=command["payload_text"] or "{}",
        max_attempts=command["max_attempts"],
        reply_queue=command["reply_queue"],
        correlation_id=command["correlation_id"],
    )
    return copies(asked)


def _no_result(status: Status) -> str:
    """Why there is none, for a command that has none."""
    if not status.is_final:
        return "None yet."
    if status == Status.COMPLETED:
        return "None: the success came without one."
    return "None: only a success gives one."
