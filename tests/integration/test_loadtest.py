"""The parts of a load test on a real database: one at a time, counting, and the exact figures at the end."""

import json
from collections.abc import Iterator
from itertools import pairwise
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest

from bench.loadtest.errors import BrokenError, BusyError
from bench.loadtest.run_lock import KEPT_RUNS, RunLock
from bench.loadtest.sampler import Sampler
from bench.loadtest.sender import Sender
from bench.loadtest.statements import Database
from commands.bus.bulk import NewCommand, send_chunk
from commands.rules.behaviors import Behavior, BehaviorType
from commands.rules.words import DOMAIN
from e2e_site.database import connection_params
from tests.support.bus import HandBus, Json, outcome
from tests.support.load_runs import add_run, plan
from tests.support.waiting import wait_until

SUCCESS, FAILURE = Behavior(type=BehaviorType.SUCCESS), Behavior(type=BehaviorType.FAIL_PERMANENT)


@pytest.fixture
def database(committed: str, django_db_blocker: Any) -> Iterator[Database]:
    with django_db_blocker.unblock():
        opened = Database(connection_params(), name="test")
        yield opened
        opened.close()


class LoadBus:
    """The bus as a load test meets it, driven by hand."""

    def __init__(self, bus: HandBus) -> None:
        self.url, self.conn = bus.url, bus.conn
        self.rows, self.value = bus.rows, bus.value

    def send(self, *behaviors: Behavior, **payload: Any) -> list[UUID]:
        commands = [NewCommand(behavior=behavior, payload=payload) for behavior in behaviors]
        with psycopg.connect(self.url, autocommit=True) as conn:
            send_chunk(conn, DOMAIN, commands, max_attempts=3)
        return [command.command_id for command in commands]

    def receive(self, *, lease: int = 30) -> dict[UUID, Json]:
        answer = self.value("SELECT commandbus.receive_commands('test', 1000, %s)", [lease])
        return {UUID(c[1]): {"msg_id": c[0], "attempt": c[7]} for c in answer["commands"]}

    def finish(self, *outcomes: Json, conn: psycopg.Connection[Any] | None = None) -> None:
        (conn or self.conn).execute(
            "SELECT commandbus.finish_commands('test', %s::jsonb)", [json.dumps(outcomes, default=str)]
        )


@pytest.fixture
def load(bus: HandBus) -> LoadBus:
    return LoadBus(bus)


# -- one at a time ---------------------------------------------------------------------------------------------------


def test_a_second_load_test_is_refused_and_told_which_one_runs(database: Database) -> None:
    with RunLock(database, plan=plan()) as first:
        with pytest.raises(BusyError) as caught, RunLock(database, plan=plan()):
            pass
        assert f"load test {first.run_id} is running, process " in str(caught.value)
        assert "one runs at a time" in str(caught.value)
    with RunLock(database, plan=plan()) as second:
        assert second.run_id == first.run_id + 1


def test_a_run_whose_process_died_is_lost_as_soon_as_the_next_one_begins(database: Database, bus: HandBus) -> None:
    dead = add_run(bus.conn, state="running", phase="working")
    with RunLock(database, plan=plan()):
        (row,) = bus.rows("SELECT state, ended_at = beat_at AS last, verdict FROM load_run WHERE run_id = %s", [dead])
    assert (row["state"], row["last"]) == ("lost", True)
    assert "died" in row["verdict"]


def test_the_newest_runs_are_kept_and_older_ones_go_with_their_samples(database: Database, bus: HandBus) -> None:
    oldest = add_run(bus.conn, samples=2)
    for _ in range(KEPT_RUNS):
        newest = add_run(bus.conn)
    with RunLock(database, plan=plan()) as run_lock:
        kept = [row["run_id"] for row in bus.rows("SELECT run_id FROM load_run ORDER BY run_id")]
    assert len(kept) == KEPT_RUNS
    assert kept[-2:] == [newest, run_lock.run_id]
    assert oldest not in kept
    assert bus.value("SELECT count(*) FROM load_sample") == 0


