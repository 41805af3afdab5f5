"""The reads of the list of commands: a page, how many there are, what is newer. Their SQL is ``command_list.sql``."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

from django.http import Http404

from commands.reads import queries
from commands.reads.listing import LARGEST_NUMBER, number_of
from commands.rules.command_filter import CommandFilter, Walk
from commands.rules.formatting import Count
from commands.rules.words import command_queue, queue_table
from e2e_site.backend.base import by_index
from e2e_site.named_sql import NamedSql, Row, containing, rows_of

MOST_COUNTED = 10_000
NEWER_COUNTED = 100
NO_PLACE = "This page begins nowhere."

_SQL = NamedSql(Path(__file__).with_name("command_list.sql"))
_FIRST_ID, _LAST_ID = UUID(int=0), UUID(int=2**128 - 1)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True)
class _Course:
    """How a walk goes: the columns whose values are a place on it, and what the index has before them."""

    place: Sequence[str] = ("place",)
    lead: str = ""
    most: int = 10_000

    def order(self, alias: str, *, lead: bool) -> str:
        columns = [self.lead, *self.place] if lead and self.lead else self.place
        return ", ".join(f"{alias}.{column} DESC" for column in columns)


COURSES: Mapping[Walk, _Course] = {
    Walk.SENT: _Course(lead="domain"),
    Walk.ASKED: _Course(),
    # Each is a row of a page of its own: with a cold cache that is slow.
    Walk.PARKED: _Course(place=("at", "command_id"), most=2000),
    Walk.ENDED: _Course(lead="domain", most=2000),
    Walk.QUEUED: _Course(),
    Walk.IDS: _Course(place=("command_id",)),
    Walk.CORRELATION: _Course(place=("command_id",)),
    Walk.OPERATION: _Course(lead="operation"),
}


@dataclass(frozen=True, kw_only=True)
class Found:
    """The ``rows`` of a page, newest first; ``more``: the place where the next one begins, empty at the end.

    Where the look ended at its bound: how many candidates were ``looked`` at, and the time of the last one, ``reach``.
    ``now``: the database's clock, for a page that is listed.
    """

    rows: list[Row]
    more: str
    looked: int
    reach: datetime | None
    now: datetime | None


class CommandReads:
    """The reads of one filter; its times are looked up once."""

    def __init__(self, chosen: CommandFilter) -> None:
        self._chosen = chosen
        self._walk = chosen.walk
        self._course = COURSES[self._walk]
        self.most = self._course.most
        self._first, self._last = _span(chosen) if self._walk == Walk.SENT else (0, LARGEST_NUMBER)
        self._values = _values(chosen, self._walk)

    def page(self, shown: int, *, before: str = "", after: str = "", columns: str = "listed") -> Found:
        """Up to ``shown`` commands between two places; Http404 for what is no place of this walk."""
        found = self._run("page", columns, shown=shown, most=self.most, **self._bounds(before, after))
        head, rows = found[0], [row for row in found if row["command_id"] is not None]
        looked = self.most if head["reach_command_id"] else 0
        more = ""
        if len(rows) > shown:
            rows = rows[:shown]
            more = self.place(rows[-1])
        elif looked:
            reach = self._text([head[f"reach_{name}"] for name in self._course.place])
            # A look may end just where the list does.
            more = reach if self._run("candidate", most=1, **self._bounds(reach, after)) else ""
        return Found(rows=rows, more=more, looked=looked, reach=head["reach"], now=head["now"])

    def count(self) -> Count | None:
        """How many there are, to `MOST_COUNTED`; None where no index answers that."""
        if not self._chosen.is_counted:
            return None
        statement = "count" if self._chosen.shows_every_candidate else "count_matching"
        found = self._run(statement, most=MOST_COUNTED + 1, **self._bounds("", ""))[0]
        return Count(min(found["matching"], MOST_COUNTED), "+" if found["looked"] > MOST_COUNTED else "")

    def newest(self) -> str:
        """The place of the newest candidate, for `newer`; that before all others where there is none."""
        found = self._run("candidate", most=1, **self._bounds("", ""))
        return self.place(found[0]) if found else self._text([_FIRST[name] for name in self._course.place])

    def newer(self, after: str) -> tuple[Count, datetime | None]:
        """How many came since, to `NEWER_COUNTED`; and the database's clock."""
        found = self.page(NEWER_COUNTED, after=after)
        return Count(len(found.rows), "+" if found.more else ""), found.now

    def place(self, row: Row) -> str:
        """Where a row stands on the walk, as an address carries it."""
        return self._text([row[name] for name in self._course.place])

    def _text(self, values: Sequence[Any]) -> str:
        return ".".join(
            str((value - _EPOCH) // _MICROSECOND if isinstance(value, datetime) else value) for value in values
        )

    def _bounds(self, before: str, after: str) -> dict[str, Any]:
        newest, oldest = self._values_at(before), self._values_at(after)
        return {
            "before": min(newest.get("place", LARGEST_NUMBER), self._last),
            "after": max(oldest.get("place", 0), self._first - 1),
            "before_at": newest.get("at", "infinity"),
            "after_at": oldest.get("at", "-infinity"),
            "before_id": newest.get("command_id", None if self._walk == Walk.IDS else _LAST_ID),
            "after_id": oldest.get("command_id", _FIRST_ID),
        }

    def _values_at(self, place: str) -> dict[str, Any]:
        """The values of a place, by column; none where none is given."""
        if not place:
            return {}
        texts = place.split(".")
        if len(texts) != len(self._course.place):
            raise Http404(NO_PLACE)
        return {name: _READ[name](text) for name, text in zip(self._course.place, texts, strict=True)}

    def _run(self, name: str, columns: str = "", **parameters: Any) -> list[Row]:
        course = self._course
        names = dict.fromkeys((*course.place, "command_id"))
        parts = {
            "columns": _part(columns) if columns else "",
            "keys": ", ".join(f"l.{name}" for name in names),
            "reached": ", ".join(["reach.reach", *(f"reach.{name} AS reach_{name}" for name in names)]),
            "now": "clock_timestamp()" if columns == "listed" else "NULL::TIMESTAMPTZ",
            "asked": _part("inside" if self._walk == Walk.ASKED else "beside"),
            "order": course.order("l", lead=True),
            "shown": course.order("hit", lead=False),
            "look": _part(f"look_{self._walk}", commands=queue_table(command_queue(self._chosen.domain))),
        }
        text: str = _SQL.text(name)
        for part, sql in parts.items():
            text = text.replace(f"/* {part} */", sql)
        with by_index():
            return rows_of(text, {**self._values, **parameters})


def with_id(ids: tuple[UUID, UUID], *, limit: int) -> list[Row]:
    """Commands of any domain in a range of ids, so many at most."""
    return _SQL.rows("with_id", first_id=ids[0], last_id=ids[1], limit=limit)


def with_correlation(ids: tuple[UUID, UUID], *, limit: int) -> list[Row]:
    """Correlation ids in a range, so many at most, each with the ids of its first ``commands``: two at most."""
    return _SQL.rows("with_correlation", first_id=ids[0], last_id=ids[1], limit=limit)


def _part(name: str, **identifiers: str) -> str:
    return _SQL.text(name, **identifiers).rstrip().removesuffix(";")


def _values(chosen: CommandFilter, walk: Walk) -> dict[str, Any]:
    since, until = ("since", "until") if walk == Walk.SENT else ("created_since", "created_until")
    first_id, last_id = chosen.ids or (None, None)
    return {
        **dict.fromkeys(("since", "until", "created_since", "created_until")),
        since: chosen.since,
        until: chosen.until,
        "domain": chosen.domain,
        "statuses": [str(status) for status in chosen.statuses] or None,
        "code": chosen.code or None,
        "command_type": chosen.command_type or None,
        "behavior": chosen.behavior or None,
        "attempts": chosen.attempts,
        "operation": None if chosen.operation is None else str(chosen.operation),
        "correlations": list(chosen.correlations),
        "correlation": chosen.correlations[0] if chosen.correlations else None,
        "first_id": first_id,
        "last_id": last_id,
        "contains": chosen.contains or None,
        "pattern": containing(chosen.text) if chosen.text else None,
    }


def _span(chosen: CommandFilter) -> tuple[int, int]:
    """The audit_ids between which the events of its times lie: the first, and the first behind the last."""
    return queries.audit_id_at(chosen.since, 0), queries.audit_id_at(chosen.until, LARGEST_NUMBER)


def _number(text: str) -> int:
    number = number_of(text)
    if number is None:
        raise Http404(NO_PLACE)
    return number


def _moment(text: str) -> datetime:
    try:
        return _EPOCH + int(text) * _MICROSECOND
    except (ValueError, OverflowError):
        raise Http404(NO_PLACE) from None


def _id(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise Http404(NO_PLACE) from None


_READ: Mapping[str, Any] = {"place": _number, "at": _moment, "command_id": _id}
_FIRST: Mapping[str, Any] = {"place": 0, "at": _EPOCH, "command_id": _FIRST_ID}
