"""``manage.py prune``: what goes and what stays, that nobody waits for it, and that it can be stopped at any time."""

import signal
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import timedelta
from itertools import islice
from typing import Any, Protocol
from uuid import UUID, uuid4

import psycopg
import pytest

from commands.bus.prune import Chunk, Options, before_age, prune
from tests.conftest import StartManage
from tests.support.bus import HandBus, Json, outcome
from tests.support.history import batches, complete, pass_time, send, tables_with
from tests.support.programs import StartedProgram

WHOLE = {"command", "audit", "test_command"}


class Prune(Protocol):
    def __call__(self, **options: Any) -> Iterator[Chunk]: ...


@pytest.fixture
def chunks(bus: HandBus) -> Iterator[Prune]:
    """Begins to prune domain `test` of what is older than 30 days; each chunk that is taken is one transaction."""
    with psycopg.connect(bus.url, autocommit=True) as conn:

        def begin(**options: Any) -> Iterator[Chunk]:
            parsed = Options(**{"older_than": timedelta(days=30), "domains": ("test",), **options})
            return prune(conn, parsed, before_age(conn, parsed.older_than))

        yield begin


@pytest.fixture
def pruned(chunks: Prune) -> Callable[..., Json]:
    """Prunes to the end and answers what was removed, without the zeros."""

    def run(**options: Any) -> Json:
        return dict(sum((chunk.removed for chunk in chunks(**options)), Counter[str]()))

    return run


def parked(bus: HandBus) -> UUID:
    command_id = bus.send()
    bus.finish(outcome(command_id, bus.begin(command_id), "permanent"))
    return command_id


def failed(bus: HandBus) -> UUID:
    command_id = bus.send()
    bus.finish(outcome(command_id, bus.begin(command_id), "business_rule"))
    return command_id


def cancel(bus: HandBus, command_id: UUID) -> None:
    bus.value("SELECT commandbus.operator_cancel('test', %s, 'why', 'ada')::text", [command_id])


def retried_and_completed(bus: HandBus) -> UUID:
    """Parked, sent again by an operator, parked again, completed by an operator: two messages in the archive."""
    command_id = parked(bus)
    bus.value("SELECT commandbus.operator_retry('test', %s, 'ada')", [command_id])
    bus.finish(outcome(command_id, bus.begin(command_id), "permanent"))
    bus.value("SELECT commandbus.operator_complete('test', %s, '{}', 'ada')::text", [command_id])
    return command_id


def ended_late(bus: HandBus) -> UUID:
    command_id = bus.send()
    first = bus.begin(command_id, lease=0)
    second = bus.begin(command_id)
    bus.finish(outcome(command_id, first))
    bus.finish(outcome(command_id, second))
    assert bus.word(command_id) == "SRRCc"
    return command_id


# -- what goes -------------------------------------------------------------------------------------------------------


def test_a_finished_command_vanishes_whole_however_it_ended(bus: HandBus, pruned: Callable[..., Json]) -> None:
    completed, canceled = complete(bus.conn, 1)[0], parked(bus)
    cancel(bus, canceled)
    ids = [completed, canceled, failed(bus), retried_and_completed(bus), ended_late(bus)]
    bus.conn.execute(
        "INSERT INTO commandbus.payload_archive (domain, command_id, payload_json) VALUES ('test', %s, '{}')",
        [completed],
    )
    assert tables_with(bus.conn, ids) == {*WHOLE, "archive", "payload_archive"}
    assert len(bus.archived()) == 4  # canceled, failed, and of the retried one two
    pass_time(bus.conn, 31)
    counted = pruned()
    assert (counted["commands"], counted["messages"]) == (5, 4)
    assert tables_with(bus.conn, ids) == set()
    assert bus.rows("SELECT FROM commandbus.audit") == []
    assert bus.archived() == []
    assert pruned() == {}


