"""The bus as a test drives it by hand: the SQL functions that engine ``native`` and operators call, step by step."""

import json
from typing import Any
from uuid import UUID, uuid4

import psycopg
from psycopg.rows import dict_row

from commands.rules.words import LETTERS

Json = dict[str, Any]


class HandBus:
    """Sends, receives, finishes and looks, each in a transaction of its own unless given another connection."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.conn = psycopg.connect(url, autocommit=True, row_factory=dict_row)

    def connect(self) -> psycopg.Connection[Json]:
        """Another client of the same database, in a transaction."""
        return psycopg.connect(self.url, row_factory=dict_row)

    # -- doing ------------------------------------------------------------------------------------------------------

    def send(
        self, behavior: Json | None = None, *, max_attempts: int = 3, reply: str = "test__replies", row: bool = True
    ) -> UUID:
        """Send a command as the library does; `row=False` leaves its test_command row out."""
        command_id = uuid4()
        message: Json = {
            "domain": "test", "command_type": "TestCommand", "command_id": str(command_id), "data": {},
            "correlation_id": None, "reply_to": reply or None,
        }  # fmt: skip
        with self.conn.transaction():
            if row:
                self.conn.execute(
                    "INSERT INTO test_command (command_id, behavior) VALUES (%s, %s)",
                    [command_id, json.dumps(behavior or {"type": "success"})],
                )
            msg_id = self.send_message(message)
            self.conn.execute(
                """
                INSERT INTO commandbus.command
                    (domain, queue_name, msg_id, command_id, command_type, status, max_attempts, reply_queue)
                VALUES ('test', 'test__commands', %s, %s, 'TestCommand', 'PENDING', %s, %s)
                """,
                [msg_id, command_id, max_attempts, reply],
            )
            self.conn.execute(
                "INSERT INTO commandbus.audit (domain, command_id, event_type) VALUES ('test', %s, 'SENT')",
                [command_id],
            )
        return command_id

    def send_message(self, message: Any) -> int:
        """Put any JSON value into the command queue."""
        return int(self.value("SELECT pgmq.send('test__commands', %s::jsonb, 0)", [json.dumps(message)]))

    def receive(
        self, limit: int = 10, *, lease: int = 30, worker: UUID | None = None, only: int | None = None,
        alone: bool = False, conn: psycopg.Connection[Json] | None = None,
    ) -> Json:  # fmt: skip
        """The answer of receive_commands, its commands by their ids: ``{"msg_id", "attempt", "life", "behavior"}``.

        ``only``: look at this message alone.
        """
        first, last = (0, 2**62) if only is None else (only - 1, only)
        row = (conn or self.conn).execute(
            "SELECT commandbus.receive_commands('test', %s, %s, %s, %s, %s, %s) AS a",
            [limit, lease, first, last, worker, alone],
        )
        answer: Json = (row.fetchone() or {})["a"]
        answer["commands"] = {
            UUID(c[1]): {"msg_id": c[0], "attempt": c[7], "max_attempts": c[8], "life": c[9], "behavior": c[10]}
            for c in answer["commands"]
        }
        return answer

    def begin(self, command_id: UUID, *, lease: int = 30) -> Json:
        """Receive everything there is and return the attempt of one command."""
        attempt: Json = self.receive(1000, lease=lease)["commands"][command_id]
        return attempt

    def finish(self, *outcomes: Json, conn: psycopg.Connection[Json] | None = None) -> Json:
        row = (conn or self.conn).execute(
            "SELECT commandbus.finish_commands('test', %s::jsonb) AS a", [json.dumps(outcomes, default=str)]
        )
        answer: Json = (row.fetchone() or {})["a"]
        return answer

    def expire_lease(self, command_id: UUID) -> None:
        """What waiting for the end of a lease or of a backoff does."""
        self.conn.execute(
            """
            UPDATE pgmq.q_test__commands SET vt = clock_timestamp() - interval '1 ms'
            WHERE message ->> 'command_id' = %s
            """,
            [str(command_id)],
        )

    def extend_lease(self, command_id: UUID, attempt: Json, *, lease: int) -> list[str]:
        """The commands whose lease was extended: this one, or none."""
        body = [{"command_id": str(command_id), "msg_id": attempt["msg_id"], "attempt": attempt["attempt"]}]
        extended: list[str] = self.value(
            "SELECT commandbus.extend_leases('test', %s::jsonb, %s)", [json.dumps(body), lease]
        )
        return extended

    def end_connections(self, name: str) -> int:
        """End the connections to this database whose name begins so; how many. Other test processes keep theirs."""
        return int(
            self.value(
                "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
                " WHERE datname = current_database() AND starts_with(application_name, %s)",
                [name],
            )
        )

    # -- looking ----------------------------------------------------------------------------------------------------

    def value(self, query: str, params: Any = ()) -> Any:
        row = self.conn.execute(query, params).fetchone()
        return next(iter(row.values())) if row else None

    def rows(self, query: str, params: Any = ()) -> list[Json]:
        return self.conn.execute(query, params).fetchall()

    def waiting(self) -> int:
        """How many connections to this database wait for a lock."""
        return int(
            self.value(
                "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
            )
        )

    def command(self, command_id: UUID) -> Json:
        return self.rows("SELECT * FROM commandbus.command WHERE command_id = %s", [command_id])[0]

    def test_command(self, command_id: UUID) -> Json:
        return self.rows("SELECT * FROM test_command WHERE command_id = %s", [command_id])[0]

    def events(self, command_id: UUID) -> list[Json]:
        return self.rows("SELECT * FROM commandbus.audit WHERE command_id = %s ORDER BY audit_id", [command_id])

    def word(self, command_id: UUID) -> str:
        return "".join(LETTERS[event["event_type"]] for event in self.events(command_id))

    def queued(self) -> list[int]:
        return [row["msg_id"] for row in self.rows("SELECT msg_id FROM pgmq.q_test__commands ORDER BY msg_id")]

    def archived(self) -> list[int]:
        return [row["msg_id"] for row in self.rows("SELECT msg_id FROM pgmq.a_test__commands ORDER BY msg_id")]

    def replies(self) -> list[Json]:
        return [row["message"] for row in self.rows("SELECT message FROM pgmq.q_test__replies ORDER BY msg_id")]


def outcome(command_id: UUID, attempt: Json, kind: str = "success", **more: Any) -> Json:
    """How an attempt that `receive` answered ended."""
    if kind != "success":
        more = {"error_code": "E", "error_msg": "went wrong", **more}
    return {"command_id": command_id, "msg_id": attempt["msg_id"], "attempt": attempt["attempt"], "kind": kind, **more}
