"""The troubleshooting queue: what waits for an operator, newest first, and its groups by error code and behavior."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any
from uuid import UUID

from django.http import Http404, HttpRequest, HttpResponse, QueryDict
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_safe

from commands.bus.operations import ParkedFilter
from commands.forms.parked import FilterForm, in_words, spelled
from commands.pages.domains import UnknownDomainError
from commands.reads import queries
from commands.reads.listing import PAGE_SIZES, Look, page_size, query_of
from commands.rules.formatting import Count
from commands.rules.operating import EFFECTS
from commands.rules.words import DOMAIN
from e2e_site.charts.sparkline import Sparkline, sparkline
from e2e_site.named_sql import NamedSql, Row

COUNT_LIMIT = 10_000  # counted exactly up to here
MOST_TEXTS = 4000  # commands whose messages are looked into for one page
MOST_GROUPS = 100
PERMISSION = "commands.operate_command"

# Ages, the oldest first: each bar of a sparkline begins with one of them and ends where the next one begins.
AGES: Mapping[str, timedelta | None] = {
    "older than 7 days": None,
    "1 to 7 days": timedelta(days=7),
    "6 hours to 1 day": timedelta(days=1),
    "1 to 6 hours": timedelta(hours=6),
    "10 minutes to 1 hour": timedelta(hours=1),
    "1 to 10 minutes": timedelta(minutes=10),
    "within 1 minute": timedelta(minutes=1),
}

_NEWEST = (datetime(9999, 12, 31, tzinfo=UTC), UUID(int=2**128 - 1))
_SQL = NamedSql(Path(__file__).with_suffix(".sql"))

Place = tuple[datetime, UUID]  # of a row in the list: when it was parked, its command


@require_safe
def page(request: HttpRequest) -> HttpResponse:
    return listed(request, request.GET)


def listed(request: HttpRequest, query: QueryDict, *, problem: str = "") -> HttpResponse:
    """The list that ``query`` asks for; at status 400 where something in it is wrong, or with another ``problem``."""
    shown = context(query)
    status = 400 if problem or not shown["form"].is_valid() else 200
    return render(request, "commands/tsq.html", {**shown, **_rights(request), "problem": problem}, status=status)


@require_safe
def groups_page(request: HttpRequest) -> HttpResponse:
    return render(request, "commands/tsq_groups.html", {**groups_context(request.GET), **_rights(request)})


def _rights(request: HttpRequest) -> dict[str, Any]:
    return {"may_operate": request.user.has_perm(PERMISSION), "effects": EFFECTS}


def moment(domain: str) -> Row:
    """``now``, the database's clock; ``any_sent``: there is a command."""
    return _SQL.rows("moment", domain=domain)[0]


def domain_of(query: QueryDict) -> str:
    """``domain`` of an address or a form, `DOMAIN` unless it is said. Raises UnknownDomainError."""
    domain = query.get("domain", DOMAIN)
    if domain != DOMAIN:
        names, _ = queries.domains()
        if domain not in names:
            raise UnknownDomainError(domain, names)
    return domain


def domain_named(domain: str) -> dict[str, str]:
    """How an address and a form name it: `DOMAIN` is not named."""
    return {} if domain == DOMAIN else {"domain": domain}


def context(query: QueryDict) -> dict[str, Any]:
    """A page of ``rows`` of the list, its ``look`` and the ``form`` of its filter; ``matching``: how many in all.

    ``matching`` is None where messages are searched. ``hidden`` are the names and values that a form about all that
    match carries. Of a wrong filter only the form. Raises Http404 for a page that begins nowhere.
    """
    form = FilterForm(query)
    before, size = query.get("before", ""), page_size(query)
    place = place_of(before)
    domain = domain_of(query)
    clock, named = moment(domain), domain_named(domain)
    common = {
        "now": clock["now"], "any_sent": clock["any_sent"], "form": form, "filtered": form.is_filtered,
        "size": size, "sizes": PAGE_SIZES, "first": not before,
        "domain": named.get("domain"), "domain_query": query_of(named),
    }  # fmt: skip
    if not form.is_valid():
        return {**common, "rows": [], "look": None, "matching": None}
    chosen = form.chosen(_NEWEST[0])
    values = form.values()
    carried = {**named, **values, "size": size if size != PAGE_SIZES[0] else None}
    rows, look = _page(domain, chosen, place, size, carried)
    address = reverse("commands:tsq")
    return {
        **common,
        "rows": rows,
        "look": look,
        "matching": None if chosen.text else _count(domain, chosen),
        "words": in_words(values),
        "newest": address + query_of(carried),
        "hidden": {**named, **values, "until": clock["now"].isoformat(), "back": address + query_of(carried)}.items(),
    }


