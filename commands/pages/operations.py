"""The pages of operations: all of them, newest first, and one, live from its first chunk to its end."""

from typing import Any

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST, require_safe

from commands.bus import operations
from commands.forms.mix_outlook import End, ends, percent, shares_of
from commands.forms.outlooks import statuses_of
from commands.forms.parked import WITHOUT
from commands.reads import operations as reads
from commands.reads import queries
from commands.reads.listing import Look, number_of, page_size, query_of
from commands.reads.redacted import redactor_for
from commands.rules import operation_text
from commands.rules.behaviors import Behavior
from commands.rules.formatting import Count
from commands.rules.redaction import Redactor
from commands.rules.words import DOMAIN, OperationKind, OperationState, Status, operation_permission
from e2e_site.access import permission_needed
from e2e_site.named_sql import Row
from settings_app.models import Configuration

REASON_SHOWN = 200  # characters of a reason in the list


@require_safe
def page(request: HttpRequest) -> HttpResponse:
    return render(request, "commands/operations.html", {**list_context(request), "live": True})


@require_safe
def live(request: HttpRequest) -> HttpResponse:
    return render(request, "commands/_operations.html", list_context(request))


def list_context(request: HttpRequest) -> dict[str, Any]:
    """A page of ``operations``, newest first, and its ``look``; ``first``: it is the ``newest`` page.

    ``query``: what asks for it. ``now``: the database's clock; None where there is no operation. ``open``: one of
    them is not over.
    """
    before, size = number_of(request.GET.get("before", "")), page_size(request.GET)
    rows = reads.newest(before, size + 1)
    found = [_shown({**row, "reason": row["reason"][:REASON_SHOWN]}) for row in rows[:size]]
    asked_size = request.GET.get("size")
    more = query_of({"before": found[-1]["operation_id"], "size": asked_size}) if len(rows) > size else ""
    return {
        "now": rows[0]["now"] if rows else None,
        "operations": found,
        "look": Look(looked=len(found), most=size, found=len(found), more=more),
        "newest": query_of({"size": asked_size}) or "?",
        "query": query_of({"before": before, "size": asked_size}),
        "first": before is None,
        "open": any(not row["over"] for row in found),
    }


@require_safe
def detail(request: HttpRequest, operation_id: int) -> HttpResponse:
    return render(request, "commands/operation.html", {**context(request, operation_id), "live": True})


@require_safe
def detail_live(request: HttpRequest, operation_id: int) -> HttpResponse:
    return render(request, "commands/_operation.html", context(request, operation_id))


def context(request: HttpRequest, operation_id: int) -> dict[str, Any]:
    """The ``operation`` with what was ``asked``; of a bulk send also its ``parts``, where they are ``expected`` to end,
    and where they ``stand`` now. ``now``: the database's clock.

    ``followed``: more may happen. ``unserved``: no worker is there, and it waits (``stalled``), or its commands do.
    ``may_cancel``: its viewer may.
    """
    row = operation_of(operation_id)
    if row is None:
        raise Http404(f"No operation has the number {operation_id}.")
    redactor = redactor_for(request.user)
    for name in ("payload", "result"):
        if row[name] is not None:
            row = {**row, name: redactor.under(name, row[name])}
    is_send = row["kind"] == OperationKind.SEND
    stand = _stand(row) if is_send and row["done"] else []
    moving = sum(end.count.value for end in stand if not end.statuses[0].is_final)
    stalled = not row["over"] and (row["silent"] or row["state"] == OperationState.WAITING)
    alive = not (stalled or moving) or any(worker["alive"] for worker in queries.workers(row["domain"]))
    return {
        "now": row["now"],
        "operation": row,
        "asked": operation_text.asked(row),
        **(_mix(row, redactor) if is_send else {"filter": _filter_query(row)}),
        "stand": stand,
        "most_counted": reads.ENDS_COUNTED,
        "moving": moving,
        "redacted": redactor.hidden,
        "followed": not row["over"] or bool(moving),
        "stalled": stalled,
        "unserved": not alive,
        "may_cancel": not row["over"] and request.user.has_perm(operation_permission(row["kind"])),
        "canary": operation_text.canary_text(row["progress"], row["canary"], row["done"])
        if row["canary"] is not None and not row["over"]
        else "",
    }


@require_POST
def cancel(request: HttpRequest, operation_id: int) -> HttpResponse:
    """End it after its current chunk. Who may ask for its kind may end it."""
    row = operation_of(operation_id)
    if row is None:
        raise Http404(f"No operation has the number {operation_id}.")
    guarded = permission_needed(operation_permission(row["kind"]), f"cancel operation {operation_id}")(_cancel)
    return guarded(request, operation_id)


def _cancel(request: HttpRequest, operation_id: int) -> HttpResponse:
    if operations.cancel(operation_id, by=request.user.get_username()):
        messages.success(request, f"Operation {operation_id} is canceled. What it has done stays done.")
    else:
        messages.warning(request, f"Operation {operation_id} was over already: nothing was canceled.")
    return redirect("commands:operation", operation_id)


def operation_of(operation_id: int) -> Row | None:
    """One operation as pages show it, or None where there is none."""
    row = reads.operation(operation_id)
    return _shown(row) if row else None


def _shown(row: Row) -> Row:
    """With its ``title``, ``over``, ``percent`` done, ``per_s``, and ``left_ms``: how long it takes from now."""
    pace = operation_text.pace(row)
    return {
        **row,
        "kind_label": OperationKind.label_of(row["kind"]),
        "done_word": operation_text.DONE_WORDS[row["kind"]],
        "title": operation_text.title(row["kind"], row["wanted"]),
        "told": operation_text.progress_text(row),
        "over": pace.over,
        "met": pace.met,
        "most": pace.most,
        "percent": pace.percent,
        "per_s": None if pace.per_s is None else operation_text.rate_text(pace.per_s),
        "worked_ms": None if row["worked_s"] is None else 1000 * row["worked_s"],
        "left_ms": None if pace.left_s is None else 1000 * pace.left_s,
    }


def _filter_query(row: Row) -> str:
    """What asks the list of the troubleshooting queue for those that the operation's filter meets now."""
    chosen = row["spec"]["filter"]
    words = {name: chosen[name] or WITHOUT for name in ("code", "error_type", "behavior") if name in chosen}
    return query_of({"domain": row["domain"] if row["domain"] != DOMAIN else "", **words, "text": chosen.get("text")})


def _mix(row: Row, redactor: Redactor) -> dict[str, Any]:
    spec, config = row["spec"], Configuration.load()
    shares = shares_of([part["weight"] for part in spec["parts"]], in_turn=spec["in_turn"])
    behaviors = [Behavior.from_json(part["behavior"]) for part in spec["parts"]]
    statuses = [statuses_of(behavior, spec["max_attempts"], config) for behavior in behaviors]
    count = row["done"] if row["over"] else row["wanted"]
    return {
        "parts": [
            (percent(share), operation_text.behavior_text(redactor.value(behavior.to_json())))
            for share, behavior in zip(shares, behaviors, strict=True)
        ],
        "expected": ends(zip(statuses, shares, strict=True), count, in_turn=spec["in_turn"]) if count else [],
    }


def _stand(row: Row) -> list[End]:
    counted = reads.ends(row["correlation_id"])
    return [End(statuses=[status], count=Count(counted[status])) for status in Status if status in counted]
