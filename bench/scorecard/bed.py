"""Where probes work: a database of their own with one real worker in it, and what they do and see there."""

from __future__ import annotations

import json
import time
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, LiteralString
from uuid import UUID

import psycopg
from psycopg import sql
from psycopg.rows import dict_row

from bench.errors import BenchError
from bench.programs import worker
from commands.bus.bulk import NewCommand, send_chunk
from commands.rules.behaviors import Behavior, BehaviorType
from commands.rules.words import DOMAIN, LETTERS, EventType, Status, command_queue, queue_table, reply_queue
from e2e_site.schema.own_database import own_database

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from bench.programs import MeasuredProgram
    from commands.rules.words import Engine
    from e2e_site.schema.own_database import OwnDatabase

PURPOSE = "scorecard"
LOOK_S = 0.05
WITHIN_S = 15.0
LEASE_S = 1
MAX_ATTEMPTS = 3
SLOTS = 10
# Free slots and short times, so that what leases do is seen in seconds.
SETTINGS = {
    "visibility_timeout": LEASE_S,
    "max_attempts": MAX_ATTEMPTS,
    "poll_interval": 0.1,
    "base_delay_ms": 0,
    "max_delay_ms": 0,
    "concurrency": SLOTS,
}
_UP = "SELECT count(*) FROM public.e2e_worker WHERE pid = %s AND stopped_at IS NULL"


@dataclass(kw_only=True)
class Bed:
    """``program``: the worker. What is looked at is read from the bus's own tables."""

    engine: Engine
    database: OwnDatabase
    conn: psycopg.Connection[Any]
    program: MeasuredProgram

    # -- doing ------------------------------------------------------------------------------------------------------

    def send(self, kind: BehaviorType, *, ms: int = 0, max_attempts: int = MAX_ATTEMPTS) -> UUID:
        """A command that asks for a reply."""
        command = NewCommand(behavior=Behavior(type=kind, execution_time_ms=ms))
        send_chunk(self.conn, DOMAIN, [command], max_attempts=max_attempts)
        return command.command_id

    def behave(self, command_id: UUID, behavior: dict[str, Any]) -> None:
        """Change what the attempts that begin from now on do."""
        self.conn.execute(
            "UPDATE public.test_command SET behavior = %s WHERE command_id = %s", [json.dumps(behavior), command_id]
        )

    def put(self, message: Any) -> int:
        """Any JSON value into the command queue, by hand; its number."""
        msg_id = int(self.value("SELECT pgmq.send(%s, %s::jsonb, 0)", command_queue(DOMAIN), json.dumps(message)))
        self.conn.execute("SELECT pg_notify(%s, '')", [f"pgmq_notify_{command_queue(DOMAIN)}"])
        return msg_id

    def end_connections(self) -> int:
        """End those of the worker; how many."""
        query: LiteralString = """
            SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
            WHERE datname = current_database() AND starts_with(application_name, 'runworker')
        """
        return int(self.value(query))

    # -- looking ----------------------------------------------------------------------------------------------------

    def until(self, is_so: Callable[[], object], within_s: float = WITHIN_S) -> bool:
        """Whether it became so in time. Raises BenchError where the worker has ended."""
        deadline = time.monotonic() + within_s
        while not is_so():
            self.program.check_running()
            if time.monotonic() > deadline:
                return False
            time.sleep(LOOK_S)
        return True

    def value(self, query: LiteralString | sql.Composed, *params: Any) -> Any:
        row = self.conn.execute(query, list(params)).fetchone()
        return row[0] if row else None

    def word(self, command_id: UUID) -> str:
        """Its story in `LETTERS`."""
        rows = self.conn.execute(
            "SELECT event_type FROM commandbus.audit WHERE command_id = %s ORDER BY audit_id", [command_id]
        ).fetchall()
        return "".join(LETTERS[EventType(event_type)] for (event_type,) in rows)

    def command(self, command_id: UUID) -> dict[str, Any]:
        with self.conn.cursor(row_factory=dict_row) as cursor:
            query: LiteralString = "SELECT * FROM commandbus.command WHERE command_id = %s"
            row = cursor.execute(query, [command_id]).fetchone()
        if row is None:
            raise BenchError(f"Command {command_id} is not there.")
        return row

    def is_final(self, command_id: UUID) -> bool:
        return self.command(command_id)["status"] not in (Status.PENDING, Status.IN_PROGRESS)

    def replies(self, command_id: UUID) -> list[str]:
        """The outcomes that were replied."""
        query = sql.SQL("SELECT message ->> 'outcome' FROM {} WHERE message ->> 'command_id' = %s ORDER BY msg_id")
        table = sql.Identifier("pgmq", queue_table(reply_queue(DOMAIN)))
        return [outcome for (outcome,) in self.conn.execute(query.format(table), [str(command_id)]).fetchall()]

    def waiting_for_locks(self) -> int:
        query: LiteralString = """
            SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'
        """
        return int(self.value(query))


@contextmanager
def bed(engine: Engine) -> Iterator[Bed]:
    """A database with a worker of that engine in it, both gone afterwards. Raises BenchError, OwnDatabaseError."""
    with ExitStack() as until_the_end:
        database = until_the_end.enter_context(own_database(PURPOSE))
        conn = until_the_end.enter_context(psycopg.connect(**database.params, autocommit=True))
        _take_settings(conn)
        program = until_the_end.enter_context(
            worker(database, domain=DOMAIN, engine=engine, concurrency=SLOTS, batch_size=SLOTS, once=False)
        )
        made = Bed(engine=engine, database=database, conn=conn, program=program)
        if not made.until(lambda: made.value(_UP, program.pid), 60):
            raise BenchError("The worker was not ready within 60 s.")
        first = made.send(BehaviorType.SUCCESS)
        made.until(lambda: made.is_final(first), 30)
        yield made


def _take_settings(conn: psycopg.Connection[Any]) -> None:
    assignments = sql.SQL(", ").join(
        sql.SQL("{} = {}").format(sql.Identifier(name), sql.Literal(value)) for name, value in SETTINGS.items()
    )
    conn.execute(sql.SQL("UPDATE public.e2e_config SET {}").format(assignments))