def test_what_is_young_live_or_parked_stays_as_it_is(bus: HandBus, pruned: Callable[..., Json]) -> None:
    waiting, sent_long_ago, in_trouble = bus.send(), bus.send(), parked(bus)
    running = bus.send()
    bus.receive(1000, lease=30)
    pass_time(bus.conn, 31)
    bus.expire_lease(sent_long_ago)
    bus.finish(outcome(sent_long_ago, bus.begin(sent_long_ago)))
    young = [*complete(bus.conn, 3), failed(bus), retried_and_completed(bus)]
    pass_time(bus.conn, 29)
    kept = [waiting, sent_long_ago, in_trouble, running, *young]
    before = {query: bus.rows(query) for query in EVERYTHING}
    assert pruned(unread_replies=False) == {}
    assert {query: bus.rows(query) for query in EVERYTHING} == before
    assert {row["command_id"] for row in bus.rows("SELECT command_id FROM commandbus.command")} == set(kept)


EVERYTHING = [
    "SELECT * FROM commandbus.command ORDER BY command_id",
    "SELECT * FROM commandbus.audit ORDER BY audit_id",
    "SELECT * FROM commandbus.parked ORDER BY command_id",
    "SELECT * FROM public.test_command ORDER BY id",
    "SELECT * FROM pgmq.q_test__commands ORDER BY msg_id",
    "SELECT * FROM pgmq.a_test__commands ORDER BY msg_id",
    "SELECT * FROM pgmq.q_test__replies ORDER BY msg_id",
]


def test_a_parked_command_goes_once_an_operator_ended_it_and_time_has_passed(
    bus: HandBus, pruned: Callable[..., Json]
) -> None:
    in_trouble, done = parked(bus), complete(bus.conn, 5)
    pass_time(bus.conn, 31)
    assert pruned()["commands"] == 5
    assert tables_with(bus.conn, [in_trouble]) == {*WHOLE, "archive", "parked"}
    cancel(bus, in_trouble)
    assert pruned() == {}  # it ended just now
    pass_time(bus.conn, 31)
    assert pruned()["commands"] == 1
    assert tables_with(bus.conn, [in_trouble, *done]) == set()


def test_a_command_whose_message_is_still_in_the_queue_waits_for_it_to_go(
    bus: HandBus, pruned: Callable[..., Json]
) -> None:
    (done,) = complete(bus.conn, 1)
    bus.value("UPDATE commandbus.command SET msg_id = %s RETURNING 1", [bus.send_message({"command_id": str(done)})])
    pass_time(bus.conn, 31)
    assert pruned() == {"kept": 1}
    bus.receive()
    assert pruned()["commands"] == 1
    assert tables_with(bus.conn, [done]) == set()


def test_rejected_messages_and_copies_go_from_events_and_archive(bus: HandBus, pruned: Callable[..., Json]) -> None:
    in_trouble = parked(bus)
    for message in ({}, {"command_id": "x"}, {"command_id": str(uuid4())}, {"command_id": str(in_trouble)}):
        bus.send_message(message)
    assert bus.receive()["rejected"] == 3
    kept = bus.command(in_trouble)["msg_id"]
    assert len(bus.archived()) == 5
    pass_time(bus.conn, 29)
    assert pruned() == {}
    pass_time(bus.conn, 2)
    assert pruned() == {"rejected": 3, "messages": 4}
    assert bus.archived() == [kept]
    assert bus.word(in_trouble) == "SRT"
    bus.value("SELECT commandbus.operator_retry('test', %s, 'ada')", [in_trouble])


def test_a_message_archived_lately_goes_when_its_own_time_has_come(bus: HandBus, pruned: Callable[..., Json]) -> None:
    bus.send_message({"command_id": "x"})
    pass_time(bus.conn, 31)
    bus.receive()
    complete(bus.conn, 1)
    assert pruned() == {}
    pass_time(bus.conn, 31)
    assert pruned() == {"rejected": 1, "messages": 1, "commands": 1, "events": 3}
    assert bus.archived() == []


