"""What people did: actions on single commands, operations, settings and messages, newest first."""

from pathlib import Path
from typing import Any

from django import forms
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from commands.forms.audit import DomainField, operator_field
from commands.reads import events, listing, queries
from commands.reads.merging import Found, Place, merged
from commands.rules.words import OPERATOR_EVENTS, OperationKind, OperationState
from e2e_site.named_sql import NamedSql, Row

MOST = 10_000  # operations, and entries of the log, that one page looks at
TABLES = ("events", "operations", "log")

_SQL = NamedSql(Path(__file__).with_suffix(".sql"))


class ActionsForm(forms.Form):
    operator = operator_field()

    def __init__(self, data: Any, *, domains: list[str]) -> None:
        super().__init__(data)
        self.fields["domain"] = DomainField(domains)


@require_safe
def page(request: HttpRequest) -> HttpResponse:
    names, now = queries.domains()
    form = ActionsForm(request.GET, domains=names)
    shown = {"form": form, "now": now, "domains": names, "size": request.GET.get("size", "")}
    if not form.is_valid():
        return render(request, "commands/actions.html", shown, status=400)
    return render(request, "commands/actions.html", {**shown, **_context(request, form.cleaned_data)})


def _context(request: HttpRequest, asked: dict[str, Any]) -> dict[str, Any]:
    """The ``actions`` of a page: each what its table has of it, with ``table``, ``at`` and ``operator``."""
    place = place_of(request.GET.get("before", ""))
    size = listing.page_size(request.GET)
    found = merged(_found(asked, place, size), place, size)
    known = {name: request.GET.get(name) for name in ("operator", "domain", "size")}
    more = listing.query_of({**known, "before": text_of(found.next)}) if found.next else ""
    actions = [{**row, "table": table} for table, row in found.rows]
    return {
        "actions": actions,
        "filtered": bool(asked["operator"]),
        "look": listing.Look(
            looked=events.MOST_TEXTS if found.reach else len(actions),
            most=events.MOST_TEXTS,
            found=len(actions),
            reach=found.reach,
            more=more,
            filtered=bool(asked["operator"]) or found.reach is not None,
        ),
        "first": not request.GET.get("before"),
        "newest": listing.query_of(known) or "?",
    }


def place_of(text: str) -> Place:
    """Where a page begins, as `text_of` writes it; for an empty text with the newest. Raises Http404 for another."""
    if not text:
        return dict.fromkeys(TABLES, listing.LARGEST_NUMBER)
    numbers = [listing.number_of(part) for part in text.split(".", len(TABLES))]
    if len(numbers) != len(TABLES) or None in numbers:
        raise Http404("This page begins nowhere.")
    return {name: number for name, number in zip(TABLES, numbers, strict=True) if number is not None}


def text_of(place: Place) -> str:
    return ".".join(str(place[name]) for name in TABLES)


def _found(asked: dict[str, Any], place: Place, size: int) -> dict[str, Found]:
    alone = events.EventFilter(domain=asked["domain"], operator=asked["operator"], types=OPERATOR_EVENTS, alone=True)
    of_commands = events.read(alone, size=size + 1, before=place["events"])
    common = {"domain": asked["domain"], "operator": asked["operator"], "most": MOST, "limit": size + 1}
    operations = _table(_SQL.rows("operations", before=place["operations"], **common))
    return {
        "events": Found(
            rows=[_of_command(row) for row in of_commands.rows],
            edge=of_commands.next - 1 if of_commands.reach and of_commands.next else None,
            edge_at=of_commands.reach,
        ),
        "operations": Found(
            rows=[_named(row) for row in operations.rows], edge=operations.edge, edge_at=operations.edge_at
        ),
        "log": _table(_SQL.rows("log", before=place["log"], **common)),
    }


def _table(found: list[Row]) -> Found:
    rows = [row for row in found if row["id"] is not None]
    return Found(rows=rows, edge=found[0]["edge"], edge_at=found[0]["edge_at"])


def _of_command(row: Row) -> Row:
    shown = events.listed(row)
    # All that is shown of it is who did it, and why.
    return {**shown, "id": row["audit_id"], "at": row["ts"], "reason": str(shown["details"].get("reason") or "")}


def _named(row: dict[str, Any] | Any) -> Row:
    kind, state = OperationKind(row["kind"]), OperationState(row["state"])
    return {**row, "kind_label": kind.label, "state_label": state.label, "over": state.is_over}
