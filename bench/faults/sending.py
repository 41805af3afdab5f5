"""Commands that faults send besides the plan's: recorded in the ledger, with an expectation of their own."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import psycopg

from bench.faults.bench import FaultError
from bench.ledgers.sends import Told, Trying
from commands.bus.bulk import SEND
from commands.rules.words import COMMAND_TYPE, DOMAIN, reply_queue

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from bench.faults.bench import Bench
    from commands.bus.bulk import NewCommand
    from commands.rules.expectation import Expectation


def _leave(conn: psycopg.Connection[Any]) -> None:
    """Nothing to be done to what was sent."""


def send_extra(
    bench: Bench,
    kind: str,
    commands: Sequence[NewCommand],
    expected: Expectation,
    *,
    command_type: str = COMMAND_TYPE,
    reply: bool = False,
    spoil: Callable[[psycopg.Connection[Any]], None] = _leave,
) -> None:
    """Send them in one transaction, which ``spoil`` may add to. Raises FaultError where that is not acknowledged."""
    bench.expected[kind] = expected
    body = f"[{','.join(command.to_json() for command in commands)}]"
    asked = (
        DOMAIN, command_type, body, bench.plan.scenario.bus.max_attempts, reply_queue(DOMAIN) if reply else "", uuid4(),
    )  # fmt: skip

    def send() -> None:
        with psycopg.connect(**bench.database.params) as conn:
            conn.execute(SEND, asked)
            spoil(conn)

    trying = [Trying(command_id=command.command_id, kind=kind, intended=time.time()) for command in commands]
    told = bench.send_recorded(trying, send)
    if told is not Told.ACKNOWLEDGED:
        raise FaultError(f"sending {kind} was answered by {told.value}")
