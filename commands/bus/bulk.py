"""Sending many: one statement and one notification per chunk, in constant memory.

NewCommand ─► chunks ─► commandbus.send_commands (rows, messages, SENT events)
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import islice
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

import psycopg
from commandbus import DuplicateCommandError
from psycopg.errors import UniqueViolation
from psycopg.pq import TransactionStatus
from uuid_utils.compat import uuid7

from commands.bus.conflicts import trying_again
from commands.rules.payload import payload_text
from commands.rules.words import COMMAND_TYPE, reply_queue

if TYPE_CHECKING:
    from commands.rules.behaviors import Behavior

CHUNK_SIZE = 5000
SEND = "SELECT commandbus.send_commands(%s, %s, %s::jsonb, %s, %s, %s)"


@dataclass(frozen=True, kw_only=True, slots=True)
class NewCommand:
    """A test command to be sent. Ids made here grow with time, so that rows of one time lie together in every index."""

    behavior: Behavior
    payload: Mapping[str, Any] | None = None
    command_id: UUID = field(default_factory=uuid7)

    def to_json(self) -> str:
        """One array of ``commandbus.send_commands``: ``[command_id, behavior, payload]``. Raises `PayloadError`."""
        payload = payload_text(dict(self.payload)) if self.payload else "{}"
        return f'["{self.command_id}",{_behavior_json(self.behavior)},{payload}]'


@dataclass(frozen=True, kw_only=True)
class Sending:
    """What the commands of one bulk send have in common."""

    max_attempts: int
    reply: bool
    correlation_id: UUID
    command_type: str = COMMAND_TYPE


@lru_cache(maxsize=1024)
def _behavior_json(behavior: Behavior) -> str:
    return json.dumps(behavior.to_json())


def send_chunk(
    conn: psycopg.Connection[Any],
    domain: str,
    commands: Sequence[NewCommand],
    *,
    max_attempts: int,
    reply: bool = True,
    correlation_id: UUID | None = None,
    command_type: str = COMMAND_TYPE,
) -> int:
    """Send these in the connection's transaction, or in one of their own on an autocommit connection; how many.

    All get one correlation id: a new one unless it is given. With another ``command_type`` than the site's own their
    behaviors say what the handler of that type is to do, and no more.

    All or none: raises the library's ``DuplicateCommandError`` where one of them is known already, and
    SendConflictError where the database gave way to another transaction (`trying_again`).
    """
    options = Sending(
        max_attempts=max_attempts, reply=reply, correlation_id=correlation_id or uuid4(), command_type=command_type
    )
    return _send(conn, domain, _body(commands), options)


def send_many(
    params: Mapping[str, Any],
    domain: str,
    commands: Iterable[NewCommand],
    *,
    max_attempts: int,
    reply: bool = True,
    correlation_id: UUID | None = None,
    chunk_size: int = CHUNK_SIZE,
    connections: int = 2,
    on_sent: Callable[[int], None] | None = None,
) -> int:
    """Send a stream of commands, each chunk in a transaction of its own, on connections of its own; how many.

    All get one correlation id: a new one unless it is given.
    ``params`` are those of ``e2e_site.database.connection_params``. ``on_sent`` hears the size of each chunk once it is
    committed, from any thread. The first error ends the sending and is raised; what was sent before stays sent.
    """
    options = Sending(max_attempts=max_attempts, reply=reply, correlation_id=correlation_id or uuid4())
    with ExitStack() as stack:
        idle: SimpleQueue[psycopg.Connection[Any]] = SimpleQueue()
        for _ in range(connections):
            idle.put(stack.enter_context(psycopg.connect(**params, autocommit=True)))

        def send(body: str) -> int:
            conn = idle.get()
            try:
                count = _send(conn, domain, body, options)
            finally:
                idle.put(conn)
            if on_sent is not None:
                on_sent(count)
            return count

        pool = ThreadPoolExecutor(connections, "send")
        stack.callback(pool.shutdown, cancel_futures=True)  # an error, or a Ctrl-C, which this thread alone hears of
        return _send_all(pool, send, map(_body, _chunks(commands, chunk_size)), ahead=connections)


def _send_all(pool: ThreadPoolExecutor, send: Callable[[str], int], bodies: Iterable[str], *, ahead: int) -> int:
    """Make the next body while others are on their way; no more than one waits."""
    sent = 0
    under_way: deque[Future[int]] = deque()
    for body in bodies:
        under_way.append(pool.submit(send, body))
        if len(under_way) > ahead:
            sent += under_way.popleft().result()
    return sent + sum(sending.result() for sending in under_way)


def _chunks(commands: Iterable[NewCommand], size: int) -> Iterator[list[NewCommand]]:
    stream = iter(commands)
    while chunk := list(islice(stream, size)):
        yield chunk


def _body(commands: Sequence[NewCommand]) -> str:
    return f"[{','.join([command.to_json() for command in commands])}]"


def _send(conn: psycopg.Connection[Any], domain: str, body: str, options: Sending) -> int:
    queue = reply_queue(domain) if options.reply else ""
    asked = (domain, options.command_type, body, options.max_attempts, queue, options.correlation_id)
    own = conn.autocommit and conn.info.transaction_status == TransactionStatus.IDLE
    try:
        row = trying_again(
            lambda: conn.execute(SEND, asked).fetchone(),
            whole_transaction=own,
        )
    except UniqueViolation as exc:
        raise DuplicateCommandError(domain, f"one of many: {exc.diag.message_detail}") from exc
    assert row is not None
    return int(row[0])