def test_a_run_gives_signs_of_life_and_notices_that_its_lock_is_gone(database: Database, bus: HandBus) -> None:
    beat = "SELECT beat_at FROM load_run WHERE run_id = %s"
    with RunLock(database, plan=plan()) as run_lock:
        first = bus.value(beat, [run_lock.run_id])
        wait_until(lambda: bus.value(beat, [run_lock.run_id]) > first, 20, "another beat")
        bus.end_connections("loadtest lock")
        wait_until(lambda: run_lock.lost, 20, "the loss of the lock")


def test_a_statement_on_a_lost_connection_is_an_error_in_one_line_and_the_next_one_works(
    database: Database, bus: HandBus
) -> None:
    assert database.value("anything_queued") is False
    bus.end_connections("loadtest test")
    with pytest.raises(BrokenError) as caught:
        database.value("anything_queued")
    assert str(caught.value).startswith("The database connection was lost: ")
    assert "\n" not in str(caught.value)
    assert database.value("anything_queued") is False


# -- counting --------------------------------------------------------------------------------------------------------


def counted(sampler: Sampler, name: str, number: int) -> None:
    """Until the sampler has counted so many; it is a step or two behind."""
    wait_until(lambda: sampler.step() and getattr(sampler.counts, name) >= number, message=f"{number} {name}")
    assert getattr(sampler.counts, name) == number


def test_events_are_counted_once_each_and_earlier_ones_never(database: Database, load: LoadBus) -> None:
    load.send(SUCCESS)
    sampler = Sampler(database)
    ids = load.send(SUCCESS, SUCCESS, FAILURE)
    attempts = load.receive()
    load.finish(outcome(ids[0], attempts[ids[0]]), outcome(ids[2], attempts[ids[2]], "permanent"))
    counted(sampler, "ended", 2)
    assert (sampler.counts.sent, sampler.counts.received, sampler.counts.completed, sampler.counts.parked) == (
        3,
        4,
        1,
        1,
    )
    assert sampler.counts.waiting == 0
    latency = sampler.take_latency()
    assert latency is not None
    assert 0 < latency.p50 <= latency.p99
    assert sampler.take_latency() is None


def test_an_event_of_a_transaction_that_was_open_when_later_ones_were_read_is_not_missed(
    database: Database, load: LoadBus, bus: HandBus
) -> None:
    first, second = load.send(SUCCESS, SUCCESS)
    attempts = load.receive()
    sampler = Sampler(database)
    with bus.connect() as slow:
        load.finish(outcome(first, attempts[first]), conn=slow)  # its event has the lower id
        load.finish(outcome(second, attempts[second]))
        for _ in range(4):
            sampler.step()
        assert sampler.counts.completed == 0
    counted(sampler, "completed", 2)


def test_a_transaction_that_stays_open_does_not_stop_the_counting(
    database: Database, load: LoadBus, bus: HandBus
) -> None:
    sampler = Sampler(database)
    with bus.connect() as held:
        held.execute("SELECT pg_current_xact_id()")
        load.send(SUCCESS)
        counted(sampler, "sent", 1)


def test_a_schedule_is_kept_and_each_command_says_when_it_was_due(
    database: Database, load: LoadBus, django_db_blocker: Any
) -> None:
    sender = Sender(connection_params(), plan(commands="30", rate="100"))
    sender.start()
    wait_until(lambda: sender.is_done, 20, "the end of sending")
    assert (sender.error, sender.sent) == (None, 30)
    assert sum(sender.taken.values()) == 30
    rows = load.rows(
        """
        SELECT (t.payload ->> 'intended_at')::float8 AS due, extract(epoch FROM a.ts)::float8 AS sent
        FROM test_command t JOIN commandbus.audit a USING (command_id) ORDER BY 1
        """
    )
    due = [row["due"] for row in rows]
    assert [round(later - earlier, 4) for earlier, later in pairwise(due)] == [0.01] * 29
    assert all(row["sent"] > row["due"] - 0.05 for row in rows)  # nothing leaves before it is due


def test_a_sender_that_is_stopped_sends_nothing_more(database: Database, load: LoadBus) -> None:
    sender = Sender(connection_params(), plan(commands="100000", rate="50"))
    sender.start()
    wait_until(lambda: sender.sent, 20, "the first command")
    sender.stop()
    sent = sender.sent
    assert 0 < sent < 1000
    assert load.value("SELECT count(*) FROM commandbus.command") == sent


