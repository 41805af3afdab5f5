"""Removing history that is finished and old: a bounded piece in each transaction, until nothing old is left.

What may go and what belongs to it is in SQL (``R__05_prune.sql``). Here is the order of the walks: commands with all
that belongs to them, batches without members, what belongs to no command, replies.
"""

import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, LiteralString

import psycopg

CHUNK_SIZE = 5000
PAUSE = 0.75  # the rest after each statement, as a share of its time: workers get the server for so long
COUNT_LIMIT = 100_000  # a dry run counts no further
SHORTEST = timedelta(hours=1)  # whatever still runs or is being sent again is younger
LONGEST = timedelta(days=3650)

_BEFORE = "SELECT clock_timestamp() - %s::interval"
_ARGUMENTS: LiteralString = "%(domain)s, %(before)s, %(after)s::tid, %(limit)s, %(dry)s"
_WALKS: tuple[LiteralString, ...] = (
    f"SELECT commandbus.prune_commands({_ARGUMENTS})",
    f"SELECT commandbus.prune_batches({_ARGUMENTS})",
    "SELECT commandbus.prune_rejected(%(domain)s, %(before)s, %(limit)s, %(dry)s)",
    f"SELECT commandbus.prune_messages({_ARGUMENTS}, 'archived')",
    f"SELECT commandbus.prune_messages({_ARGUMENTS}, 'read')",
)
_UNREAD: LiteralString = f"SELECT commandbus.prune_messages({_ARGUMENTS}, 'unread')"


@dataclass(frozen=True, kw_only=True)
class Options:
    """What to remove: what ended ``before``; ``unread_replies``: also those that nobody took. ``dry_run``: count."""

    before: datetime
    domains: tuple[str, ...]
    chunk_size: int = CHUNK_SIZE
    unread_replies: bool = False
    dry_run: bool = False


def time_before(conn: psycopg.Connection[Any], age: timedelta) -> datetime:
    """The time before which things are that old, by the server's clock."""
    then: datetime = _value(conn, _BEFORE, [age])
    return then


def prune(conn: psycopg.Connection[Any], options: Options) -> Iterator[Counter[str]]:
    """Remove what is old; yields after each transaction, whose work stays whatever happens next.

    Yields what it removed, or would remove: ``commands``, ``events``, ``messages``, ``rejected``, ``batches``,
    ``replies``; and ``held``, old commands of which another transaction held a row. ``conn`` is in autocommit mode. May
    be stopped at any time and called again, by several at once too. Raises ``psycopg.Error``; ``LockNotAvailable``
    where another transaction holds a lock that cannot be stepped over.
    """
    for domain in options.domains:
        for step in (*_WALKS, _UNREAD) if options.unread_replies else _WALKS:
            yield from _walk(conn, options, domain, step)


def _walk(conn: psycopg.Connection[Any], options: Options, domain: str, step: LiteralString) -> Iterator[Counter[str]]:
    limit = COUNT_LIMIT if options.dry_run else options.chunk_size
    arguments = {"domain": domain, "before": options.before, "limit": limit, "dry": options.dry_run}
    removed: Counter[str] = Counter()
    after: str | None = "(0,0)"
    while after is not None:
        began = time.monotonic()
        answer = _value(conn, step, {**arguments, "after": after})
        spent = time.monotonic() - began
        after = answer.pop("to")
        removed.update(answer)
        yield Counter(answer)
        if options.dry_run and max(removed.values()) >= COUNT_LIMIT:
            return
        time.sleep(PAUSE * spent)


def _value(conn: psycopg.Connection[Any], sql: LiteralString, arguments: Any) -> Any:
    row = conn.execute(sql, arguments).fetchone()
    assert row is not None
    return row[0]
