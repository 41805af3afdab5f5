"""The library's own classes on the schema that is written here: they work as published."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID, uuid4

import pytest
from commandbus import (
    BatchCommand,
    BusinessRuleException,
    Command,
    CommandBus,
    CommandStatus,
    HandlerContext,
    HandlerRegistry,
    PermanentCommandError,
    RetryPolicy,
    SendRequest,
    TroubleshootingQueue,
    Worker,
)
from commandbus.process.models import ProcessAuditEntry, ProcessMetadata, ProcessStatus
from commandbus.process.repository import PostgresProcessRepository
from commandbus.repositories.batch import PostgresBatchRepository
from psycopg_pool import AsyncConnectionPool

from commands.worker.library_connections import NamedColumnsClient
from tests.support.bus import HandBus

Pool = AsyncConnectionPool[Any]
Scenario = Callable[[Pool], Awaitable[None]]


def run(url: str, scenario: Scenario) -> None:
    async def with_pool() -> None:
        async with AsyncConnectionPool(url, min_size=1, max_size=4) as pool:
            await scenario(pool)

    asyncio.run(with_pool())


def handlers() -> HandlerRegistry:
    registry = HandlerRegistry()

    @registry.handler("test", "Good")
    async def good(command: Command, context: HandlerContext) -> dict[str, Any]:
        return {"seen": command.data}

    @registry.handler("test", "Permanent")
    async def permanent(command: Command, context: HandlerContext) -> dict[str, Any]:
        raise PermanentCommandError("NO", "never")

    @registry.handler("test", "Rule")
    async def rule(command: Command, context: HandlerContext) -> dict[str, Any]:
        raise BusinessRuleException("RULE", "not allowed")

    @registry.handler("test", "Odd")
    async def odd(command: Command, context: HandlerContext) -> dict[str, Any]:
        raise ValueError("odd")

    return registry


async def work_until(pool: Pool, bus: CommandBus, ids: list[UUID]) -> list[CommandStatus]:
    """Run the library's worker until all commands are final; their statuses."""
    worker = Worker(pool, "test", registry=handlers(), retry_policy=RetryPolicy(max_attempts=2, backoff_schedule=[0]))
    worker._pgmq = NamedColumnsClient(pool)
    running = asyncio.create_task(worker.run(concurrency=2, poll_interval=0.05))
    try:
        async with asyncio.timeout(20):
            while True:
                found = [await bus.get_command("test", command_id) for command_id in ids]
                statuses = [command.status for command in found if command is not None]
                if not {CommandStatus.PENDING, CommandStatus.IN_PROGRESS} & set(statuses):
                    return statuses
                await asyncio.sleep(0.02)
    finally:
        await worker.stop()
        await running


def test_bus_and_worker_bring_each_kind_of_command_to_its_end(committed: str) -> None:
    async def scenario(pool: Pool) -> None:
        bus = CommandBus(pool)
        ids = [uuid4() for _ in range(4)]
        for command_id, kind in zip(ids, ["Good", "Permanent", "Rule", "Odd"], strict=True):
            await bus.send("test", kind, command_id, {"n": 1}, reply_to="test__replies")
        assert await work_until(pool, bus, ids) == [
            CommandStatus.COMPLETED,
            CommandStatus.IN_TROUBLESHOOTING_QUEUE,
            CommandStatus.FAILED,
            CommandStatus.IN_TROUBLESHOOTING_QUEUE,
        ]
        hand_bus = HandBus(committed)
        with hand_bus.conn:
            assert [hand_bus.word(command_id) for command_id in ids] == ["SRC", "SRT", "SRB", "SRFRT"]
            assert [reply["outcome"] for reply in hand_bus.replies()] == ["SUCCESS", "FAILED"]
            assert hand_bus.value("SELECT count(*) FROM commandbus.parked") == 2
        trail = await bus.get_audit_trail(ids[0])
        assert [event.event_type for event in trail] == ["SENT", "RECEIVED", "COMPLETED"]
        found = await bus.query_commands(status=CommandStatus.COMPLETED, domain="test")
        assert [command.command_id for command in found] == [ids[0]]

    run(committed, scenario)


