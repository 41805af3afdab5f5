"""The pages and their live fragments. A page and its fragment share one ``*_context`` function."""

from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_GET, require_http_methods

from commands.bus.send import send_test_command
from commands.pages import queries
from commands.pages.forms import SendForm
from commands.rules import timeline
from commands.rules.behaviors import PARAMETERS, BehaviorType
from commands.rules.expectation import Outlook, outlook
from commands.rules.words import DOMAIN, DOMAIN_LABELS, EventType, Status, command_queue
from e2e_site.access import permission_needed
from settings_app.backoff import backoff_ms
from settings_app.models import Configuration

EVENTS_SHOWN = 20
LATE_ENDS_AWAITED = timedelta(minutes=1)
PARAMETER_NAMES = tuple(sorted({name for names in PARAMETERS.values() for name in names}))


@require_GET
def dashboard(request: HttpRequest) -> HttpResponse:
    return render(request, "commands/dashboard.html", {**dashboard_context(_domain(request)), "live": True})


@require_GET
def dashboard_live(request: HttpRequest) -> HttpResponse:
    return render(request, "commands/_dashboard.html", dashboard_context(_domain(request)))


def _domain(request: HttpRequest) -> str:
    """The domain that is asked for; load tests' only where it is."""
    domain = request.GET.get("domain", DOMAIN)
    if domain not in DOMAIN_LABELS:
        raise Http404(f"There is no domain {domain[:40]!r}: {' or '.join(DOMAIN_LABELS)}.")
    return domain


def _query(domain: str) -> str:
    return "" if domain == DOMAIN else "?" + urlencode({"domain": domain})


def dashboard_context(domain: str) -> dict[str, Any]:
    """``counts``; ``workers``, ``alive`` of them; ``settings_version``; the newest ``events`` and ``rejected``.

    All of one ``domain``, whose ``queue`` it is; ``usual``: the one shown unless another is asked for by ``query``.
    ``domains``: the label and query of each. ``looked_back``: events may be missing (`queries.newest_events`).
    """
    counts = queries.status_counts(domain=domain)
    workers = queries.workers(domain)
    events = queries.newest_events(EVENTS_SHOWN, domain=domain)
    usual = domain == DOMAIN
    return {
        "usual": usual,
        "query": _query(domain),
        "domains": [(label, _query(name)) for name, label in DOMAIN_LABELS.items()],
        "queue": command_queue(domain),
        "counts": counts,
        "workers": workers,
        "alive": sum(worker["alive"] for worker in workers),
        "settings_version": Configuration.load().version,
        "events": events,
        "looked_back": any(event["far"] for event in events) if usual else len(events) < EVENTS_SHOWN,
        "rejected": queries.newest_rejected(5, domain=domain) if counts.rejected.value else [],
    }


@require_http_methods(["GET", "POST"])
@permission_needed("commands.add_testcommand", "send commands")
def send(request: HttpRequest) -> HttpResponse:
    form = SendForm(request.POST) if request.method == "POST" else SendForm(initial=_form_fields(request.GET.dict()))
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


@require_GET
def detail(request: HttpRequest, command_id: UUID) -> HttpResponse:
    return render(request, "commands/detail.html", {**detail_context(command_id), "live": True})


@require_GET
def detail_live(request: HttpRequest, command_id: UUID) -> HttpResponse:
    return render(request, "commands/_detail.html", detail_context(command_id))


def detail_context(command_id: UUID) -> dict[str, Any]:
    """The ``command``, its ``story``, its ``replies``; ``waiting``: it failed and waits for its next attempt.

    ``followed``: more may happen. After the end that is a late end of an attempt that still goes on.
    """
    command = queries.command(command_id)
    if command is None:
        raise Http404(f"No command has the id {command_id}.")
    domain = command["domain"]
    events = queries.events(command_id, domain)
    story = timeline.build(events)
    final = Status(command["status"]).is_final
    return {
        "command": command,
        "final": final,
        "followed": not final or _late_ends_may_come(story, command["updated_at"]),
        "waiting": not final and bool(events) and events[-1].event_type == EventType.FAILED,
        "story": story,
        "milliseconds": timeline.milliseconds_to_end(events) if final else None,
        "replies": queries.replies(command_id, domain) if final and command["reply_queue"] else [],
        "again": urlencode(_form_fields(command["behavior"])),
    }


def _late_ends_may_come(story: list[timeline.Entry], ended: datetime) -> bool:
    """For a while only: the worker of an attempt may have died."""
    goes_on = any(entry.attempt and entry.attempt.goes_on for entry in story)
    return goes_on and timezone.now() - ended < LATE_ENDS_AWAITED


def _form_fields(behavior: Any) -> dict[str, Any]:
    """The fields of the form that would send this behavior again; a stored one may be anything."""
    known = behavior if isinstance(behavior, dict) else {}
    return {name: known[name] for name in ("type", *PARAMETER_NAMES) if name in known}
