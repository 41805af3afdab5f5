"""The queue: what waits, runs and is delayed, in the order in which workers take it; pausing, resuming, canceling."""

from typing import TYPE_CHECKING, Any, cast

from django.contrib import messages
from django.core.exceptions import BadRequest
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST, require_safe

from commands.pages.domains import UnknownDomainError, chosen_domain, unknown_domain
from commands.reads import queries
from commands.reads import queue as reads
from commands.reads.listing import Look, number_of, page_size, query_of
from commands.rules.words import DOMAIN, MessageState
from e2e_site.access import permission_needed
from e2e_site.texts import cut
from e2e_site.unchanged import not_again
from settings_app.models import Configuration, SettingsConflictError
from settings_app.pause import set_paused

if TYPE_CHECKING:
    from django.contrib.auth.models import User

SWITCH = {"on": True, "off": False}


class WrongStateError(Exception):
    """``?state=`` is none of those that there are."""


@require_safe
def page(request: HttpRequest) -> HttpResponse:
    try:
        shown = context(request.GET)
    except UnknownDomainError as exc:
        return unknown_domain(request, exc)
    except WrongStateError as exc:
        without = request.GET.copy()
        del without["state"]
        shown = {**context(without), "problem": str(exc)}
    status = 400 if "problem" in shown else 200
    return render(request, "commands/queue.html", {**shown, "live": True}, status=status)


@require_safe
@not_again
def live(request: HttpRequest) -> HttpResponse:
    try:
        return render(request, "commands/_queue.html", context(request.GET))
    except WrongStateError as exc:
        raise BadRequest(str(exc)) from exc


@require_POST
@permission_needed("settings_app.change_configuration", "pause and resume workers")
def switch(request: HttpRequest) -> HttpResponse:
    """Pause (``paused=on``) or resume (``off``) all workers."""
    asked = request.POST.get("paused", "")
    if asked not in SWITCH:
        raise BadRequest("paused must be on or off.")
    before = Configuration.load()
    try:
        config = set_paused(SWITCH[asked], user=cast("User", request.user))  # only users have permissions
    except SettingsConflictError as exc:
        who = exc.current.updated_by or "Another user"
        messages.error(request, f"{who} changed the settings in this moment. Nothing is changed; look again.")
        return redirect("commands:queue")
    word = "paused" if config.paused else "resumed"
    if config.version == before.version:
        messages.info(request, f"The workers are {word} already: {before.updated_by or 'the settings say so'}.")
    else:
        messages.success(request, f"The workers are {word} (settings version {config.version}).")
    return redirect("commands:queue")


def context(query: QueryDict) -> dict[str, Any]:
    """One page of the queue of a domain: ``rows``, its ``look``, ``tabs``; ``paused``, and who of the ``workers`` is.

    Raises UnknownDomainError, `WrongStateError`, Http404 for a cursor that is none.
    """
    chosen = chosen_domain(query)
    state = _state(query.get("state", ""))
    after = number_of(query.get("after", "")) or 0
    size = page_size(query)
    found = reads.messages(chosen.domain, state=state, after=after, size=size)
    config = Configuration.load()
    workers = [worker for worker in queries.workers(chosen.domain) if worker["alive"]]
    kept = {"domain": None if chosen.domain == DOMAIN else chosen.domain, "size": query.get("size")}
    return {
        "chosen": chosen,
        "now": found.now,
        "rows": found.rows,
        "state": state,
        "first": not after,
        "front": query_of({**kept, "state": state}) or "?",
        "here": query_of({**kept, "state": state, "after": after or None}),
        "look": _look(found, {**kept, "state": state}),
        "tabs": _tabs(chosen.domain, state, kept),
        "paused": config.paused,
        "alive": len(workers),
        "acknowledged": sum(worker["settings_version"] == config.version for worker in workers),
        "finishing": sum(worker["in_flight"] for worker in workers),
    }


def _state(asked: str) -> MessageState | None:
    if not asked:
        return None
    if asked not in list(MessageState):
        allowed = ", ".join(MessageState)
        raise WrongStateError(f"state must be one of {allowed}, not {cut(asked, 40)!r}. All are shown.")
    return MessageState(asked)


def _look(found: reads.Messages, kept: dict[str, Any]) -> Look:
    """What was looked at; the next page begins behind the last row shown, or where the look ended."""
    return Look(
        looked=0 if found.full else found.looked,  # a full page stopped early, it is not known where
        most=found.most,
        found=len(found.rows),
        more=query_of({**kept, "after": found.goes_on}) if found.goes_on else "",
        filtered=bool(kept["state"]),
    )


def _tabs(domain: str, state: MessageState | None, kept: dict[str, Any]) -> list[dict[str, Any]]:
    counted = reads.counts(domain)
    labels = {"": "All", **{each.value: each.label for each in MessageState}}
    return [
        {
            "label": label,
            "count": counted[name],
            "query": query_of({**kept, "state": name}) or "?",
            "here": name == (state or ""),
        }
        for name, label in labels.items()
    ]
