"""Lists of several tables merged to one, newest first, a page at a time. Pure.

Each table has numbers that grow; a page begins below one number of each (`Place`). So nothing is shown twice or left
out, also where times and numbers disagree a little.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

Place = Mapping[str, int]  # of each table the number below which a page begins


@dataclass(frozen=True, kw_only=True)
class Found:
    """What one table has below its place: ``rows`` in its own order, newest first, each with ``id`` and ``at``.

    ``edge`` and ``edge_at``: its first row at which nobody looked, where it stopped looking before it had enough.
    """

    rows: Sequence[Mapping[str, Any]]
    edge: int | None = None
    edge_at: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class Merged:
    """``rows``: those of the page, each with the name of its table; ``next``: where the next page begins, if any.

    ``reach``: how far back this one may show anything, where a table stopped looking early.
    """

    rows: list[tuple[str, Mapping[str, Any]]]
    next: Place | None
    reach: datetime | None


def merged(tables: Mapping[str, Found], place: Place, size: int) -> Merged:
    """The newest ``size`` rows. None is older than what a table has not looked at: that may have newer ones."""
    reach = max((found.edge_at for found in tables.values() if found.edge_at is not None), default=None)
    taken = dict.fromkeys(tables, 0)
    rows: list[tuple[str, Mapping[str, Any]]] = []
    while len(rows) < size:
        heads = [
            (found.rows[taken[name]]["at"], name) for name, found in tables.items() if taken[name] < len(found.rows)
        ]
        if not heads or (reach is not None and max(heads)[0] < reach):
            break
        name = max(heads)[1]
        rows.append((name, tables[name].rows[taken[name]]))
        taken[name] += 1
    left = {name: len(found.rows) - taken[name] for name, found in tables.items()}
    if not any(left.values()) and reach is None:
        return Merged(rows=rows, next=None, reach=None)
    following = {name: _place(found, taken[name], place[name]) for name, found in tables.items()}
    return Merged(rows=rows, next=following, reach=reach)


def _place(found: Found, taken: int, before: int) -> int:
    if taken < len(found.rows):
        return int(found.rows[taken]["id"]) + 1
    if found.edge is not None:
        return found.edge + 1
    return int(found.rows[-1]["id"]) if found.rows else min(before, 1)