def test_the_troubleshooting_queue_retries_cancels_and_completes(committed: str) -> None:
    async def scenario(pool: Pool) -> None:
        bus, queue = CommandBus(pool), TroubleshootingQueue(pool)
        ids = [uuid4() for _ in range(3)]
        for command_id in ids:
            await bus.send("test", "Permanent", command_id, {})
        await work_until(pool, bus, ids)
        assert {item.command_id for item in await queue.list_troubleshooting("test")} == set(ids)
        await queue.operator_retry("test", ids[0], operator="anna")
        await queue.operator_cancel("test", ids[1], reason="no", operator="anna")
        await queue.operator_complete("test", ids[2], {"by": "hand"}, operator="anna")
        found = [await bus.get_command("test", command_id) for command_id in ids]
        assert [command and command.status for command in found] == [
            CommandStatus.PENDING,
            CommandStatus.CANCELED,
            CommandStatus.COMPLETED,
        ]
        assert await queue.count_troubleshooting("test") == 0

    run(committed, scenario)
    hand_bus = HandBus(committed)
    with hand_bus.conn:
        assert hand_bus.value("SELECT count(*) FROM commandbus.parked") == 0


def test_batches_count_their_members_and_end(committed: str) -> None:
    async def scenario(pool: Pool) -> None:
        bus, batches = CommandBus(pool), PostgresBatchRepository(pool)
        members = [BatchCommand(kind, uuid4(), {}) for kind in ("Good", "Rule", "Permanent")]
        created = await bus.create_batch("test", members, name="three")
        await work_until(pool, bus, [member.command_id for member in members])
        batch = await bus.get_batch("test", created.batch_id)
        assert batch is not None
        assert (batch.status.value, batch.completed_count, batch.failed_count, batch.in_troubleshooting_count) == (
            "IN_PROGRESS",
            1,
            1,
            1,
        )
        await TroubleshootingQueue(pool).operator_cancel("test", members[2].command_id, reason="no")
        batch = await bus.get_batch("test", created.batch_id)
        assert batch is not None
        assert (batch.status.value, batch.canceled_count) == ("COMPLETED_WITH_FAILURES", 1)
        again = await batches.refresh_stats("test", created.batch_id)
        assert again is not None
        assert (again.completed_count, again.failed_count, again.canceled_count) == (1, 1, 1)
        assert [found.batch_id for found in await bus.list_batches("test")] == [created.batch_id]
        assert await batches.refresh_stats("test", uuid4()) is None

    run(committed, scenario)


def test_send_batch_puts_many_commands_into_the_queue(committed: str) -> None:
    async def scenario(pool: Pool) -> None:
        requests = [SendRequest("test", "Good", uuid4(), {}) for _ in range(25)]
        result = await CommandBus(pool).send_batch(requests, chunk_size=10)
        assert (result.total_commands, result.chunks_processed) == (25, 3)

    run(committed, scenario)
    hand_bus = HandBus(committed)
    with hand_bus.conn:
        assert len(hand_bus.receive(100)["commands"]) == 25


@dataclass
class Account:
    amount: int = 0
    seen: list[str] = field(default_factory=list)

    def to_dict(self) -> dict[str, Any]:
        return {"amount": self.amount, "seen": self.seen}

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> "Account":
        return cls(**data)


def test_processes_and_their_steps_are_stored_and_found(committed: str) -> None:
    async def scenario(pool: Pool) -> None:
        processes = PostgresProcessRepository(pool)
        process_id, command_id = uuid4(), uuid4()
        process: ProcessMetadata[Any, Any] = ProcessMetadata(
            domain="test", process_id=process_id, process_type="transfer", state=Account(amount=5)
        )
        await processes.save(process)
        await processes.log_step(
            "test",
            process_id,
            ProcessAuditEntry(
                step_name="debit",
                command_id=command_id,
                command_type="Good",
                command_data={},
                sent_at=process.created_at,
            ),
        )
        found = await processes.get_by_id("test", process_id)
        assert found is not None
        assert found.status is ProcessStatus.PENDING
        assert [entry.step_name for entry in await processes.get_audit_trail("test", process_id)] == ["debit"]
        assert [p.process_id for p in await processes.find_by_status("test", [ProcessStatus.PENDING])] == [process_id]

    run(committed, scenario)


@pytest.mark.parametrize("name", ["sp_receive_command", "sp_finish_command", "sp_fail_command"])
def test_the_librarys_functions_answer_for_an_unknown_command(committed: str, name: str) -> None:
    calls = {
        "sp_receive_command": ("SELECT count(*) FROM commandbus.sp_receive_command('test', %s)", 0),
        "sp_finish_command": ("SELECT commandbus.sp_finish_command('test', %s, 'COMPLETED', 'COMPLETED')", False),
        "sp_fail_command": ("SELECT commandbus.sp_fail_command('test', %s, 'T', 'C', 'M', 1, 3, 1)", False),
    }
    hand_bus = HandBus(committed)
    with hand_bus.conn:
        statement, answer = calls[name]
        assert hand_bus.value(statement, [uuid4()]) == answer
