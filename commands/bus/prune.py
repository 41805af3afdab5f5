"""Removing history that is finished and old: a bounded piece in each transaction, until nothing old is left.

What may go and how it is found is in SQL (``V011__prune.sql``). Here is the order of the walks: commands with all that
is theirs, archived messages that belong to no command, replies that readers archived, and where asked for those that
nobody took.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, LiteralString

import psycopg

from commands.rules.words import DOMAIN

CHUNK_SIZE = 5000
COUNT_LIMIT = 100_000  # a dry run counts no further
SHORTEST = timedelta(hours=1)  # whatever still runs or is being sent again is younger
LONGEST = timedelta(days=3650)

_START = "SELECT commandbus.prune_start(%(domain)s, %(walk)s)"
# What a transaction still open has written is not seen yet, and would be passed by.
_BEFORE = """
SELECT least(clock_timestamp() - %(age)s::interval, (
    SELECT min(xact_start) FROM pg_stat_activity WHERE datname = current_database()))
"""
_REACHED = """
INSERT INTO commandbus.prune_position (domain, walk, position) VALUES (%(domain)s, %(walk)s, %(position)s)
ON CONFLICT (domain, walk) DO UPDATE SET position = EXCLUDED.position
"""


@dataclass(frozen=True, kw_only=True)
class Options:
    """What to remove. ``unread_replies``: also those that nobody took. ``dry_run``: count, change nothing."""

    older_than: timedelta
    domains: tuple[str, ...] = (DOMAIN,)
    chunk_size: int = CHUNK_SIZE
    unread_replies: bool = False
    dry_run: bool = False


@dataclass(frozen=True, kw_only=True)
class Chunk:
    """What one transaction removed, or would: ``commands``, ``events``, ``messages``, ``rejected``, ``batches``,
    ``replies``; ``kept``: commands that were old and could not go. ``cut``: a dry run stops counting here.
    """

    domain: str
    removed: Counter[str]
    cut: bool = False


@dataclass(frozen=True, kw_only=True)
class _Walk:
    """``name``: the position is remembered under it between runs; without one everything it passes is removed."""

    step: LiteralString
    name: str = ""


_ARGUMENTS: LiteralString = "%(domain)s, %(before)s, %(after)s, %(limit)s, %(dry)s"
_COMMANDS = _Walk(name="audit", step=f"SELECT commandbus.prune_commands({_ARGUMENTS})")
_ARCHIVE = _Walk(name="archive", step=f"SELECT commandbus.prune_archive({_ARGUMENTS})")
_READ_REPLIES = _Walk(step=f"SELECT commandbus.prune_replies({_ARGUMENTS}, FALSE)")
_UNREAD_REPLIES = _Walk(step=f"SELECT commandbus.prune_replies({_ARGUMENTS}, TRUE)")


def before_age(conn: psycopg.Connection[Any], age: timedelta) -> datetime:
    """The time before which things are that old, by the server's clock; not after the start of an open transaction."""
    before: datetime = _value(conn, _BEFORE, {"age": age})
    return before


def prune(conn: psycopg.Connection[Any], options: Options, before: datetime) -> Iterator[Chunk]:
    """Remove what ended ``before``; yields after each transaction, whose work stays whatever happens next.

    ``conn`` is in autocommit mode. May be stopped at any chunk and called again at any time, by several at once too.
    Raises ``psycopg.Error``; ``LockNotAvailable`` where somebody holds a lock that cannot be stepped over.
    """
    walks = [_COMMANDS, _ARCHIVE, _READ_REPLIES, *([_UNREAD_REPLIES] if options.unread_replies else [])]
    for domain in options.domains:
        for walk in walks:
            yield from _go(conn, options, before, domain, walk)


def _go(conn: psycopg.Connection[Any], options: Options, before: datetime, domain: str, walk: _Walk) -> Iterator[Chunk]:
    after = _value(conn, _START, {"domain": domain, "walk": walk.name}) if walk.name else 0
    again: int | None = None  # from here on there is something that this run could not remove
    removed: Counter[str] = Counter()
    more = True
    while more:
        arguments = {
            "domain": domain, "before": before, "after": after, "limit": options.chunk_size, "dry": options.dry_run
        }  # fmt: skip
        with conn.transaction():
            answer: dict[str, Any] = _value(conn, walk.step, arguments)
            after, more = answer.pop("to"), answer.pop("more")
            again = min(filter(None, (again, answer.pop("again"))), default=None)
            if walk.name and not options.dry_run:
                position = after if again is None else again - 1
                conn.execute(_REACHED, {"domain": domain, "walk": walk.name, "position": position})
        removed.update(answer)
        cut = options.dry_run and more and max(removed.values()) >= COUNT_LIMIT
        yield Chunk(domain=domain, removed=Counter(answer), cut=cut)
        more = more and not cut


def _value(conn: psycopg.Connection[Any], sql: LiteralString, arguments: dict[str, Any]) -> Any:
    row = conn.execute(sql, arguments).fetchone()
    assert row is not None
    return row[0]
