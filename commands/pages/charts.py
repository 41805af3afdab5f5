"""The charts of the dashboard: what the sampler saw, over a span of time. A fragment of their own, asked for seldom.

A fragment is the same for all who look at one span of one domain, so it is drawn once for all of them.
"""

import gzip
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.core.exceptions import BadRequest
from django.http import HttpRequest, HttpResponse, QueryDict
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.cache import patch_vary_headers
from django.utils.safestring import SafeString
from django.views.decorators.http import require_safe

from commands.pages.chart_drawings import SHARES, SYMBOLS, drawings, moment_text, percentile_text
from commands.pages.chart_links import Links
from commands.pages.domains import chosen_domain
from commands.reads import columns as numbers
from commands.reads import marks
from commands.reads.columns import Column
from commands.reads.listing import query_of
from commands.reads.marks import Mark
from commands.rules.chart_ranges import DEFAULT, RANGES, width_text
from commands.rules.grid import Grid
from commands.rules.words import DOMAIN
from e2e_site.shared import Shared
from e2e_site.texts import cut
from e2e_site.unchanged import not_again

GZIP = re.compile(r"\bgzip\b(?!\s*;\s*q=0(?:\.0*)?\s*(?:,|$))")  # in Accept-Encoding, and not as what is refused
GZIP_LEVEL = 6
MARKS_SHOWN = 8
NO_NUMBER = "–"  # noqa: RUF001  # a dash


class UnknownRangeError(Exception):
    """``?range=`` is none of those that there are."""


@dataclass(frozen=True, kw_only=True)
class Asked:
    """The charts of a ``domain`` over the range of that ``name``, up to ``now`` by the database's clock."""

    domain: str
    name: str
    now: datetime = field(compare=False)


@dataclass(frozen=True, kw_only=True)
class Drawn:
    """A fragment, and the same compressed."""

    html: SafeString
    packed: bytes


@require_safe
@not_again
def live(request: HttpRequest) -> HttpResponse:
    chosen = chosen_domain(request.GET)
    try:
        name = range_of(request.GET)
    except UnknownRangeError as exc:
        raise BadRequest(str(exc)) from exc
    drawn = _drawn[name].get(Asked(domain=chosen.domain, name=name, now=chosen.now))
    # It holds no secret that could be guessed by how short an answer becomes, and is compressed once for all.
    if GZIP.search(request.headers.get("Accept-Encoding", "")):
        response = HttpResponse(drawn.packed, headers={"Content-Encoding": "gzip"})
    else:
        response = HttpResponse(drawn.html)
    patch_vary_headers(response, ["Accept-Encoding"])
    return response


def range_of(query: QueryDict) -> str:
    """Raises UnknownRangeError."""
    asked = query.get("range", "") or DEFAULT
    if asked not in RANGES:
        raise UnknownRangeError(f"range must be one of {', '.join(RANGES)}, not {cut(asked, 40)!r}.")
    return asked


def fragment(asked: Asked) -> SafeString:
    """The charts of a domain over the range of that name, as they were a moment ago."""
    return _drawn[asked.name].get(asked).html


def query(domain: str, name: str) -> str:
    """What asks for them (``?…``)."""
    return query_of({"domain": None if domain == DOMAIN else domain, "range": None if name == DEFAULT else name})


def _draw(asked: Asked) -> Drawn:
    html = render_to_string("commands/_charts.html", context(asked))
    return Drawn(html=html, packed=gzip.compress(html.encode(), GZIP_LEVEL, mtime=0))


def context(asked: Asked) -> dict[str, Any]:
    """The ``drawings`` and, newest first, the ``rows`` of their table and the ``marks``; who samples (``sampler``).

    ``sampled``: anything was, ever. ``now``: the database's clock.
    """
    domain, name, shown = asked.domain, asked.name, RANGES[asked.name]
    grid = Grid.up_to(asked.now, shown.length)
    columns = numbers.read(grid, domain)
    beside = marks.read(grid.since, grid.until, domain)
    found, sampler = beside.marks, beside.sampler
    seen = any(column.sum for column in columns)
    return {
        "now": sampler.now,
        "sampler": sampler,
        "sampled": seen or sampler.at is not None,
        "drawings": drawings(columns, found, grid, domain),
        "rows": _rows(columns, domain),
        "shares": list(SHARES),
        "marks": [{"mark": mark, "symbol": SYMBOLS[mark.kind]} for mark in _newest(found)],
        "more_marks": max(0, len(found) - MARKS_SHOWN),
        "per": width_text(grid.width_s),
        "label": shown.label,
        "pace_s": shown.pace_s,
        "ranges": [
            (each.label, reverse("commands:dashboard") + query(domain, key) + "#charts", key == name)
            for key, each in RANGES.items()
        ],
    }


def _newest(found: Sequence[Mark]) -> list[Mark]:
    return list(reversed(found))[:MARKS_SHOWN]


def _rows(columns: Sequence[Column], domain: str) -> list[dict[str, Any]]:
    """Newest first; columns without samples that follow each other are one row."""
    rows: list[dict[str, Any]] = []
    links = Links(domain)
    for column in reversed(columns):
        if column.sum is None and rows and rows[-1]["seen"] is None:
            rows[-1] = _gap(column.at, rows[-1]["end"])
        elif column.sum is None:
            rows.append(_gap(column.at, column.end))
        else:
            rows.append(_row(column, links))
    return rows


def _gap(at: datetime, end: datetime) -> dict[str, Any]:
    return {"seen": None, "end": end, "text": f"{at:%b} {at.day}, {at:%H:%M:%S} to {end:%H:%M:%S}"}


def _row(column: Column, links: Links) -> dict[str, Any]:
    assert column.sum is not None
    times = [column.sum.waiting, column.sum.running]
    return {
        "seen": column.sum,
        "open": column.open,
        "text": moment_text(column),
        "events": links.events(column),
        "sent": links.sent(column) if column.sum.sent else "",
        "parked": links.parked(column) if column.sum.parked else "",
        "times": [percentile_text(one, share, none=NO_NUMBER) for one in times for share in SHARES.values()],
    }


# Shared for half the time after which a page asks again: by then its columns have hardly grown.
_drawn: Mapping[str, Shared[Asked, Drawn]] = {
    name: Shared(_draw, times=shown.pace_s / 2) for name, shown in RANGES.items()
}