def _page(
    domain: str, chosen: ParkedFilter, place: Place, size: int, carried: Mapping[str, Any]
) -> tuple[list[Row], Look]:
    common = {"domain": domain, "at": place[0], "id": place[1], **chosen.parameters()}
    # Without a search in messages every command that is looked at is one to be shown.
    most = MOST_TEXTS if chosen.text else size + 1
    rows = _SQL.rows("page", **common, most=most, limit=size + 1)
    found, rest = rows[:size], rows[size:]
    ended = _SQL.rows("reach", **common, most=MOST_TEXTS) if chosen.text and not rest else []
    last = found[-1] if rest else (ended[0] if ended else None)
    return found, Look(
        looked=MOST_TEXTS if ended else 0,
        most=MOST_TEXTS,
        found=len(found),
        reach=ended[0]["parked_at"] if ended else None,
        more=query_of({**carried, "before": place_text(last["parked_at"], last["command_id"])}) if last else "",
        filtered=bool(carried.keys() - {"domain", "size"}),
    )


def _count(domain: str, chosen: ParkedFilter) -> Count:
    counted = _SQL.rows("count", domain=domain, limit=COUNT_LIMIT + 1, **chosen.parameters())[0]["count"]
    return Count(COUNT_LIMIT, "+") if counted > COUNT_LIMIT else Count(counted)


def place_text(at: datetime, command_id: UUID) -> str:
    """A row's place in the list, as an address carries it: "2026-05-01T14:30:00.123456+00:00~<id>"."""
    return f"{at.isoformat()}~{command_id}"


def place_of(text: str) -> Place:
    """What `place_text` wrote; the place before all rows for an empty text. Raises Http404 for anything else."""
    if not text:
        return _NEWEST
    at, _, command_id = text.partition("~")
    try:
        moment_of = datetime.fromisoformat(at)
        return moment_of.astimezone(UTC), UUID(command_id)
    except (ValueError, OverflowError) as exc:
        raise Http404("This page begins nowhere.") from exc


@dataclass(frozen=True, kw_only=True)
class Group:
    """Parked commands with one error code and one behavior. ``query`` leads to them, ``hidden`` acts on them."""

    code: str
    behavior: str
    count: int
    oldest: datetime
    newest: datetime
    ages: Sparkline
    query: str
    hidden: Mapping[str, str]


def groups_context(query: QueryDict) -> dict[str, Any]:
    """The ``groups``, the largest first, no more than `MOST_GROUPS`; ``cut``: there are more."""
    domain = domain_of(query)
    clock, named = moment(domain), domain_named(domain)
    now = clock["now"]
    limits = [now - age for age in AGES.values() if age]
    found = _SQL.rows("groups", domain=domain, until=now, limits=limits, limit=MOST_GROUPS + 1)
    shown = [_group(row, now, named) for row in found[:MOST_GROUPS]]
    return {
        "now": now,
        "any_sent": clock["any_sent"],
        "groups": shown,
        "total": sum(group.count for group in shown),
        "cut": len(found) > MOST_GROUPS,
        "domain": named.get("domain"),
        "domain_query": query_of(named),
    }


def _group(row: Row, now: datetime, named: Mapping[str, str]) -> Group:
    values = {**named, "code": spelled(row["error_code"]), "behavior": spelled(row["behavior"])}
    numbers = [older - newer for older, newer in pairwise([row["count"], *row["since"], 0])]
    return Group(
        code=row["error_code"],
        behavior=row["behavior"],
        count=row["count"],
        oldest=row["oldest"],
        newest=row["newest"],
        ages=sparkline(numbers, list(AGES)),
        query=query_of(values),
        hidden={**values, "until": now.isoformat()},
    )
