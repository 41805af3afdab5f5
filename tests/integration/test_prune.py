"""``manage.py prune``: what goes and what stays, that nothing waits for it, and that it can be stopped at any time."""

import signal
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import timedelta
from itertools import islice
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest

from commands.bus.prune import Options, prune, time_before
from tests.conftest import StartManage
from tests.support.bus import HandBus, Json, outcome
from tests.support.history import complete, pass_time, send, tables_with
from tests.support.programs import StartedProgram

WHOLE = {"command", "audit", "test_command"}
PRUNE = "SELECT commandbus.prune_commands('test', now() - interval '30 days', '(0,0)', %s, FALSE)"


Prune = Callable[..., Iterator[Counter[str]]]
Pruned = Callable[..., Counter[str]]


@pytest.fixture
def chunks(bus: HandBus) -> Iterator[Prune]:
    """Begins to prune domain `test` of what is older than 30 days; each chunk that is taken is one transaction."""
    with psycopg.connect(bus.url, autocommit=True) as conn:

        def begin(**options: Any) -> Iterator[Counter[str]]:
            before = time_before(conn, timedelta(days=30))
            return prune(conn, Options(before=before, domains=("test",), **options))

        yield begin


@pytest.fixture
def pruned(chunks: Prune) -> Pruned:
    """Prunes to the end and answers what was removed, without the zeros."""
    return lambda **options: sum(chunks(**options), Counter())


def ended(bus: HandBus, kind: str) -> UUID:
    """A command that was tried once: ``permanent`` parks it, ``business_rule`` fails it."""
    command_id = bus.send()
    bus.finish(outcome(command_id, bus.begin(command_id), kind))
    return command_id


def cancel(bus: HandBus, command_id: UUID) -> None:
    bus.value("SELECT commandbus.operator_cancel('test', %s, 'why', 'ada')::text", [command_id])


def parked_twice(bus: HandBus) -> UUID:
    """An operator sent it again in between: two messages in the archive."""
    command_id = ended(bus, "permanent")
    bus.value("SELECT commandbus.operator_retry('test', %s, 'ada')", [command_id])
    bus.finish(outcome(command_id, bus.begin(command_id), "permanent"))
    return command_id


def ended_late(bus: HandBus) -> UUID:
    command_id = bus.send()
    attempts = [bus.begin(command_id, lease=0), bus.begin(command_id)]
    for attempt in attempts:
        bus.finish(outcome(command_id, attempt))
    assert bus.word(command_id) == "SRRCc"
    return command_id


def everything(bus: HandBus) -> list[list[Json]]:
    tables = ("commandbus.command", "commandbus.audit", "commandbus.batch", "commandbus.parked", "public.test_command")
    queues = ("q_test__commands", "a_test__commands", "q_test__replies", "a_test__replies")
    return [bus.rows(f"SELECT * FROM {table} ORDER BY 1, 2") for table in (*tables, *(f"pgmq.{q}" for q in queues))]


# -- what goes and what stays ----------------------------------------------------------------------------------------


def test_a_finished_command_vanishes_whole_however_it_ended(bus: HandBus, pruned: Pruned) -> None:
    (completed,), canceled = complete(bus.conn, 1), parked_twice(bus)
    cancel(bus, canceled)
    ids = [completed, canceled, ended(bus, "business_rule"), ended_late(bus)]
    bus.conn.execute("INSERT INTO commandbus.payload_archive VALUES ('test', %s, '{}')", [completed])
    assert tables_with(bus.conn, ids) == {*WHOLE, "archive", "payload_archive"}
    pass_time(bus.conn, 31)
    # In one transaction: nothing is left for the walk through the archive.
    assert bus.value(PRUNE, [100]) == {"to": None, "commands": 4, "events": 18, "messages": 3, "held": 0}
    assert tables_with(bus.conn, ids) == set()
    assert (bus.rows("SELECT FROM commandbus.audit"), bus.archived()) == ([], [])
    assert pruned() == {}


def test_what_is_young_live_or_parked_stays_as_it_is(bus: HandBus, pruned: Pruned) -> None:
    sent_long_ago, again, parked = bus.send(), ended(bus, "permanent"), parked_twice(bus)
    bus.value("SELECT commandbus.operator_retry('test', %s, 'ada')", [again])
    bus.receive(1000, lease=30)
    bus.send()
    pass_time(bus.conn, 31)
    bus.expire_lease(sent_long_ago)
    bus.finish(outcome(sent_long_ago, bus.begin(sent_long_ago)))
    complete(bus.conn, 3)
    ended(bus, "business_rule")
    cancel(bus, parked_twice(bus))
    for batch in (("x", "COMMAND", 2), ("test", "PROCESS", 2), ("test", "COMMAND", 0)):
        bus.conn.execute(
            "INSERT INTO commandbus.batch (domain, batch_id, batch_type, completed_at)"
            " VALUES (%s, gen_random_uuid(), %s, now() - %s * interval '1 day')",
            batch,
        )
    pass_time(bus.conn, 29)
    before = everything(bus)
    assert pruned() == {}
    assert everything(bus) == before
    cancel(bus, parked)
    pass_time(bus.conn, 2)
    assert (pruned()["commands"], len(bus.rows("SELECT FROM commandbus.batch"))) == (6, 2)  # the parked one ended now
    pass_time(bus.conn, 29)
    assert pruned() == {"commands": 1, "events": 7, "messages": 2}


