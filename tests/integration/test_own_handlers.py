"""A handler is an ordinary async function of the library's registry: both engines run one that knows no behavior."""

import asyncio
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
from commandbus import (
    BusinessRuleException,
    Command,
    HandlerContext,
    HandlerRegistry,
    PermanentCommandError,
    TransientCommandError,
)
from commandbus.sync import SyncCommandBus

from commands.worker.engine_library import LibraryEngine
from commands.worker.engine_native import NativeEngine
from commands.worker.state import LOAD, WorkerState, effective
from e2e_site.database import Link, Outage
from tests.support.bus import HandBus

LIBRARY = SyncCommandBus(pool=None)  # type: ignore[arg-type]  # not needed with `conn`


def greeting(seen: list[tuple[int, int]]) -> HandlerRegistry:
    """A registry as any user of the library writes one; ``seen`` gets attempt and limit of each call."""
    registry = HandlerRegistry()

    @registry.handler("test", "Greet")
    async def greet(command: Command, context: HandlerContext) -> dict[str, Any]:
        seen.append((context.attempt, context.max_attempts))
        assert context.command is command
        name = command.data["name"]
        if name == "nobody":
            raise BusinessRuleException("NOBODY", "Nobody is there")
        if name == "ghost":
            raise PermanentCommandError("GHOST", "Not of this world", {"name": name})
        if name == "sleeper" and context.attempt == 1:
            raise TransientCommandError("ASLEEP", "Still asleep")
        return {"greeting": f"Hello, {name}", "sent_as": str(command.command_id)}

    return registry


async def work_off(url: str, engine: str, registry: HandlerRegistry) -> None:
    """Run a worker's engine until the queue is empty."""
    params = {**psycopg.conninfo.conninfo_to_dict(url), "prepare_threshold": None}
    links = [Link(params, Outage(), name=f"test {name}") for name in ("receive", "finish")]
    try:
        settings = effective(await links[0].value(LOAD), {"poll_interval": 0.1, "base_delay_ms": 0, "max_delay_ms": 0})
        state = WorkerState(engine=engine, settings=settings, link=links[0], once=True)
        if engine == "native":
            running = NativeEngine(registry, state, *links).run()
        else:
            running = LibraryEngine(registry, state, params, use_notify=True).run()
        assert await asyncio.wait_for(running, 20) == 0
    finally:
        for link in links:
            await link.close()


@pytest.mark.parametrize("engine", ["native", "library"])
def test_a_handler_of_ones_own_is_called_retried_and_answered_for(engine: str, bus: HandBus) -> None:
    ids = {name: uuid4() for name in ("ada", "nobody", "ghost", "sleeper")}
    with psycopg.connect(bus.url) as conn:
        for name, command_id in ids.items():
            LIBRARY.send("test", "Greet", command_id, {"name": name}, reply_to="test__replies", conn=conn)
    seen: list[tuple[int, int]] = []
    asyncio.run(work_off(bus.url, engine, greeting(seen)))

    assert sorted(seen) == [(1, 3)] * 4 + [(2, 3)]
    assert {name: bus.word(command_id) for name, command_id in ids.items()} == {
        "ada": "SRC",
        "nobody": "SRB",
        "ghost": "SRT",
        "sleeper": "SRFRC",
    }
    command = bus.command(ids["ghost"])
    assert (command["last_error_type"], command["last_error_code"]) == ("PERMANENT", "GHOST")
    replies = {UUID(reply["command_id"]): reply for reply in bus.replies()}
    assert {command_id: reply["outcome"] for command_id, reply in replies.items()} == {
        ids["ada"]: "SUCCESS",
        ids["sleeper"]: "SUCCESS",
        ids["nobody"]: "FAILED",
    }
    assert replies[ids["ada"]]["result"] == {"greeting": "Hello, ada", "sent_as": str(ids["ada"])}
