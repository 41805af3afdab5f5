"""Commands by the thousand, with their whole story, and time that passes at once."""

import json
from collections.abc import Iterator
from uuid import UUID

import psycopg
from psycopg.rows import tuple_row

from commands.bus.bulk import NewCommand, send_chunk
from commands.rules.behaviors import Behavior
from commands.rules.words import DOMAIN
from tests.support.bus import Json

# Everything that belongs to commands; the ids that each table holds.
ROWS = {
    "command": "SELECT command_id FROM commandbus.command",
    "audit": "SELECT DISTINCT command_id FROM commandbus.audit",
    "test_command": "SELECT command_id FROM public.test_command",
    "queue": "SELECT commandbus.command_id_of(message) FROM pgmq.q_test__commands",
    "archive": "SELECT commandbus.command_id_of(message) FROM pgmq.a_test__commands",
    "parked": "SELECT command_id FROM commandbus.parked",
    "payload_archive": "SELECT command_id FROM commandbus.payload_archive",
}


def send(
    conn: psycopg.Connection[Json], number: int, *, domain: str = DOMAIN, reply: bool = True, milliseconds: int = 0
) -> list[UUID]:
    """Send so many commands that succeed after so many milliseconds, 5,000 a transaction."""
    behavior = Behavior.from_json({"type": "success", "execution_time_ms": milliseconds})
    commands = [NewCommand(behavior=behavior) for _ in range(number)]
    with psycopg.connect(conn.info.dsn, password=conn.info.password, autocommit=True) as sender:
        for start in range(0, number, 5000):
            send_chunk(sender, domain, commands[start : start + 5000], max_attempts=3, reply=reply)
    return [command.command_id for command in commands]


def batches(conn: psycopg.Connection[Json], *, domain: str = DOMAIN, size: int = 200) -> Iterator[int]:
    """Receive and complete what is visible, batch by batch; how many each time."""
    while True:
        row = conn.execute("SELECT commandbus.receive_commands(%s, %s, 30) AS a", [domain, size]).fetchone() or {}
        received = row["a"]["commands"]
        if not received:
            return
        outcomes = [
            {"command_id": command[1], "msg_id": command[0], "attempt": command[7], "kind": "success", "result": {}}
            for command in received
        ]
        conn.execute("SELECT commandbus.finish_commands(%s, %s)", [domain, json.dumps(outcomes)])
        yield len(outcomes)


def complete(conn: psycopg.Connection[Json], number: int, *, domain: str = DOMAIN, reply: bool = True) -> list[UUID]:
    """Send so many, and complete all that is visible."""
    ids = send(conn, number, domain=domain, reply=reply)
    for _ in batches(conn, domain=domain, size=1000):
        pass
    return ids


def pass_time(conn: psycopg.Connection[Json], days: int) -> None:
    """Make everything that is in the tables older by so many days."""
    age = f"interval '{days} days'"
    with conn.transaction():
        conn.execute(f"UPDATE commandbus.audit SET ts = ts - {age}")
        conn.execute(f"UPDATE commandbus.command SET created_at = created_at - {age}, updated_at = updated_at - {age}")
        conn.execute(f"UPDATE commandbus.batch SET completed_at = completed_at - {age}")
        for (queue,) in conn.cursor(row_factory=tuple_row).execute("SELECT queue_name FROM pgmq.meta").fetchall():
            conn.execute(f"UPDATE pgmq.q_{queue} SET enqueued_at = enqueued_at - {age}, vt = vt - {age}")
            conn.execute(
                f"UPDATE pgmq.a_{queue} SET enqueued_at = enqueued_at - {age}, archived_at = archived_at - {age}"
            )


def tables_with(conn: psycopg.Connection[Json], ids: list[UUID]) -> set[str]:
    """The tables that hold anything of these commands."""
    return {
        name
        for name, query in ROWS.items()
        if conn.execute(f"SELECT FROM ({query}) t (id) WHERE id = ANY (%s) LIMIT 1", [ids]).fetchone() is not None
    }