def test_a_command_whose_message_is_still_in_the_queue_waits_for_it_to_go(bus: HandBus, pruned: Pruned) -> None:
    (done,) = complete(bus.conn, 1)
    bus.value("UPDATE commandbus.command SET msg_id = %s RETURNING 1", [bus.send_message({"command_id": str(done)})])
    pass_time(bus.conn, 31)
    assert pruned() == {}
    bus.receive()
    assert pruned()["commands"] == 1


def test_rejected_messages_and_copies_go_from_events_and_archive(bus: HandBus, pruned: Pruned) -> None:
    parked = parked_twice(bus)
    kept = bus.archived()
    for message in ({}, {"command_id": "x"}, {"command_id": str(uuid4())}, {"command_id": str(parked)}):
        bus.send_message(message)
    assert bus.receive()["rejected"] == 3
    pass_time(bus.conn, 29)
    assert pruned() == {}
    pass_time(bus.conn, 2)
    assert pruned(dry_run=True) == pruned(chunk_size=1) == {"rejected": 3, "messages": 4}
    assert (bus.archived(), bus.word(parked)) == (kept, "SRTORT")


def test_replies_that_a_reader_archived_go_and_others_only_where_that_is_asked_for(
    bus: HandBus, pruned: Pruned
) -> None:
    complete(bus.conn, 6)
    bus.value("SELECT pgmq.archive('test__replies', 2::bigint)")
    pass_time(bus.conn, 31)
    bus.value("SELECT pgmq.archive('test__replies', 3::bigint)")
    bus.value("SELECT pgmq.set_vt('test__replies', 4, 60)::text")  # a reader has it
    complete(bus.conn, 1)
    assert pruned()["replies"] == 1
    with bus.connect() as other:
        other.execute("SELECT FROM pgmq.q_test__replies WHERE msg_id = 5 FOR UPDATE")
        assert pruned(unread_replies=True, chunk_size=1) == {"replies": 2}
    left = [{row["msg_id"] for row in bus.rows(f"SELECT msg_id FROM pgmq.{table}_test__replies")} for table in "aq"]
    assert left == [{3}, {4, 5, 7}]


def test_a_batch_goes_as_a_whole_when_it_is_complete(bus: HandBus, pruned: Pruned) -> None:
    last, batch_id = bus.send(), uuid4()
    attempt, members = bus.begin(last), [last, *send(bus.conn, 7)]
    bus.conn.execute("INSERT INTO commandbus.batch (domain, batch_id, total_count) VALUES ('test', %s, 8)", [batch_id])
    bus.conn.execute("UPDATE commandbus.command SET batch_id = %s", [batch_id])
    complete(bus.conn, 2)
    pass_time(bus.conn, 31)
    assert pruned(chunk_size=3)["commands"] == 2
    bus.finish(outcome(last, attempt))
    assert pruned(chunk_size=3) == {}
    pass_time(bus.conn, 31)
    assert pruned(dry_run=True) == {"commands": 8, "batches": 1}
    with bus.connect() as other:
        other.execute("SELECT FROM commandbus.command WHERE command_id = %s FOR UPDATE", [members[1]])
        assert pruned(chunk_size=3) == {"commands": 7, "events": 21, "held": 1}
    assert pruned() == {"commands": 1, "events": 5, "batches": 1}
    assert tables_with(bus.conn, [*members, batch_id]) == set()


# -- beside others ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("table", ["commandbus.command", "public.test_command"])
def test_a_row_that_another_transaction_holds_is_skipped_and_met_again(
    table: str, bus: HandBus, pruned: Pruned
) -> None:
    ids = complete(bus.conn, 50)
    pass_time(bus.conn, 31)
    with bus.connect() as other:
        other.execute(f"SELECT FROM {table} WHERE command_id = %s FOR UPDATE", [ids[20]])
        # Waiting would be an error after two seconds.
        assert pruned(chunk_size=10) == {"commands": 49, "events": 147, "held": 1}
        assert (tables_with(bus.conn, [ids[20]]), bus.word(ids[20])) == (WHOLE, "SRC")
    assert pruned() == {"commands": 1, "events": 3}


