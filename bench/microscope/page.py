"""The page of one command close up, whole or one attempt of it. It only reads, whatever command of the site it is."""

from typing import Any
from uuid import UUID

from django.contrib.auth.models import AnonymousUser, User
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from bench.microscope import reads
from bench.report.close_up import MOST_DELIVERIES, close_up
from commands.reads.one_command import OneCommand, read
from commands.reads.redacted import redactor_for
from commands.rules.timeline import Attempt


@require_safe
def microscope(request: HttpRequest, command_id: UUID) -> HttpResponse:
    return render(request, "bench/microscope.html", context(command_id, request.GET.get("attempt", ""), request.user))


def context(command_id: UUID, asked: str, user: User | AnonymousUser) -> dict[str, Any]:
    """The ``command`` and its ``picture``, None where nothing happened; ``attempts`` that one may look at closer, and
    ``chosen``, the one that is. ``locks``: who holds its rows at ``now``, by the database's clock.
    """
    found = read(command_id, redactor_for(user))
    chosen = _chosen(found, asked)
    done = reads.executions(found)
    course = reads.course(found, done)
    return {
        "now": found.outcome.now,
        "command": found.command,
        "waiting": found.waiting,
        "picture": close_up(course, reads.window(chosen, course) if chosen else None),
        "attempts": found.outcome.attempts[-MOST_DELIVERIES:],
        "chosen": chosen,
        "executions": len(done),
        "locks": reads.locks(found),
        "settings": found.config,
    }


def _chosen(found: OneCommand, asked: str) -> Attempt | None:
    """The attempt that has this key. Raises Http404."""
    if not asked:
        return None
    attempt = next((one for one in found.outcome.attempts if one.key == asked), None)
    if attempt is None:
        raise Http404(f"The command {found.command['command_id']} has no attempt {asked[:40]!r}.")
    return attempt
