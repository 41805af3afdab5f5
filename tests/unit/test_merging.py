"""commands/reads/merging.py: page by page each row once, newest first, also where tables are looked at in part."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from commands.reads.merging import Found, Place, merged

START = datetime(2026, 5, 4, tzinfo=UTC)
ALL = 2**63 - 1

# Of each table the times of its rows in seconds, oldest first, and whether the filter meets them.
TABLES = st.dictionaries(
    st.sampled_from(["a", "b", "c"]), st.lists(st.tuples(st.integers(0, 20), st.booleans()), max_size=25), min_size=1
)


def rows_of(times: list[tuple[int, bool]]) -> list[dict[str, Any]]:
    """In the order of their numbers, which is that of their times."""
    ordered = sorted(times, key=lambda row: row[0])
    return [
        {"id": number, "at": START + timedelta(seconds=seconds), "met": met}
        for number, (seconds, met) in enumerate(ordered, 1)
    ]


def look(rows: list[dict[str, Any]], before: int, size: int, most: int) -> Found:
    """What a statement does: look at ``most`` rows, stop where there are enough."""
    candidates = [row for row in reversed(rows) if row["id"] < before]
    hits = [row for row in candidates[:most] if row["met"]][: size + 1]
    if len(hits) > size or len(candidates) <= most:
        return Found(rows=hits)
    return Found(rows=hits, edge=candidates[most]["id"], edge_at=candidates[most]["at"])


@given(tables=TABLES, size=st.integers(1, 6), most=st.integers(1, 8))
def test_page_by_page_each_row_comes_once_and_newest_first(
    tables: Mapping[str, list[tuple[int, bool]]], size: int, most: int
) -> None:
    rows = {name: rows_of(times) for name, times in tables.items()}
    place: Place | None = dict.fromkeys(rows, ALL)
    seen: list[tuple[str, Mapping[str, Any]]] = []
    for _ in range(200):
        assert place is not None
        page = merged({name: look(rows[name], place[name], size, most) for name in rows}, place, size)
        assert len(page.rows) <= size
        seen += page.rows
        place = page.next
        if place is None:
            break
    assert place is None, "it ends"
    wanted = [(name, row["id"]) for name in rows for row in rows[name] if row["met"]]
    assert sorted((name, row["id"]) for name, row in seen) == sorted(wanted)
    times = [row["at"] for _, row in seen]
    assert times == sorted(times, reverse=True)
