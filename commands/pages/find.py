"""The search box of every page: to the command that a person means by an id, a correlation id, or how one begins."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_safe

from commands.reads import command_reads
from commands.reads.listing import query_of
from commands.rules.command_filter import id_range
from commands.rules.words import DOMAIN
from e2e_site.named_sql import Row

LISTED = 10  # ids, and correlation ids, of a page that shows what may be meant


@require_safe
def page(request: HttpRequest) -> HttpResponse:
    """To the one command that ``?q=`` means; to a list where it means several of one kind; else what it may mean."""
    typed = request.GET.get("q", "").strip()
    ids = id_range(typed)
    commands = command_reads.with_id(ids, limit=LISTED + 1) if ids else []
    correlations = command_reads.with_correlation(ids, limit=LISTED + 1) if ids else []
    if len(commands) == 1 and not correlations:
        return redirect("commands:detail", commands[0]["command_id"])
    if len(correlations) == 1 and not commands:
        return _of_correlation(correlations[0])
    if not correlations:
        return redirect(_list_of_ids(typed, commands))
    shown = {
        "typed": typed,
        "commands": commands[:LISTED],
        "more_commands": _list_of_ids(typed, commands) if len(commands) > LISTED else "",
        "correlations": [{**row, "list": _list_of(row)} for row in correlations[:LISTED]],
        "cut": len(correlations) > LISTED,
    }
    return render(request, "commands/find.html", shown)


def _of_correlation(found: Row) -> HttpResponse:
    only = found["commands"]
    return redirect("commands:detail", only[0]) if len(only) == 1 else redirect(_list_of(found))


def _list_of(found: Row) -> str:
    return reverse("commands:list") + query_of({"correlation": str(found["correlation_id"])})


def _list_of_ids(typed: str, commands: list[Row]) -> str:
    domain = commands[0]["domain"] if commands else DOMAIN
    return reverse("commands:list") + query_of({"id": typed, "domain": "" if domain == DOMAIN else domain})
