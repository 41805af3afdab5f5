"""Removing history that is finished and old: a bounded piece in each transaction, until nothing old is left.

What may go and what belongs to it is in SQL (``R__05_prune.sql``). Here is the order of the walks: commands with all
that belongs to them, batches without members, what belongs to no command, replies. A walk goes once through the pages
that its table has when it begins: what is written meanwhile is young.
"""

import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, LiteralString

import psycopg

from commands.rules.words import archive_table, command_queue, queue_table, reply_queue

CHUNK_SIZE = 5000
PAGES = 1024  # that one statement reads at most
PAUSE = 0.5  # the rest after each statement, as a share of its time: workers get the server for so long
COUNT_LIMIT = 100_000  # a dry run counts no further
SHORTEST = timedelta(hours=1)  # whatever still runs or is being sent again is younger
LONGEST = timedelta(days=3650)

_BEFORE = "SELECT clock_timestamp() - %s::interval"
# The timeout is as in the functions: counting waits for a lock on the whole table too.
_COUNT_PAGES = """
SELECT pg_relation_size(%s::regclass) / current_setting('block_size')::bigint
FROM set_config('lock_timeout', '2s', TRUE)
"""
_ARGUMENTS: LiteralString = "%(domain)s, %(before)s, %(after)s::tid, %(until)s::tid, %(limit)s, %(dry)s"


@dataclass(frozen=True, kw_only=True)
class Options:
    """What to remove: what ended ``before``; ``unread_replies``: also those that nobody took. ``dry_run``: count."""

    before: datetime
    domains: tuple[str, ...]
    chunk_size: int = CHUNK_SIZE
    unread_replies: bool = False
    dry_run: bool = False


@dataclass(frozen=True, kw_only=True)
class Chunk:
    """What one transaction removed, or would: ``commands``, ``events``, ``messages``, ``rejected``, ``batches``,
    ``replies``; ``held``: old commands of which another transaction held a row. ``cut``: a dry run stops here.
    """

    domain: str
    removed: Counter[str]
    cut: bool = False


def time_before(conn: psycopg.Connection[Any], age: timedelta) -> datetime:
    """The time before which things are that old, by the server's clock."""
    then: datetime = _value(conn, _BEFORE, [age])
    return then


def prune(conn: psycopg.Connection[Any], options: Options) -> Iterator[Chunk]:
    """Remove what is old; yields after each transaction, whose work stays whatever happens next.

    ``conn`` is in autocommit mode. May be stopped at any chunk and called again at any time, by several at once too.
    Raises ``psycopg.Error``; ``LockNotAvailable`` where another transaction holds a lock that cannot be stepped over.
    """
    for domain in options.domains:
        for table, step in _walks(domain, options):
            yield from _walk(conn, options, domain, table, step)


def _walks(domain: str, options: Options) -> list[tuple[str, LiteralString]]:
    """Tables, and what is called for each range of their pages."""
    commands, replies = command_queue(domain), reply_queue(domain)
    walks: list[tuple[str, LiteralString]] = [
        ("commandbus.command", f"SELECT commandbus.prune_commands({_ARGUMENTS})"),
        ("commandbus.batch", f"SELECT commandbus.prune_batches({_ARGUMENTS})"),
        ("", "SELECT commandbus.prune_rejected(%(domain)s, %(before)s, %(limit)s, %(dry)s)"),
        (f"pgmq.{archive_table(commands)}", f"SELECT commandbus.prune_messages({_ARGUMENTS}, 'archived')"),
        (f"pgmq.{archive_table(replies)}", f"SELECT commandbus.prune_messages({_ARGUMENTS}, 'read')"),
    ]
    if options.unread_replies:
        walks.append((f"pgmq.{queue_table(replies)}", f"SELECT commandbus.prune_messages({_ARGUMENTS}, 'unread')"))
    return walks


def _walk(
    conn: psycopg.Connection[Any], options: Options, domain: str, table: str, step: LiteralString
) -> Iterator[Chunk]:
    """Without a table, ``step`` finds what is old by an index: one range, and the place in it means nothing."""
    limit = COUNT_LIMIT if options.dry_run else options.chunk_size
    arguments = {"domain": domain, "before": options.before, "limit": limit, "dry": options.dry_run}
    pages = _value(conn, _COUNT_PAGES, [table]) if table else 1
    removed: Counter[str] = Counter()
    for page in range(0, pages, PAGES):
        after: str | None = f"({page},0)"
        while after is not None:
            began = time.monotonic()
            answer = _value(conn, step, {**arguments, "after": after, "until": f"({page + PAGES},0)"})
            spent = time.monotonic() - began
            after = answer.pop("to")
            removed.update(answer)
            cut = options.dry_run and max(removed.values()) >= COUNT_LIMIT
            yield Chunk(domain=domain, removed=Counter(answer), cut=cut)
            if cut:
                return
            time.sleep(PAUSE * spent)


def _value(conn: psycopg.Connection[Any], sql: LiteralString, arguments: Any) -> Any:
    row = conn.execute(sql, arguments).fetchone()
    assert row is not None
    return row[0]