# -- replies ---------------------------------------------------------------------------------------------------------


def reply_ids(bus: HandBus, table: str) -> list[int]:
    return [row["msg_id"] for row in bus.rows(f"SELECT msg_id FROM pgmq.{table}_test__replies ORDER BY msg_id")]


def test_replies_that_a_reader_archived_go_and_those_that_nobody_took_stay(
    bus: HandBus, pruned: Callable[..., Json]
) -> None:
    complete(bus.conn, 5)
    bus.value("SELECT pgmq.archive('test__replies', 2::bigint)")
    pass_time(bus.conn, 31)
    bus.value("SELECT pgmq.archive('test__replies', 3::bigint)")
    assert pruned()["replies"] == 1
    assert (reply_ids(bus, "a"), reply_ids(bus, "q")) == ([3], [1, 4, 5])


def test_replies_that_nobody_took_go_where_that_is_asked_for(bus: HandBus, pruned: Callable[..., Json]) -> None:
    complete(bus.conn, 5)
    pass_time(bus.conn, 31)
    complete(bus.conn, 1)
    bus.value("SELECT pgmq.set_vt('test__replies', 2, 60)::text")  # a reader has it
    with bus.connect() as other:
        other.execute("SELECT FROM pgmq.q_test__replies WHERE msg_id = 3 FOR UPDATE")
        assert pruned(unread_replies=True, chunk_size=2)["replies"] == 3
        assert reply_ids(bus, "q") == [2, 3, 6]
    assert pruned(unread_replies=True)["replies"] == 1
    assert reply_ids(bus, "q") == [2, 6]


# -- batches ---------------------------------------------------------------------------------------------------------


def batch_of(bus: HandBus, ids: list[UUID]) -> UUID:
    """Make a batch of commands that were sent and not begun."""
    batch_id = uuid4()
    bus.value(
        "INSERT INTO commandbus.batch (domain, batch_id, total_count) VALUES ('test', %s, %s) RETURNING 1",
        [batch_id, len(ids)],
    )
    bus.conn.execute("UPDATE commandbus.command SET batch_id = %s WHERE command_id = ANY (%s)", [batch_id, ids])
    return batch_id


def test_a_batch_goes_as_a_whole_when_it_is_complete(bus: HandBus, pruned: Callable[..., Json]) -> None:
    last = bus.send()
    attempt = bus.begin(last)
    done = send(bus.conn, 7)
    batch_id = batch_of(bus, [last, *done])
    list(batches(bus.conn))
    alone = complete(bus.conn, 2)
    pass_time(bus.conn, 31)
    assert pruned(chunk_size=3)["commands"] == len(alone)
    bus.finish(outcome(last, attempt))
    assert bus.value("SELECT status FROM commandbus.batch") == "COMPLETED"
    assert pruned(chunk_size=3) == {}
    pass_time(bus.conn, 31)
    assert pruned(dry_run=True) == {"commands": 8, "batches": 1}
    counted = pruned(chunk_size=3)
    assert (counted["commands"], counted["batches"]) == (8, 1)
    assert tables_with(bus.conn, [last, *done, batch_id]) == set()
    assert bus.rows("SELECT FROM commandbus.batch") == []


def test_a_batch_of_which_somebody_holds_a_member_stays_until_it_can_go(
    bus: HandBus, pruned: Callable[..., Json]
) -> None:
    done = send(bus.conn, 3)
    batch_of(bus, done)
    list(batches(bus.conn))
    pass_time(bus.conn, 31)
    with bus.connect() as other:
        other.execute("SELECT FROM commandbus.command WHERE command_id = %s FOR UPDATE", [done[1]])
        assert pruned()["kept"] == 1
        assert bus.value("SELECT count(*) FROM commandbus.batch") == 1
    counted = pruned()
    assert (counted["commands"], counted["batches"]) == (1, 1)


