"""The troubleshooting queue as it is read: a bounded page of it, how many there are, its groups."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

from django.http import Http404

from commands.bus.operations import ParkedFilter
from commands.rules.formatting import Count
from e2e_site.named_sql import NamedSql, Row

COUNT_LIMIT = 10_000  # counted exactly up to here
MOST_TEXTS = 4000  # commands whose messages are looked into for one page
MOST_GROUPS = 100
# Within which of these a command was parked: `groups` counts them.
SPANS = (
    timedelta(days=7), timedelta(days=1), timedelta(hours=6), timedelta(hours=1), timedelta(minutes=10),
    timedelta(minutes=1),
)  # fmt: skip
NEWEST = (datetime(9999, 12, 31, tzinfo=UTC), UUID(int=2**128 - 1))  # the place before all rows

_SQL = NamedSql(Path(__file__).with_suffix(".sql"))

Place = tuple[datetime, UUID]  # of a row in the list: when it was parked, its command


@dataclass(frozen=True, kw_only=True)
class Found:
    """The ``rows`` of a page, newest first; ``more``: the place where the next one begins, empty at the end.

    Where the look ended at its bound: how many were ``looked`` at, and the time of the last one, ``reach``.
    """

    rows: list[Row]
    more: str
    looked: int
    reach: datetime | None


def moment(domain: str) -> Row:
    """``now``, the database's clock; ``any_sent``: there is a command."""
    return _SQL.rows("moment", domain=domain)[0]


def page(domain: str, chosen: ParkedFilter, size: int, *, place: Place = NEWEST) -> Found:
    """Up to ``size`` parked commands behind a place."""
    common = {"domain": domain, "at": place[0], "id": place[1], **chosen.parameters()}
    # Without a search in messages every command that is looked at is one to be shown.
    most = MOST_TEXTS if chosen.text else size + 1
    rows = _SQL.rows("page", **common, most=most, limit=size + 1)
    found, rest = rows[:size], rows[size:]
    ended = _SQL.rows("reach", **common, most=MOST_TEXTS) if chosen.text and not rest else []
    last = found[-1] if rest else (ended[0] if ended else None)
    return Found(
        rows=found,
        more=place_text(last["parked_at"], last["command_id"]) if last else "",
        looked=MOST_TEXTS if ended else 0,
        reach=ended[0]["parked_at"] if ended else None,
    )


def count(domain: str, chosen: ParkedFilter) -> Count:
    """How many there are, to `COUNT_LIMIT`, whatever their messages say."""
    counted = _SQL.rows("count", domain=domain, limit=COUNT_LIMIT + 1, **chosen.parameters())[0]["count"]
    return Count(COUNT_LIMIT, "+") if counted > COUNT_LIMIT else Count(counted)


def groups(domain: str, now: datetime) -> list[Row]:
    """By error code and behavior, the largest first, one more than `MOST_GROUPS` at most.

    ``since``: how many were parked within each of `SPANS`.
    """
    limits = [now - span for span in SPANS]
    return _SQL.rows("groups", domain=domain, until=now, limits=limits, limit=MOST_GROUPS + 1)


def place_text(at: datetime, command_id: UUID) -> str:
    """A row's place in the list, as an address carries it: "2026-05-01T14:30:00.123456+00:00~<id>"."""
    return f"{at.isoformat()}~{command_id}"


def place_of(text: str) -> Place:
    """What `place_text` wrote; the place before all rows for an empty text. Raises Http404 for anything else."""
    if not text:
        return NEWEST
    at, _, command_id = text.partition("~")
    try:
        moment_of = datetime.fromisoformat(at)
        return moment_of.astimezone(UTC), UUID(command_id)
    except (ValueError, OverflowError) as exc:
        raise Http404("This page begins nowhere.") from exc
