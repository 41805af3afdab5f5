"""A handler is an ordinary async function of the library's registry: both engines run one that knows no behavior."""

import asyncio
import sys
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
from commands.worker.handlers import registry_of
from commands.worker.state import LOAD, WorkerState, effective
from e2e_site.database import Link, Outage
from tests.support import own_handlers
from tests.support.bus import HandBus

TOO_DEEP = 1500 if sys.version_info < (3, 13) else 12_000  # levels, for Python's json
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


def send(bus: HandBus, command_type: str, data: dict[str, Any]) -> UUID:
    command_id = uuid4()
    with psycopg.connect(bus.url) as conn:
        LIBRARY.send("test", command_type, command_id, data, reply_to="test__replies", conn=conn)
    return command_id


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
    ids = {name: send(bus, "Greet", {"name": name}) for name in ("ada", "nobody", "ghost", "sleeper")}
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


STORED = "X\nINFO done\ufffd\ufffd"
# What a handler raises, its error code, and the story of its command.
RAISED = {
    "exit": ("SystemExit", "SRFRFRT"),
    "interrupt": ("KeyboardInterrupt", "SRFRFRT"),
    "close": ("GeneratorExit", "SRFRFRT"),
    "cancel": ("CancelledError", "SRFRFRT"),
    "error": ("ValueError", "SRFRFRT"),
    "transient": (STORED, "SRFRFRT"),
    "permanent": (STORED, "SRT"),
    "business rule": (STORED, "SRB"),
}


@pytest.mark.parametrize("engine", ["native", "library"])
def test_whatever_a_handler_raises_is_the_end_of_its_attempt_and_of_nothing_else(engine: str, bus: HandBus) -> None:
    ids = {how: send(bus, "Fail", {"how": how}) for how in RAISED}
    answers = send(bus, "Answer", {})
    asyncio.run(work_off(bus.url, engine, registry_of("test", own_handlers.__name__)))

    commands = {how: bus.command(command_id) for how, command_id in ids.items()}
    assert {how: (commands[how]["last_error_code"], bus.word(ids[how])) for how in ids} == RAISED
    assert commands["exit"]["last_error_msg"] == "3"
    assert commands["error"]["last_error_msg"] == STORED
    for how in ("transient", "permanent", "business rule"):
        message = commands[how]["last_error_msg"]
        kept, _, rest = message.partition("…")
        assert (STORED * 1000).startswith(kept)
        assert rest == f" ({len(STORED) * 10_000 - len(kept):,} characters left out)"
        assert len(message.encode()) <= 8192
    assert bus.events(ids["permanent"])[-1]["details_json"]["error_details"] == {STORED: STORED}
    (refused,) = (reply for reply in bus.replies() if reply["command_id"] == str(ids["business rule"]))
    assert (refused["result"]["error_code"], refused["result"]["error_details"]) == (STORED, {STORED: STORED})

    assert bus.word(answers) == "SRC"
    (answered,) = (reply for reply in bus.replies() if reply["command_id"] == str(answers))
    assert answered["result"] == {"odd\ufffd": STORED}


@pytest.mark.parametrize("engine", ["native", "library"])
def test_a_command_that_python_cannot_read_is_parked_alone_and_says_what_is_wrong(engine: str, bus: HandBus) -> None:
    good = [bus.send() for _ in range(4)]
    long, deep, odd = (bus.send() for _ in range(3))
    good += [bus.send() for _ in range(4)]
    for command_id, data in ((long, '{"n": 1e5000}'), (deep, "[" * TOO_DEEP + "]" * TOO_DEEP)):
        bus.conn.execute(
            "UPDATE pgmq.q_test__commands SET message = jsonb_set(message, '{data}', %s)"
            " WHERE message ->> 'command_id' = %s",
            [data, str(command_id)],
        )
    bus.conn.execute("UPDATE test_command SET behavior = '[1e5000]' WHERE command_id = %s", [odd])
    asyncio.run(work_off(bus.url, engine, registry_of("test")))

    assert [bus.word(command_id) for command_id in good] == ["SRC"] * 8
    assert [bus.word(command_id) for command_id in (long, deep, odd)] == ["SRT"] * 3
    commands = [bus.command(command_id) for command_id in (long, deep, odd)]
    assert [command["last_error_code"] for command in commands] == ["UNREADABLE"] * 3
    assert commands[0]["last_error_msg"].startswith(
        'Its data cannot be read: a number has more than 4,300 digits. It begins: {"n": 1000'
    )
    assert commands[1]["last_error_msg"].startswith("Its data cannot be read: it is nested too deeply. It begins: [[[[")
    assert commands[2]["last_error_msg"].startswith("Its behavior cannot be read: a number has more")


def test_a_message_as_deep_as_the_server_takes_stops_no_other(bus: HandBus) -> None:
    deepest = bus.send()
    store = "UPDATE pgmq.q_test__commands SET message = jsonb_set(message, '{data}', %s)"
    least, most = 1000, 1_000_000  # the server's limit is a matter of its stack, so it is looked for
    while most - least > 1:
        depth = (least + most) // 2
        try:
            bus.conn.execute(store, ["[" * depth + "]" * depth])
            least = depth
        except psycopg.errors.StatementTooComplex:
            most = depth
    bus.send_message("no command")  # so that the first look finds less than it wanted, and there is another
    good = [bus.send() for _ in range(6)]
    asyncio.run(work_off(bus.url, "native", registry_of("test")))
    assert [bus.word(command_id) for command_id in good] == ["SRC"] * 6
    assert (bus.word(deepest), bus.command(deepest)["last_error_code"]) == ("SRT", "UNREADABLE")
