"""What handlers did, by a ledger of their own; and the program points at which a scenario ends a worker's process.

    runworker --around bench.witness ─► around(handler) ─► a file: bench.ledgers.executions

The ledger survives ``kill -9`` of the worker and an outage of the server, which rows in a table would not, and shares
nothing with the bus. What a witness shall do comes from the environment: see `Orders`.
"""

from __future__ import annotations

import asyncio
import ctypes
import json
import os
import signal
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import psycopg

from bench.ledgers.executions import ExecutionLedger
from commands.rules.behaviors import Behavior, BehaviorError
from commands.rules.rolls import Rolls, share

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from uuid import UUID

    from commandbus import Command, HandlerContext

    from bench.ledgers.executions import Place

    Handler = Callable[[Command, HandlerContext], Awaitable[Any]]

VARIABLE = "BENCH_WITNESS"
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

    @staticmethod
    def told(point: str, how: str) -> str:
        """As the ledger tells it (`bench.ledgers.executions`)."""
        return f"{point}:{how}"

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
        place = witness.ledger.begin(command.command_id, context.msg_id, context.attempt)
        witness.crash_at("received", command, context, place)
        witness.roll(command, context)
        try:
            result = await handler(command, context)
        except BaseException as exc:
            witness.ledger.end(place, type(exc).__name__)
            witness.crash_when_written(command, context, place)
            raise
        witness.ledger.end(place, "ok")
        witness.crash_at("handled", command, context, place)
        witness.crash_when_written(command, context, place)
        return result

    return witnessed


class _Witness:
    def __init__(self, orders: Orders) -> None:
        self.ledger = ExecutionLedger(Path(orders.folder), orders.worker)
        self._rolls = Rolls(**orders.rolls) if orders.rolls else None
        self._crashes = [Crash(**{**crash, "ids": tuple(crash["ids"])}) for crash in orders.crashes]
        self._finishing: dict[str, Callable[[], None]] = {}  # commands, and what happens once their end is sent
        if any(crash.point == FINISHING for crash in self._crashes):
            self._watch_statements()

    def roll(self, command: Command, context: HandlerContext) -> None:
        if self._rolls is None:
            return
        try:
            own = Behavior.from_json(getattr(context, "behavior", None))
        except BehaviorError:
            return
        attempt = getattr(context, "life_attempt", context.attempt)
        context.behavior = self._rolls.behavior(own, command.command_id, attempt).to_json()  # type: ignore[attr-defined]

    def crash_at(self, point: str, command: Command, context: HandlerContext, place: Place) -> None:
        for crash in self._crashes:
            if crash.hits(point, command.command_id, context.attempt):
                self._end_process(crash, place)

    def crash_when_written(self, command: Command, context: HandlerContext, place: Place) -> None:
        """Have the process end as soon as a statement that names this command's end was sent."""
        for crash in self._crashes:
            if crash.hits(FINISHING, command.command_id, context.attempt):
                self._finishing[str(command.command_id)] = partial(self._end_process, crash, place)

    def _end_process(self, crash: Crash, place: Place) -> None:
        self.ledger.crash(place, crash.told(crash.point, crash.how))
        if crash.how == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        if crash.how == "segfault":
            ctypes.string_at(0)
        os._exit(70)

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


@cache
def _witness() -> _Witness:
    return _Witness(Orders.read())
