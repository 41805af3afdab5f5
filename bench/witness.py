"""What handlers did, by a ledger of their own; and the program points at which a scenario ends a worker's process.

    runworker --around bench.witness ─► around(handler) ─► lines of a file, one for each beginning and end

The ledger is a file that each worker process appends to, without a buffer: it survives ``kill -9`` of the worker and an
outage of the server, which rows in a table would not, and shares nothing with the bus. `bench.ledgers.executions` reads
it. What it shall do comes from the environment: see `Orders`.
"""

from __future__ import annotations

import asyncio
import ctypes
import json
import os
import signal
import time
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import psycopg

from commands.rules.behaviors import Behavior, BehaviorError
from commands.rules.rolls import Rolls, share

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from uuid import UUID

    from commandbus import Command, HandlerContext

    Handler = Callable[[Command, HandlerContext], Awaitable[Any]]

VARIABLE = "BENCH_WITNESS"
BEGUN, ENDED, CRASHED = "B", "E", "X"
FINISHING = "finishing"


@dataclass(frozen=True, kw_only=True)
class Crash:
    """At ``point`` the process ends by ``how``: for a ``share`` of attempts by the keyed hash of ``seed``, and for
    every attempt of the commands ``ids``. ``armed``: a file that has to be there.

    ``received``: before the handler, ``handled``: after it, ``finishing``: the statement that writes the end of the
    attempt is on its way to the server, and no answer has been read."""

    point: str
    how: str
    seed: int
    share: float
    ids: tuple[str, ...]
    armed: str

    def hits(self, point: str, command_id: UUID, attempt: int) -> bool:
        if point != self.point or not Path(self.armed).exists():
            return False
        return str(command_id) in self.ids or share(self.seed, command_id, attempt, f"crash {point}") < self.share


@dataclass(frozen=True, kw_only=True)
class Orders:
    """``folder``: where the ledger is; ``worker``: the name of the process in it; ``rolls``: what attempts roll."""

    folder: str
    worker: str
    rolls: dict[str, Any] | None = None
    crashes: tuple[dict[str, Any], ...] = ()

    def environment(self) -> dict[str, str]:
        return {VARIABLE: json.dumps(vars(self))}

    @classmethod
    def read(cls) -> Self:
        """Raises KeyError outside of a run."""
        return cls(**json.loads(os.environ[VARIABLE]))


def around(handler: Handler) -> Handler:
    """The same handler, witnessed."""

    async def witnessed(command: Command, context: HandlerContext) -> Any:
        witness = _witness()
        witness.write(BEGUN, command, context)
        witness.crash_at("received", command, context)
        witness.roll(command, context)
        try:
            result = await handler(command, context)
        except BaseException as exc:
            witness.write(ENDED, command, context, type(exc).__name__)
            witness.crash_when_written(command, context)
            raise
        witness.write(ENDED, command, context, "ok")
        witness.crash_at("handled", command, context)
        witness.crash_when_written(command, context)
        return result

    return witnessed


class _Witness:
    def __init__(self, orders: Orders) -> None:
        path = Path(orders.folder) / f"executions-{orders.worker}-{os.getpid()}.log"
        self._file = os.open(path, os.O_APPEND | os.O_CREAT | os.O_WRONLY, 0o600)
        self._rolls = Rolls(**orders.rolls) if orders.rolls else None
        self._crashes = [Crash(**{**crash, "ids": tuple(crash["ids"])}) for crash in orders.crashes]
        self._finishing: dict[str, Callable[[], None]] = {}  # commands, and what happens once their end is sent
        if any(crash.point == FINISHING for crash in self._crashes):
            self._watch_statements()

    def write(self, what: str, command: Command, context: HandlerContext, outcome: str = "") -> None:
        # The id as its number: a third of the time that its text takes, for what is done twice in each execution.
        line = f"{what} {command.command_id.int:032x} {context.msg_id} {context.attempt} {time.time_ns()} {outcome}\n"
        os.write(self._file, line.encode())

    def roll(self, command: Command, context: HandlerContext) -> None:
        if self._rolls is None:
            return
        try:
            own = Behavior.from_json(getattr(context, "behavior", None))
        except BehaviorError:
            return
        attempt = getattr(context, "life_attempt", context.attempt)
        context.behavior = self._rolls.behavior(own, command.command_id, attempt).to_json()  # type: ignore[attr-defined]

    def crash_at(self, point: str, command: Command, context: HandlerContext) -> None:
        for crash in self._crashes:
            if crash.hits(point, command.command_id, context.attempt):
                self.write(CRASHED, command, context, f"{point}:{crash.how}")
                _end_process(crash.how)

    def crash_when_written(self, command: Command, context: HandlerContext) -> None:
        """Have the process end as soon as a statement that names this command's end was sent."""
        for crash in self._crashes:
            if crash.hits(FINISHING, command.command_id, context.attempt):
                self._finishing[str(command.command_id)] = partial(self._end_finishing, crash.how, command, context)

    def _end_finishing(self, how: str, command: Command, context: HandlerContext) -> None:
        self.write(CRASHED, command, context, f"{FINISHING}:{how}")
        _end_process(how)

    def _watch_statements(self) -> None:
        """psycopg sends a statement before it first waits, so what is called soon comes after that and before the
        answer is read."""
        execute = psycopg.AsyncConnection.execute

        async def watched(conn: Any, query: Any, params: Any = None, **options: Any) -> Any:
            if self._finishing and "finish" in str(query):
                text = str(params)
                for command_id, end in self._finishing.items():
                    if command_id in text:
                        asyncio.get_running_loop().call_soon(end)
            return await execute(conn, query, params, **options)

        psycopg.AsyncConnection.execute = watched  # type: ignore[assignment, method-assign]


def _end_process(how: str) -> None:
    if how == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    if how == "segfault":
        ctypes.string_at(0)
    os._exit(70)


@cache
def _witness() -> _Witness:
    return _Witness(Orders.read())
