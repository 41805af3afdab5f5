"""The queue of a domain: its messages in the order in which workers take them; its SQL is in queue.sql."""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from commands.reads import queries
from commands.rules.formatting import Count
from commands.rules.words import MessageState, command_queue, queue_table
from e2e_site.backend.base import by_index
from e2e_site.named_sql import NamedSql, Row
from e2e_site.shared import Shared

MOST = 10_000  # messages that one page looks at, and that the counts count
MOST_FOR_RUNNING = 5_000  # the same where an event of each has to be looked up

_SQL = NamedSql(Path(__file__).with_suffix(".sql"))


@dataclass(frozen=True, kw_only=True)
class Messages:
    """Messages of a queue from one place on, at most a page of them: ``rows`` with ``late`` where a lease ran out.

    ``looked``: at how many, of at most ``most``, to the number ``reach``; ``full``: the page ended before them.
    """

    rows: list[Row]
    looked: int
    most: int
    reach: int | None
    now: datetime
    full: bool

    @property
    def goes_on(self) -> int | None:
        """The number behind which the next page begins: that of the last row, or where the look ended."""
        return self.rows[-1]["msg_id"] if self.full else self.reach if self.looked >= self.most else None


def messages(domain: str, *, state: MessageState | None, after: int, size: int) -> Messages:
    """A page of those in a state, or of all, behind a number. ``seen`` of a row is its `WorkerSeen`, if known."""
    tables = {"commands": queue_table(command_queue(domain))}
    most = MOST_FOR_RUNNING if state == MessageState.RUNNING else MOST
    wanted = {"domain": domain, "state": state, "after": after, "most": most, "limit": size + 1}
    with by_index():
        found = _SQL.rows("messages", tables, **wanted)
    looked, reach, now = (found[0][name] for name in ("looked", "reach", "now"))
    rows = [row for row in found if row["msg_id"] is not None]
    seen = queries.workers_seen({row["worker"] for row in rows if row["worker"]}) if rows else {}
    for row in rows:
        row["late"] = row["state"] == MessageState.RUNNING and row["vt"] <= now
        row["seen"] = seen.get(row["worker"])
    return Messages(rows=rows[:size], looked=looked, most=most, reach=reach, now=now, full=len(rows) > size)


def counts(domain: str) -> dict[str, Count]:
    """How many messages are in each state, and in all (``""``), of the first `MOST`; as it was at most a moment ago."""
    return _counts.get(domain)


def _counted(domain: str) -> dict[str, Count]:
    tables = {"commands": queue_table(command_queue(domain))}
    with by_index():
        (row,) = _SQL.rows("counts", tables, domain=domain, most=MOST + 1)
    more = row["looked"] > MOST
    numbers = {state.value: row[state] for state in MessageState}
    numbers[""] = sum(numbers.values())
    return {name: Count(min(number, MOST), "+" if more else "") for name, number in numbers.items()}


_counts: Shared[str, dict[str, Count]] = Shared(_counted)