def test_a_worker_drains_while_old_commands_go(bus: HandBus, chunks: Prune, start_manage: StartManage) -> None:
    old = complete(bus.conn, 10_000)
    pass_time(bus.conn, 31)
    new = send(bus.conn, 2_000, milliseconds=20)
    worker = start_manage("runworker", "--once", "--concurrency", "20", "--batch-size", "20", LOG_FORMAT="json")
    worker.wait_for_output('"completed"')
    pruning = chunks(chunk_size=250)
    removed = next(pruning)
    assert worker.exit_code is None
    removed += sum(pruning, Counter())
    assert worker.wait(60) == 0
    assert '"ERROR"' not in worker.output
    assert removed == {"commands": 10_000, "events": 30_000}
    assert tables_with(bus.conn, old) == set()
    assert bus.rows("SELECT status, attempts, count(*) FROM commandbus.command GROUP BY 1, 2") == [
        {"status": "COMPLETED", "attempts": 1, "count": len(new)}
    ]


def test_two_at_once_share_the_work_and_neither_waits(bus: HandBus, pruned: Pruned) -> None:
    complete(bus.conn, 100)
    bus.send_message({})
    bus.receive()
    pass_time(bus.conn, 31)
    with bus.connect() as other:
        other.execute(PRUNE, [60])
        other.execute("SELECT commandbus.prune_rejected('test', now(), 5, FALSE)")
        other.execute("SELECT commandbus.prune_messages('test', now(), '(0,0)', 5, FALSE, 'archived')")
        assert pruned() == {"commands": 40, "events": 120, "held": 60}
        other.commit()
    assert bus.rows("SELECT FROM commandbus.command") == bus.rows("SELECT FROM commandbus.audit") == []
    assert (pruned(), bus.archived()) == ({}, [])


# -- in pieces -------------------------------------------------------------------------------------------------------


def test_a_chunk_is_a_bounded_transaction_and_a_stopped_run_goes_on_later(
    bus: HandBus, chunks: Prune, pruned: Pruned
) -> None:
    bus.conn.execute(
        """
        INSERT INTO commandbus.command
            (domain, command_id, queue_name, command_type, status, max_attempts, last_error_msg)
        SELECT 'test', gen_random_uuid(), '', '', 'COMPLETED', 1, repeat('x', 1700) FROM generate_series(1, 2500)
        """
    )
    assert bus.value("SELECT pg_relation_size('commandbus.command') / 8192") > 1024  # the pages that a call reads
    pass_time(bus.conn, 31)
    begun = [removed["commands"] for removed in islice(chunks(chunk_size=100), 12)]
    assert begun == 12 * [100]
    assert bus.value("SELECT count(*) FROM commandbus.command") == 1_300
    assert pruned() == {"commands": 1_300}


def test_it_leaves_workers_a_pause_after_each_statement(
    bus: HandBus, chunks: Prune, monkeypatch: pytest.MonkeyPatch
) -> None:
    complete(bus.conn, 100)
    pass_time(bus.conn, 31)
    pauses: list[float] = []
    monkeypatch.setattr("time.sleep", pauses.append)
    assert [removed["commands"] for removed in islice(chunks(chunk_size=50), 3)] == [50, 50, 0]
    assert len(pauses) == 2
    assert min(pauses) > 0.0001


