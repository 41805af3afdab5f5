"""bench/benchmark/program.py and the modules that it runs: what each does on a database, and what it answers."""

import asyncio

import psycopg
import pytest

from bench.benchmark.counted_worker import CountingCursor
from bench.benchmark.program import answer_of
from bench.errors import BenchError
from bench.testbed import Testbed
from commands.rules.words import DOMAIN


def statuses(testbed: Testbed) -> dict[str, int]:
    """How many commands have each status."""
    return dict(testbed.conn.execute("SELECT status, count(*) FROM commandbus.command GROUP BY status").fetchall())


def test_a_module_that_fails_as_a_program_is_quoted(testbed: Testbed) -> None:
    with pytest.raises(BenchError, match=r"exit code 2:(?s:.*)required: --connections"):
        answer_of(testbed.database, "sender", "--count", "1")


def test_a_module_that_there_is_not_is_named(testbed: Testbed) -> None:
    with pytest.raises(BenchError, match=r"No module named 'bench\.benchmark\.nothing'"):
        answer_of(testbed.database, "nothing")


def test_a_module_that_counts_statements_works_off_the_queue(testbed: Testbed) -> None:
    testbed.fresh(20)
    answer = answer_of(testbed.database, "counted_worker", "--engine", "native", "--concurrency", "10")
    assert answer["statements"] >= 4, "two batches at least, each received and finished"
    assert testbed.completed(0, DOMAIN) == 20


def test_the_library_works_the_queue_off_without_its_wrapper(testbed: Testbed) -> None:
    testbed.fresh(12)
    assert answer_of(testbed.database, "library_programs", "work", "--concurrency", "5") == {}
    assert statuses(testbed) == {"COMPLETED": 12}
    assert testbed.value("SELECT count(*) FROM test_command WHERE processed_at IS NOT NULL") == 0


def test_the_library_sends_in_bulk_and_writes_no_test_commands(testbed: Testbed) -> None:
    answer = answer_of(testbed.database, "library_programs", "send", "--count", "30")
    assert 0 < answer["seconds"] < 30
    assert statuses(testbed) == {"PENDING": 30}
    assert testbed.value("SELECT count(*) FROM test_command") == 0


def test_each_statement_of_a_counted_connection_counts_once(committed: str) -> None:
    async def ask() -> None:
        async with await psycopg.AsyncConnection.connect(
            committed, autocommit=True, cursor_factory=CountingCursor
        ) as conn:
            for number in range(3):
                await conn.execute("SELECT %s", [number])
            async with conn.cursor() as cursor:
                await cursor.execute("SELECT 1")

    before = CountingCursor.statements
    asyncio.run(ask())
    assert CountingCursor.statements - before == 4