# -- beside others ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("table", ["commandbus.command", "public.test_command"])
def test_a_row_that_somebody_holds_is_skipped_and_met_again(
    table: str, bus: HandBus, pruned: Callable[..., Json]
) -> None:
    ids = complete(bus.conn, 50)
    pass_time(bus.conn, 31)
    with bus.connect() as other:
        other.execute(f"SELECT FROM {table} WHERE command_id = %s FOR UPDATE", [ids[20]])
        counted = pruned(chunk_size=10)  # waiting would be an error after two seconds
        assert (counted["commands"], counted["kept"]) == (49, 1)
        assert tables_with(bus.conn, [ids[20]]) == WHOLE
        assert len(bus.events(ids[20])) == 3
        assert pruned() == {"kept": 1}
    assert pruned() == {"commands": 1, "events": 3}
    assert bus.rows("SELECT FROM commandbus.audit") == []


def test_a_table_that_somebody_locks_is_an_error_and_no_endless_wait(bus: HandBus, chunks: Prune) -> None:
    complete(bus.conn, 1)
    pass_time(bus.conn, 31)
    with bus.connect() as other:
        other.execute("LOCK TABLE commandbus.payload_archive")
        with pytest.raises(psycopg.errors.LockNotAvailable):
            list(chunks())
    assert bus.value("SELECT count(*) FROM commandbus.command") == 1


def test_a_worker_drains_while_old_commands_go(bus: HandBus, chunks: Prune, start_manage: StartManage) -> None:
    old = complete(bus.conn, 10_000)
    pass_time(bus.conn, 31)
    new = send(bus.conn, 2_000, milliseconds=20)
    worker = start_manage("runworker", "--once", "--concurrency", "20", "--batch-size", "20", LOG_FORMAT="json")
    worker.wait_for_output('"completed"')
    pruning = chunks(chunk_size=250)
    removed = next(chunk.removed for chunk in pruning if chunk.removed["commands"])
    assert worker.exit_code is None
    removed += sum((chunk.removed for chunk in pruning), Counter[str]())
    assert worker.wait(60) == 0
    assert '"ERROR"' not in worker.output
    assert removed == {"commands": 10_000, "events": 30_000}
    assert tables_with(bus.conn, old) == set()
    assert bus.rows("SELECT status, attempts, count(*) FROM commandbus.command GROUP BY 1, 2") == [
        {"status": "COMPLETED", "attempts": 1, "count": len(new)}
    ]


def test_two_at_once_share_the_work_and_neither_waits(bus: HandBus, chunks: Prune) -> None:
    complete(bus.conn, 2_000)
    pass_time(bus.conn, 31)
    with psycopg.connect(bus.url, autocommit=True) as conn:
        parsed = Options(older_than=timedelta(days=30), domains=("test",), chunk_size=100)
        other = prune(conn, parsed, before_age(conn, parsed.older_than))
        removed: Counter[str] = Counter()
        for mine, theirs in zip(chunks(chunk_size=100), other, strict=False):
            removed += mine.removed + theirs.removed
        removed += sum((chunk.removed for chunk in other), Counter[str]())
    assert removed == {"commands": 2_000, "events": 6_000}
    assert bus.rows("SELECT FROM commandbus.command") == bus.rows("SELECT FROM commandbus.audit") == []


def test_what_an_open_transaction_may_have_written_is_not_passed_by(bus: HandBus) -> None:
    with psycopg.connect(bus.url, autocommit=True) as conn:
        with bus.connect() as other:
            row = other.execute("SELECT now() AS began").fetchone()
            assert row is not None
            assert before_age(conn, timedelta(0)) <= row["began"]
        assert before_age(conn, timedelta(0)) > row["began"]
        assert before_age(conn, timedelta(hours=1)) < row["began"]


# -- in pieces -------------------------------------------------------------------------------------------------------