def test_an_error_while_sending_is_kept(database: Database) -> None:
    sender = Sender({**connection_params(), "dbname": f"no_{uuid4().hex}"}, plan())
    sender.start()
    wait_until(lambda: sender.is_done, 20, "the end of sending")
    assert isinstance(sender.error, psycopg.OperationalError)


# -- the figures at the end ------------------------------------------------------------------------------------------


def test_the_summary_counts_each_command_once_with_the_times_of_its_own_events(
    database: Database, load: LoadBus, bus: HandBus
) -> None:
    sampler = Sampler(database)
    ids = load.send(SUCCESS, SUCCESS, SUCCESS, FAILURE)
    attempts = load.receive()
    load.finish(outcome(ids[0], attempts[ids[0]]), outcome(ids[3], attempts[ids[3]], "permanent"))
    load.finish(outcome(ids[1], attempts[ids[1]], "transient", delay_ms=60_000))
    load.finish(outcome(ids[0], attempts[ids[0]]), outcome(ids[3], attempts[ids[3]]))  # late
    bus.conn.execute("UPDATE commandbus.audit SET ts = '2030-01-01' WHERE event_type = 'SENT'")
    bus.conn.execute("UPDATE commandbus.audit SET ts = '2030-01-01 00:00:01' WHERE event_type = 'RECEIVED'")
    bus.conn.execute(
        "UPDATE commandbus.audit SET ts = '2030-01-01 00:00:03' WHERE event_type IN ('COMPLETED', 'MOVED_TO_TSQ')"
    )
    bus.conn.execute("DELETE FROM pgmq.q_test__commands WHERE message ->> 'command_id' = %s", [str(ids[2])])
    row = database.row("summary", after=sampler.first_event)
    assert row is not None
    assert sorted(row["outcomes"]) == [
        ["fail_permanent", "IN_TROUBLESHOOTING_QUEUE", False, 1, 1],
        ["success", "COMPLETED", False, 1, 1],
        ["success", "IN_PROGRESS", False, 1, 1],
        ["success", "IN_PROGRESS", True, 1, 1],
    ]
    assert row["latency"] == {
        "pickup": {"n": 4, "p50": 1000, "p95": 1000, "p99": 1000, "max": 1000},
        "end_to_end": {"n": 2, "p50": 3000, "p95": 3000, "p99": 3000, "max": 3000},
    }
    assert row["times"] == {"ended": 2, "late": 2, "processing_s": 2, "middle_s": 0}


def test_latency_counts_from_the_moment_a_command_was_due(database: Database, load: LoadBus, bus: HandBus) -> None:
    sampler = Sampler(database)
    due = bus.value("SELECT extract(epoch FROM '2030-01-01 00:00:00+0'::timestamptz)::float8")
    (command_id,) = load.send(SUCCESS, intended_at=due)
    load.finish(outcome(command_id, load.receive()[command_id]))
    for event, second in (("SENT", 2), ("RECEIVED", 3), ("COMPLETED", 5)):
        bus.conn.execute(
            "UPDATE commandbus.audit SET ts = '2030-01-01 00:00:00+0'::timestamptz + make_interval(secs => %s) "
            "WHERE event_type = %s",
            [second, event],
        )
    row = database.row("summary", after=sampler.first_event)
    assert row is not None
    assert {name: figures["p50"] for name, figures in row["latency"].items()} == {
        "send_delay": 2000,
        "pickup": 3000,
        "end_to_end": 5000,
    }


def test_a_run_whose_row_was_deleted_is_no_trouble_to_its_writer(database: Database, bus: HandBus) -> None:
    run_id = add_run(bus.conn, state="running")
    bus.conn.execute("DELETE FROM load_run")
    figures = dict.fromkeys(("number", "sent", "received", "ended", "waiting", "in_progress", "p50", "p95", "p99"), 1)
    database.run("add_sample", run_id=run_id, at_s=1.5, **figures)
    database.run("beat", run_id=run_id)
    assert bus.value("SELECT count(*) FROM load_sample") == 0
