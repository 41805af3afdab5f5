"""What is odd today, each with what helps: nothing where all is well. The dashboard shows it."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from commands.forms.parked import spelled
from commands.reads import queries
from commands.reads.listing import query_of
from commands.rules.formatting import Count
from commands.rules.words import DOMAIN, LATE, command_queue, queue_table
from e2e_site.named_sql import NamedSql, Row

DUE_TOLERATED = timedelta(minutes=1)  # how long a message may be due before it is told
LATELY = timedelta(hours=1)  # for ends that came too late
PARKED_GROUPED = 100_000  # parked commands that are looked at for the largest group

_SQL = NamedSql(Path(__file__).with_suffix(".sql"))


@dataclass(frozen=True, kw_only=True)
class LargestGroup:
    """Of parked commands alike by ``code`` and ``behavior``, both perhaps empty; ``query`` leads to them.

    ``oldest``: since when the oldest of all waits for an operator. ``whole``: all are of this group.
    """

    code: str
    behavior: str
    number: Count
    oldest: datetime
    whole: bool
    query: str


@dataclass(frozen=True, kw_only=True)
class Odd:
    """``overdue``: since when the oldest message could have been taken, where that is long ago.

    ``late``: how many ends came too late within `LATELY`, of the newest events. ``operations``: how many are not over,
    ``operations_waiting`` of them not begun.
    """

    overdue: datetime | None
    late: int
    late_newest: datetime | None
    operations: int
    operations_waiting: int
    parked: LargestGroup | None


def odd(domain: str) -> Odd:
    tables = {"commands": queue_table(command_queue(domain))}
    asked = {
        "look_back": queries.LOOK_BACK,
        "late": list(LATE),
        "lately": LATELY,
        "domain": domain,
        "most": PARKED_GROUPED,
    }
    (row,) = _SQL.rows("odd", tables, **asked)
    due, now = row["oldest_due"], row["now"]
    return Odd(
        overdue=due if due is not None and now - due > DUE_TOLERATED else None,
        late=row["late"],
        late_newest=row["late_newest"],
        operations=row["operations"],
        operations_waiting=row["operations_waiting"],
        parked=_largest_group(domain, row) if row["parked"] else None,
    )


def _largest_group(domain: str, row: Row) -> LargestGroup:
    named = {"domain": None if domain == DOMAIN else domain}
    named |= {name: spelled(row[name]) for name in ("code", "behavior")}
    return LargestGroup(
        code=row["code"],
        behavior=row["behavior"],
        number=Count(row["parked"], "+" if row["looked"] >= PARKED_GROUPED else ""),
        oldest=row["oldest"],
        whole=row["parked"] == row["looked"],
        query=query_of(named),
    )
