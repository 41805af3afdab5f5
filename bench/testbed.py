"""What every scenario needs: a clean database, a backlog in it, and a drain measured by the server's clock."""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import dataclass
from itertools import repeat
from typing import TYPE_CHECKING, Any, LiteralString

import psycopg
from psycopg import sql

from bench.benchmark.case import BenchmarkError
from bench.benchmark.processes import worker
from commands.bus.bulk import NewCommand, send_many
from commands.rules.behaviors import Behavior, BehaviorType
from commands.rules.words import DOMAIN, DOMAINS, command_queue, reply_queue

if TYPE_CHECKING:
    from collections.abc import Iterable

    from bench.benchmark.pgbench import Ceiling
    from bench.benchmark.processes import Program
    from e2e_site.schema.own_database import OwnDatabase

SUCCESS = Behavior(type=BehaviorType.SUCCESS)
MAX_ATTEMPTS = 3
LOOK_S = 0.2

_QUEUES = tuple(queue for domain in DOMAINS for queue in (command_queue(domain), reply_queue(domain)))
_TABLES = (
    sql.Identifier("commandbus", "command"),
    sql.Identifier("commandbus", "audit"),
    sql.Identifier("commandbus", "parked"),
    sql.Identifier("public", "test_command"),
    *(sql.Identifier("pgmq", f"{kind}_{queue}") for queue in _QUEUES for kind in "qa"),
)
# From the first attempt to the last end, and how many commands ended: what a drain took, without its start.
_DRAINED = """
    SELECT count(DISTINCT command_id) FILTER (WHERE event_type <> 'RECEIVED'),
           extract(epoch FROM max(ts) FILTER (WHERE event_type <> 'RECEIVED')
                            - min(ts) FILTER (WHERE event_type = 'RECEIVED'))::float8
    FROM commandbus.audit
    WHERE domain = %s AND audit_id > %s
      AND event_type IN ('RECEIVED', 'COMPLETED', 'MOVED_TO_TSQ', 'BUSINESS_RULE_FAILED')
"""


@dataclass(frozen=True, kw_only=True)
class Drained:
    """How many commands ended between the first attempt and the last end, and how many seconds lie between."""

    commands: int
    seconds: float

    @property
    def rate(self) -> float:
        return self.commands / self.seconds


class Stage:
    """The benchmark's database and what is done in it."""

    def __init__(self, database: OwnDatabase, ceiling: Ceiling) -> None:
        self.database = database
        self.ceiling = ceiling
        self.conn = psycopg.connect(**database.params, autocommit=True)

    def close(self) -> None:
        self.conn.close()

    def value(self, query: LiteralString, params: Iterable[Any] = ()) -> Any:
        """The first column of the first row; None without a row."""
        row = self.conn.execute(query, list(params)).fetchone()
        return row[0] if row else None

    def empty(self) -> None:
        """Take away all commands, and let what is written from now on not pay for a checkpoint before."""
        tables = sql.SQL(", ").join(_TABLES)
        self.conn.execute(sql.SQL("TRUNCATE {} RESTART IDENTITY").format(tables))
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
        self.conn.execute(sql.SQL("VACUUM (ANALYZE) {}").format(sql.SQL(", ").join(_TABLES)))

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
        """What was drained since a mark; BenchmarkError unless all that was expected has ended."""
        row = self.conn.execute(_DRAINED, [domain, since]).fetchone()
        assert row is not None
        if row[0] != expected:
            raise BenchmarkError(f"{row[0]:,} of {expected:,} commands have ended: this drain cannot be measured.")
        return Drained(commands=row[0], seconds=row[1])

    def drain(self, count: int, *, since: int, domain: str = DOMAIN, **options: Any) -> Drained:
        """Drain what was filled by one worker process (``processes.worker`` has the options)."""
        with worker(self.database, domain=domain, **options) as program:
            program.wait()
        return self.drained(since, expected=count, domain=domain)

    def drain_beside_others(self, count: int, *, since: int, domain: str) -> Drained:
        """Drain so many commands where others stay in the queue: the worker is stopped once they have ended."""
        with worker(self.database, domain=domain, once=False) as program:
            self.wait_for_events(since + 2 * count, program)
            while self.ended(since, domain) < count:
                program.check_running()
                time.sleep(LOOK_S)
            program.stop()
        return self.drained(since, expected=count, domain=domain)

    def wait_for_events(self, number: int, program: Program) -> None:
        """Until the newest event has this number: a look that costs the server nothing. Two events make a command."""
        while self.mark() < number:
            program.check_running()
            time.sleep(LOOK_S)

    def ended(self, since: int, domain: str) -> int:
        """How many commands have completed since a mark."""
        query: LiteralString = """
            SELECT count(*) FROM commandbus.audit WHERE audit_id > %s AND domain = %s AND event_type = 'COMPLETED'
        """
        return int(self.value(query, [since, domain]))