def test_a_chunk_is_a_bounded_transaction_and_a_stopped_run_goes_on_later(
    bus: HandBus, chunks: Prune, pruned: Callable[..., Json]
) -> None:
    ids = complete(bus.conn, 10_500)
    pass_time(bus.conn, 31)
    first = list(islice(chunks(chunk_size=500), 6))
    done = sum((chunk.removed for chunk in first), Counter[str]())["commands"]
    assert all(chunk.removed["commands"] <= 500 for chunk in first)
    assert bus.value("SELECT count(*) FROM commandbus.command") == 10_500 - done < 10_500
    assert pruned(chunk_size=5_000)["commands"] == 10_500 - done
    assert tables_with(bus.conn, ids) == set()


def pages_read(bus: HandBus) -> int:
    """Pages that one call reads when nothing has become old since the last run."""
    start = bus.value("SELECT commandbus.prune_start('test', 'audit')")
    for _ in range(2):  # the first call of a session reads the catalogue too
        (row,) = bus.rows(
            "EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON)"
            " SELECT commandbus.prune_commands('test', clock_timestamp() - interval '30 days', %s, 100)",
            [start],
        )
    plan = row["QUERY PLAN"][0]["Plan"]
    return int(plan["Shared Hit Blocks"]) + int(plan["Shared Read Blocks"])


@pytest.mark.parametrize("analysed", ["never", "while small", "lately"])
def test_a_run_costs_the_same_whatever_is_young_live_or_parked(
    analysed: str, bus: HandBus, pruned: Callable[..., Json]
) -> None:
    complete(bus.conn, 100)
    pass_time(bus.conn, 31)
    if analysed == "while small":
        bus.conn.execute("ANALYZE commandbus.audit, commandbus.command, public.test_command")
    assert pruned()["commands"] == 100
    few = pages_read(bus)
    for _ in range(200):
        parked(bus)
    send(bus.conn, 1_000)
    bus.receive(1_000)
    pass_time(bus.conn, 31)
    assert pruned() == {}
    complete(bus.conn, 5_000)
    send(bus.conn, 10_000)
    if analysed == "lately":
        bus.conn.execute("ANALYZE commandbus.audit, commandbus.command, public.test_command")
    assert pages_read(bus) < few + 60  # 1,000 events by their index, about 60 a page


def test_numbers_that_begin_anew_are_walked_from_their_beginning(bus: HandBus, pruned: Callable[..., Json]) -> None:
    complete(bus.conn, 20)
    pass_time(bus.conn, 31)
    complete(bus.conn, 1)
    assert pruned()["commands"] == 20
    bus.conn.execute("TRUNCATE commandbus.audit, commandbus.command, public.test_command RESTART IDENTITY")
    complete(bus.conn, 3)
    pass_time(bus.conn, 31)
    assert pruned()["commands"] == 3


# -- counting only ---------------------------------------------------------------------------------------------------


def test_a_dry_run_counts_and_changes_nothing(bus: HandBus, pruned: Callable[..., Json]) -> None:
    complete(bus.conn, 30)
    canceled = parked(bus)
    cancel(bus, canceled)
    bus.send_message({"command_id": "x"})
    bus.receive()
    bus.value("SELECT pgmq.archive('test__replies', 2::bigint)")
    twice = bus.send()
    for _ in range(2):  # as the library's worker does it
        bus.value("SELECT commandbus.sp_finish_command('test', %s, 'COMPLETED', 'COMPLETED')", [twice])
    bus.value("DELETE FROM pgmq.q_test__commands RETURNING 1")
    pass_time(bus.conn, 31)
    before = {query: bus.rows(query) for query in EVERYTHING}
    asked = {"unread_replies": True, "chunk_size": 4}
    expected = {"commands": 32, "rejected": 1, "messages": 1, "replies": 31}
    assert pruned(dry_run=True, **asked) == expected
    assert {query: bus.rows(query) for query in EVERYTHING} == before
    counted = pruned(**asked)
    assert {key: counted[key] for key in ("commands", "rejected", "replies")} == {
        key: expected[key] for key in ("commands", "rejected", "replies")
    }


