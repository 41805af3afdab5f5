"""Running workers, and the bus beside them: what a test sends, waits for and reads."""

import json
import signal
from collections.abc import Iterable
from typing import Any
from uuid import UUID, uuid4

import psutil
import psycopg
from commandbus.sync import SyncCommandBus
from psycopg import sql

from tests.support.bus import HandBus, Json
from tests.support.programs import StartedProgram
from tests.support.waiting import wait_until

COMPLETED, PARKED, FAILED = "COMPLETED", "IN_TROUBLESHOOTING_QUEUE", "FAILED"
_LIBRARY = SyncCommandBus(pool=None)  # type: ignore[arg-type]  # not needed with `conn`
FINAL = {COMPLETED, PARKED, FAILED, "CANCELED"}


class Worker:
    """A ``manage.py runworker`` with ``LOG_FORMAT=json``, by its process and its log lines."""

    def __init__(self, program: StartedProgram) -> None:
        self.program = program
        self.pid = program.pid

    def lines(self, action: str) -> list[Json]:
        """What it logged with this action so far."""
        # Only what can be one is read: this is asked again and again, and a worker says a line for each command.
        lines = (line for line in self.program.output.splitlines() if f'"{action}"' in line and line.endswith("}"))
        return [entry for entry in map(json.loads, lines) if entry.get("action") == action]

    def wait_for(self, action: str, *, count: int = 1, timeout: float = 30) -> Json:
        """Its `count`-th line with this action."""

        def seen() -> bool:
            found = len(self.lines(action)) >= count
            assert found or self.program.exit_code is None, f"Ended without {action}:\n{self.program.output}"
            return found

        wait_until(seen, timeout, f"{action}, {count} times, in the log")
        return self.lines(action)[count - 1]

    def signal(self, number: signal.Signals) -> None:
        self.program.send_signal(number)

    def wait(self, timeout: float = 30) -> int:
        return self.program.wait(timeout)

    def stop(self) -> int:
        """End it in order; its exit code."""
        self.signal(signal.SIGTERM)
        return self.wait()

    def die(self) -> None:
        """``kill -9``."""
        self.signal(signal.SIGKILL)
        assert self.wait() == -signal.SIGKILL

    def connections(self) -> int:
        """Open connections to a server."""
        return sum(c.status == psutil.CONN_ESTABLISHED for c in psutil.Process(self.pid).net_connections("tcp"))


class LiveBus(HandBus):
    """The bus while workers run: what is sent is notified, and what they do is waited for."""

    def send_message(self, message: Any) -> int:
        msg_id = super().send_message(message)
        self.conn.execute("SELECT pg_notify('pgmq_notify_test__commands', '')")
        return msg_id

    def send_to(
        self, command_type: str, *, max_attempts: int | None = None, correlation_id: UUID | None = None, **data: Any
    ) -> UUID:
        """Send a command of another type, as the library does."""
        command_id = uuid4()
        with psycopg.connect(self.url) as conn:
            _LIBRARY.send(
                "test", command_type, command_id, data, correlation_id=correlation_id, reply_to="test__replies",
                max_attempts=max_attempts, conn=conn,
            )  # fmt: skip
        return command_id

    def timeout(self, execution_time_ms: int, **more: Any) -> UUID:
        """Send a command that works so long and then completes."""
        return self.send({"type": "timeout", "execution_time_ms": execution_time_ms}, **more)

    def behave(self, command_id: UUID, behavior: Json) -> None:
        """Change what the attempts that begin from now on do."""
        self.conn.execute(
            "UPDATE test_command SET behavior = %s WHERE command_id = %s", [json.dumps(behavior), command_id]
        )

    def settings(self, **values: float) -> int:
        """Save settings as the admin does; the new version."""
        assignments = sql.SQL(", ").join(
            sql.SQL("{} = {}").format(sql.Identifier(name), sql.Literal(value)) for name, value in values.items()
        )
        query = sql.SQL("UPDATE e2e_config SET {} RETURNING version").format(assignments)
        row = self.conn.execute(query).fetchone()
        assert row is not None
        return int(row["version"])

    def status(self, command_id: UUID) -> str:
        return str(self.command(command_id)["status"])

    def statuses(self) -> dict[str, int]:
        """How many commands have each status."""
        rows = self.rows("SELECT status, count(*) AS n FROM commandbus.command GROUP BY status")
        return {row["status"]: row["n"] for row in rows}

    def wait_for_status(self, status: str, command_ids: Iterable[UUID], *, timeout: float = 30) -> None:
        """Until each of them has this status."""
        ids = list(command_ids)
        query = "SELECT command_id, status FROM commandbus.command WHERE command_id = ANY (%s) AND status <> %s"
        wait_until(lambda: not (self.rows(query, [ids, status])), timeout, f"{len(ids)} x {status}")

    def wait_for_word(self, word: str, command_id: UUID, *, timeout: float = 30) -> None:
        def there() -> bool:
            self_word = self.word(command_id)
            assert word.startswith(self_word), f"{self_word} does not lead to {word}"
            return self_word == word

        wait_until(there, timeout, word)

    def wait_for_attempts(self, attempts: int, command_ids: Iterable[UUID], *, timeout: float = 30) -> None:
        """Until that many attempts of each of them have begun."""
        ids = list(command_ids)
        query = "SELECT command_id, attempts FROM commandbus.command WHERE command_id = ANY (%s) AND attempts < %s"
        wait_until(lambda: not self.rows(query, [ids, attempts]), timeout, f"attempt {attempts} of {len(ids)} commands")

    def replies_to(self, command_id: UUID) -> list[Json]:
        return [reply for reply in self.replies() if reply["command_id"] == str(command_id)]

    def worker_row(self, worker: Worker) -> Json:
        """Its row in e2e_worker."""
        return self.rows("SELECT * FROM e2e_worker WHERE pid = %s", [worker.pid])[0]

    def assert_done_once(self, command_ids: Iterable[UUID], *, attempts: int | None = None) -> None:
        """Each of them is COMPLETED by one event, answered once and has no message left."""
        for command_id in command_ids:
            command, word = self.command(command_id), self.word(command_id)
            assert command["status"] == COMPLETED
            assert command["attempts"] == self.test_command(command_id)["attempts"] == word.count("R")
            assert attempts in (None, command["attempts"])
            assert command["attempts"] <= command["max_attempts"]
            assert word.count("C") == 1
            assert [reply["outcome"] for reply in self.replies_to(command_id)] == ["SUCCESS"]
        assert not {row["id"] for row in self._messages()} & {str(command_id) for command_id in command_ids}

    def _messages(self) -> list[Json]:
        return self.rows("SELECT message ->> 'command_id' AS id FROM pgmq.q_test__commands")