def pages_read(bus: HandBus, statement: str = PRUNE % 20) -> int:
    with bus.connect() as conn:
        for _ in range(2):  # the first call of a session reads the catalogue too
            row = conn.execute(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {statement}").fetchone()
            conn.rollback()
    assert row is not None
    plan = row["QUERY PLAN"][0]["Plan"]
    return int(plan["Shared Hit Blocks"]) + int(plan["Shared Read Blocks"])


@pytest.mark.parametrize("analyzed", ["never", "while small", "lately"])
def test_a_statement_reads_the_same_whatever_else_is_there_and_the_planner_knows(
    analyzed: str, bus: HandBus, pruned: Pruned
) -> None:
    analyze = "ANALYZE commandbus.audit, commandbus.command, public.test_command"
    complete(bus.conn, 100)
    pass_time(bus.conn, 31)
    if analyzed == "while small":
        bus.conn.execute(analyze)
    few = pages_read(bus)
    complete(bus.conn, 10_000)
    if analyzed == "lately":
        bus.conn.execute(analyze)
    assert pages_read(bus) < 2 * few  # indexes are deeper
    pruned()
    young = bus.value("SELECT pg_relation_size('commandbus.command') / 8192")  # nothing here is old
    assert pages_read(bus) < young + 100
    assert pages_read(bus, "SELECT commandbus.prune_batches('test', now(), '(0,0)', 5000, FALSE)") < 50
    assert pages_read(bus, "SELECT commandbus.prune_rejected('test', now(), 5000, FALSE)") < 50


def test_a_dry_run_counts_what_a_run_would_remove_and_changes_nothing(
    bus: HandBus, pruned: Pruned, monkeypatch: pytest.MonkeyPatch
) -> None:
    complete(bus.conn, 30)
    cancel(bus, ended(bus, "permanent"))
    bus.send_message({"command_id": "x"})
    bus.receive()
    bus.value("SELECT pgmq.archive('test__replies', 2::bigint)")
    pass_time(bus.conn, 31)
    before = everything(bus)
    counted = pruned(dry_run=True, unread_replies=True)
    assert counted == {"commands": 31, "rejected": 1, "messages": 1, "replies": 31}
    monkeypatch.setattr("commands.bus.prune.COUNT_LIMIT", 20)
    assert pruned(dry_run=True, unread_replies=True) == {**counted, "commands": 20, "replies": 21}
    assert everything(bus) == before
    removed = pruned(unread_replies=True, chunk_size=4)
    assert removed == {**counted, "events": 94, "messages": 2}  # a dry run counts no message that goes with a command


# -- the command -----------------------------------------------------------------------------------------------------


def run(start_manage: StartManage, *arguments: str) -> StartedProgram:
    program = start_manage("prune", *arguments)
    program.wait(60)
    return program


def test_the_command_says_what_it_removed_and_leaves_another_domain_alone(
    bus: HandBus, orders: str, start_manage: StartManage
) -> None:
    complete(bus.conn, 1_500)
    complete(bus.conn, 2, domain=orders)
    pass_time(bus.conn, 31)
    arguments = ("--older-than", "30d", "--domain", "test", "--replies")
    dry = run(start_manage, *arguments, "--dry-run")
    assert (dry.exit_code, "Would remove 1,500 commands, 1,500 replies." in dry.output) == (0, True)
    real = run(start_manage, *arguments)
    assert (real.exit_code, "Removed 1,500 commands, 4,500 events, 1,500 replies." in real.output) == (0, True)
    assert bus.rows("SELECT DISTINCT domain FROM commandbus.command") == [{"domain": orders}]
    both = run(start_manage, "--older-than", "4w")
    assert ", in test and orders:\n" in both.output
    assert "Removed 2 commands, 6 events." in both.output


def test_what_cannot_be_asked_for_is_refused_with_what_can(bus: HandBus, start_manage: StartManage) -> None:
    for arguments, words in [
        (("--older-than", "0h"), "--older-than must be an age from 1h to 3650d, such as 12h, 30d or 4w, not '0h'"),
        (("--older-than", "1d", "--chunk-size", "0"), "--chunk-size must be a whole number from 1 to 50,000, not '0'"),
        (("--older-than", "1d", "--domain", "live"), "--domain must be one of test, not 'live'"),
    ]:
        refused = run(start_manage, *arguments)
        assert (refused.exit_code, words in refused.output) == (2, True)


def test_it_says_that_a_row_was_held_and_ends_with_1_where_a_table_is(bus: HandBus, start_manage: StartManage) -> None:
    complete(bus.conn, 1)
    pass_time(bus.conn, 31)
    with bus.connect() as other:
        other.execute("SELECT FROM commandbus.command FOR UPDATE")
        held = run(start_manage, "--older-than", "30d")
        other.execute("LOCK TABLE commandbus.command")
        failed = run(start_manage, "--older-than", "30d")
    assert (held.exit_code, failed.exit_code) == (0, 1)
    assert "Removed nothing.\nNot removed: 1 command that another transaction held. The next run" in held.output
    assert "A lock that prune cannot step over is held. Run it again later." in failed.output


def test_ctrl_c_keeps_what_was_committed_and_the_next_run_goes_on(bus: HandBus, start_manage: StartManage) -> None:
    ids = complete(bus.conn, 10_000, reply=False)
    pass_time(bus.conn, 31)
    program = start_manage("prune", "--older-than", "30d", "--chunk-size", "1")
    program.wait_for_output(" events so far\n")
    program.send_signal(signal.SIGINT)
    assert program.wait() == 130
    assert "Interrupted. Removed " in program.output
    assert "Traceback" not in program.output
    left = bus.value("SELECT count(*) FROM commandbus.command")
    assert 0 < left < 10_000
    assert bus.value("SELECT count(*) FROM commandbus.audit") == 3 * left
    assert f"Removed {left:,} commands" in run(start_manage, "--older-than", "30d").output
    assert tables_with(bus.conn, ids) == set()