def test_a_dry_run_counts_to_a_limit(bus: HandBus, chunks: Prune, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("commands.bus.prune.COUNT_LIMIT", 100)
    complete(bus.conn, 300, reply=False)
    pass_time(bus.conn, 31)
    seen = list(chunks(dry_run=True, chunk_size=50))
    assert any(chunk.cut for chunk in seen)
    assert 100 <= sum((chunk.removed for chunk in seen), Counter[str]())["commands"] < 300


# -- the command -----------------------------------------------------------------------------------------------------


def run(start_manage: StartManage, *arguments: str) -> StartedProgram:
    program = start_manage("prune", *arguments)
    program.wait(60)
    return program


def test_the_command_says_what_it_removed_and_leaves_the_other_domain_alone(
    bus: HandBus, start_manage: StartManage
) -> None:
    complete(bus.conn, 1_500)
    complete(bus.conn, 2, domain="loadtest")
    pass_time(bus.conn, 31)
    arguments = ("--older-than", "30d", "--domain", "test", "--replies")
    dry = run(start_manage, *arguments, "--dry-run")
    assert dry.exit_code == 0
    assert "Would remove 1,500 commands, 1,500 replies." in dry.output
    real = run(start_manage, *arguments)
    assert real.exit_code == 0
    assert "Removed 1,500 commands, 4,500 events, 1,500 replies." in real.output
    assert "Removed nothing." in run(start_manage, *arguments).output
    assert bus.rows("SELECT DISTINCT domain FROM commandbus.command") == [{"domain": "loadtest"}]
    assert "Removed 2 commands, 6 events." in run(start_manage, "--older-than", "4w").output


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), "--older-than"),
        (("--older-than", "30"), "--older-than must be an age from 1h to 3650d, such as 12h, 30d or 4w, not '30'"),
        (("--older-than", "-1d"), "expected one argument"),
        (("--older-than", "0h"), "from 1h to 3650d, such as 12h, 30d or 4w, not '0h'"),
        (("--older-than", "9999w"), "not '9999w'"),
        (("--older-than", "1d", "--chunk-size", "0"), "a whole number from 1 to 50,000, not '0'"),
        (("--older-than", "1d", "--domain", "live"), "invalid choice: 'live'"),
    ],
)
def test_what_cannot_be_asked_for_is_refused_with_what_can(
    arguments: tuple[str, ...], words: str, start_manage: StartManage
) -> None:
    refused = run(start_manage, *arguments)
    assert refused.exit_code == 2
    assert words in refused.output
    assert "Traceback" not in refused.output


def test_a_lock_that_cannot_be_stepped_over_ends_it_with_exit_code_1(bus: HandBus, start_manage: StartManage) -> None:
    complete(bus.conn, 1)
    pass_time(bus.conn, 31)
    with bus.connect() as other:
        other.execute("LOCK TABLE commandbus.payload_archive")
        ended = run(start_manage, "--older-than", "30d")
    assert ended.exit_code == 1
    assert "Somebody holds a lock that cannot be stepped over. Run it again later." in ended.output


def test_ctrl_c_keeps_what_was_committed_and_the_next_run_goes_on(bus: HandBus, start_manage: StartManage) -> None:
    ids = complete(bus.conn, 10_000, reply=False)
    pass_time(bus.conn, 31)
    program = start_manage("prune", "--older-than", "30d", "--chunk-size", "1")
    program.wait_for_output("  test: ")
    program.send_signal(signal.SIGINT)
    assert program.wait() == 130
    assert "Interrupted. Removed " in program.output
    assert "Traceback" not in program.output
    left = bus.value("SELECT count(*) FROM commandbus.command")
    assert 0 < left < 10_000
    assert bus.value("SELECT count(*) FROM commandbus.audit") == 3 * left
    assert f"Removed {left:,} commands" in run(start_manage, "--older-than", "30d").output
    assert tables_with(bus.conn, ids) == set()
