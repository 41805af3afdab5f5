"""What every measurement needs: a clean database, a backlog in it, and a drain measured by the server's clock."""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import dataclass
from itertools import repeat
from typing import TYPE_CHECKING, Any, LiteralString

import psycopg
from psycopg import sql

from bench.errors import BenchError
from bench.programs import worker
from commands.bus.bulk import NewCommand, send_many
from commands.rules.behaviors import Behavior, BehaviorType
from commands.rules.words import DOMAIN, archive_table, command_queue, queue_table, reply_queue

if TYPE_CHECKING:
    from collections.abc import Iterable

    from bench.programs import MeasuredProgram
    from e2e_site.schema.own_database import OwnDatabase

SUCCESS = Behavior(type=BehaviorType.SUCCESS)
MAX_ATTEMPTS = 3
LOOK_S = 0.2
LOCKS_WITHIN_S = 10

# From the first attempt to the last end, and how many commands ended: what a drain took, without its start.
_DRAINED = """
    SELECT count(DISTINCT command_id) FILTER (WHERE event_type <> 'RECEIVED'),
           extract(epoch FROM max(ts) FILTER (WHERE event_type <> 'RECEIVED')
                            - min(ts) FILTER (WHERE event_type = 'RECEIVED'))::float8
    FROM commandbus.audit
    WHERE domain = %s AND audit_id > %s
      AND event_type IN ('RECEIVED', 'COMPLETED', 'MOVED_TO_TSQ', 'BUSINESS_RULE_FAILED')
"""
_COMPLETED: LiteralString = """
    SELECT count(*) FROM commandbus.audit WHERE audit_id > %s AND domain = %s AND event_type = 'COMPLETED'
"""


@dataclass(frozen=True, kw_only=True)
class Drained:
    """How many commands ended between the first attempt and the last end, and how many seconds lie between."""

    commands: int
    seconds: float

    @property
    def rate(self) -> float:
        return self.commands / self.seconds


class Testbed:
    """A database of the bench's own, and what is done in it. Its domains are the site's and those that were added."""

    __test__ = False  # pytest would take it for tests

    def __init__(self, database: OwnDatabase) -> None:
        self.database = database
        self.conn = psycopg.connect(**database.params, autocommit=True)
        self._domains = [DOMAIN]

    def close(self) -> None:
        self.conn.close()

    def value(self, query: LiteralString | sql.Composed, params: Iterable[Any] = ()) -> Any:
        """The first column of the first row; None without a row."""
        row = self.conn.execute(query, list(params)).fetchone()
        return row[0] if row else None

    def add_domain(self, name: str) -> None:
        """Let a domain join unless it has joined: its row brings its queues and functions."""
        self.conn.execute("INSERT INTO commandbus.domain (name) VALUES (%s) ON CONFLICT DO NOTHING", [name])
        if name not in self._domains:
            self._domains.append(name)

    def empty(self) -> None:
        """Take away all commands, and let what is written from now on not pay for a checkpoint before.

        Raises `psycopg.errors.LockNotAvailable` where another client holds a table for longer than `LOCKS_WITHIN_S`.
        """
        with self.conn.transaction():
            self.value("SELECT set_config('lock_timeout', %s, true)", [f"{LOCKS_WITHIN_S * 1000:.0f}"])
            self.conn.execute(sql.SQL("TRUNCATE {} RESTART IDENTITY").format(self._tables()))
        with suppress(psycopg.errors.InsufficientPrivilege):
            self.conn.execute("CHECKPOINT")

    def fill(self, count: int, *, domain: str = DOMAIN, behaviors: Iterable[Behavior] | None = None) -> int:
        """Send so many commands that ask for a reply; the mark from which a drain of them is measured."""
        wanted = repeat(SUCCESS, count) if behaviors is None else behaviors
        commands = (NewCommand(behavior=behavior) for behavior in wanted)
        send_many(self.database.params, domain, commands, max_attempts=MAX_ATTEMPTS)
        return self.mark()

    def tidy(self) -> None:
        """Vacuum and analyze, so that autovacuum has no reason to come while something is measured."""
        self.conn.execute(sql.SQL("VACUUM (ANALYZE) {}").format(self._tables()))

    def fresh(self, count: int, *, domain: str = DOMAIN, behaviors: Iterable[Behavior] | None = None) -> int:
        """An emptied database with a backlog in it, tidied up; its mark."""
        self.empty()
        mark = self.fill(count, domain=domain, behaviors=behaviors)
        self.tidy()
        return mark

    def mark(self) -> int:
        """The newest event's number: what is measured comes after it."""
        return int(self.value("SELECT coalesce(max(audit_id), 0) FROM commandbus.audit"))

    def drained(self, since: int, *, expected: int, domain: str = DOMAIN) -> Drained:
        """What was drained since a mark; BenchError unless all that was expected has ended."""
        row = self.conn.execute(_DRAINED, [domain, since]).fetchone()
        assert row is not None
        if row[0] != expected:
            raise BenchError(f"{row[0]:,} of {expected:,} commands have ended: this drain cannot be measured.")
        return Drained(commands=row[0], seconds=row[1])

    def drain(self, count: int, *, since: int, domain: str = DOMAIN, **options: Any) -> Drained:
        """Drain what was filled by one worker process (``programs.worker`` has the options)."""
        with worker(self.database, domain=domain, **options) as program:
            program.wait()
        return self.drained(since, expected=count, domain=domain)

    def drain_beside_others(self, count: int, *, since: int, domain: str) -> Drained:
        """Drain so many commands where others stay in the queue: the worker is stopped once they have ended."""
        with worker(self.database, domain=domain, once=False) as program:
            self.wait_for_events(since + 2 * count, program)
            while self.completed(since, domain) < count:
                program.check_running()
                time.sleep(LOOK_S)
            program.stop()
        return self.drained(since, expected=count, domain=domain)

    def wait_for_events(self, number: int, program: MeasuredProgram) -> None:
        """Until the newest event has this number: a look that costs the server nothing. Two events make a command."""
        while self.mark() < number:
            program.check_running()
            time.sleep(LOOK_S)

    def completed(self, since: int, domain: str = DOMAIN) -> int:
        """How many commands have completed since a mark."""
        return int(self.value(_COMPLETED, [since, domain]))

    def _tables(self) -> sql.Composed:
        queues = [queue for domain in self._domains for queue in (command_queue(domain), reply_queue(domain))]
        tables = [
            sql.Identifier("commandbus", "command"),
            sql.Identifier("commandbus", "audit"),
            sql.Identifier("commandbus", "parked"),
            sql.Identifier("public", "test_command"),
            *(sql.Identifier("pgmq", table(queue)) for queue in queues for table in (queue_table, archive_table)),
        ]
        return sql.SQL(", ").join(tables)


def waiting_table(domain: str) -> sql.Identifier:
    """The table of the messages that wait in the command queue of a domain."""
    return sql.Identifier("pgmq", queue_table(command_queue(domain)))
