"""The troubleshooting queue: what waits for an operator, newest first, and its groups by error code and behavior."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

from django.http import Http404

from commands.bus.operations import MOST_TEXTS as MOST_MET_BY_TEXT
from commands.bus.operations import ParkedFilter, count_parked
from commands.rules.formatting import Count
from e2e_site.backend.base import by_index
from e2e_site.named_sql import NamedSql, Row

COUNT_LIMIT = 10_000  # counted exactly up to here
MOST_TEXTS = 4000  # commands whose messages are looked into for one page
MOST_GROUPS = 100

# Ages, the oldest first: each begins where the one before ends.
AGES: Mapping[str, timedelta | None] = {
    "older than 7 days": None,
    "1 to 7 days": timedelta(days=7),
    "6 hours to 1 day": timedelta(days=1),
    "1 to 6 hours": timedelta(hours=6),
    "10 minutes to 1 hour": timedelta(hours=1),
    "1 to 10 minutes": timedelta(minutes=10),
    "within 1 minute": timedelta(minutes=1),
}

END_OF_TIME = datetime(9999, 12, 31, tzinfo=UTC)

_SQL = NamedSql(Path(__file__).with_suffix(".sql"))

Place = tuple[datetime, UUID]  # of a row in the list: when it was parked, its command
NEWEST: Place = (END_OF_TIME, UUID(int=2**128 - 1))


@dataclass(frozen=True, kw_only=True)
class Page:
    """``rows`` of the list; ``goes_on``: the place behind which the next page begins, None at the end.

    Where messages are searched and the look ended early, ``looked`` is at how many and ``reach`` when the last of them
    was parked; else 0 and None.
    """

    rows: list[Row]
    goes_on: Place | None
    looked: int = 0
    reach: datetime | None = None


def page(domain: str, chosen: ParkedFilter, place: Place, size: int) -> Page:
    """A page of those that a filter meets, newest first, from behind a place on."""
    common = {"domain": domain, "at": place[0], "id": place[1], **chosen.parameters()}
    # Without a search in messages every command that is looked at is one to be shown.
    most = MOST_TEXTS if chosen.text else size + 1
    with by_index():
        rows = _SQL.rows("page", **common, most=most, limit=size + 1)
    found, rest = rows[:size], rows[size:]
    ended = _SQL.rows("reach", **common, most=MOST_TEXTS) if chosen.text and not rest else []
    last = found[-1] if rest else (ended[0] if ended else None)
    return Page(
        rows=found,
        goes_on=(last["parked_at"], last["command_id"]) if last else None,
        looked=MOST_TEXTS if ended else 0,
        reach=ended[0]["parked_at"] if ended else None,
    )


def count(domain: str, chosen: ParkedFilter) -> Count:
    """How many a filter without a text meets, to `COUNT_LIMIT`: beyond it "+"."""
    counted = _SQL.rows("count", domain=domain, limit=COUNT_LIMIT + 1, **chosen.parameters())[0]["count"]
    return Count(COUNT_LIMIT, "+") if counted > COUNT_LIMIT else Count(counted)


def met(domain: str, chosen: ParkedFilter) -> Count:
    """How many an action would meet now; "+" where the messages of only some were looked into."""
    found = count_parked(chosen, domain=domain)
    whole = replace(chosen, text="")
    beyond = chosen.text and count_parked(whole, domain=domain) > MOST_MET_BY_TEXT
    return Count(found, "+" if beyond else "")


def groups(domain: str, now: datetime) -> list[Row]:
    """By error code and behavior, the largest first, one more than `MOST_GROUPS` where there are more.

    ``since``: how many were parked since the beginning of each of the `AGES` but the oldest.
    """
    limits = [now - age for age in AGES.values() if age]
    return _SQL.rows("groups", domain=domain, until=now, limits=limits, limit=MOST_GROUPS + 1)


def moment(domain: str) -> Row:
    """``now``, the database's clock; ``any_sent``: there is a command."""
    return _SQL.rows("moment", domain=domain)[0]


def standing(command_id: UUID) -> Row | None:
    """``domain`` and ``status`` of a command of any domain, or None."""
    found = _SQL.rows("standing", command_id=command_id)
    return found[0] if found else None


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
