"""Attempts that were lost with their worker, after which the last one runs alone, and outcomes that a worker keeps."""

from collections.abc import Iterator
from uuid import UUID, uuid4

import psycopg
import pytest

from tests.support.bus import HandBus, Json, outcome


class Process:
    """What there is of a worker in the database: its row, and on a connection of its own its lock."""

    def __init__(self, bus: HandBus, *, polling: bool = False) -> None:
        self.id = uuid4()
        self.bus = bus
        self.conn: psycopg.Connection[Json] = bus.connect()
        self.conn.autocommit = True
        bus.conn.execute(
            "INSERT INTO e2e_worker (worker_id, host, pid, engine, queue_name, polling, settings_version, concurrency)"
            " VALUES (%s, 'here', 1, 'native', 'test__commands', %s, 1, 4)",
            [self.id, polling],
        )
        if not polling:
            self.conn.execute("SELECT pg_advisory_lock(commandbus.worker_key(%s))", [self.id])

    def dies(self) -> None:
        self.conn.execute("SELECT pg_advisory_unlock_all()")

    def update(self, assignment: str) -> None:
        self.bus.conn.execute(f"UPDATE e2e_worker SET {assignment} WHERE worker_id = '{self.id}'")


@pytest.fixture
def worker(bus: HandBus) -> Iterator[Process]:
    process = Process(bus)
    yield process
    process.conn.close()


def _loses(bus: HandBus, worker: UUID, command_id: UUID) -> int:
    """An attempt of this worker whose lease runs out; its message."""
    msg_id: int = bus.receive(1, worker=worker)["commands"][command_id]["msg_id"]
    bus.expire_lease(command_id)
    return msg_id


def test_received_tells_the_worker(bus: HandBus, worker: Process) -> None:
    command_id = bus.send()
    _loses(bus, worker.id, command_id)
    assert bus.events(command_id)[-1]["details_json"]["worker"] == str(worker.id)


def test_the_last_attempt_after_a_lost_one_begins_only_alone(bus: HandBus, worker: Process) -> None:
    lost, other = bus.send(max_attempts=2), bus.send()
    msg_id = _loses(bus, worker.id, lost)
    worker.dies()
    answer = bus.receive()
    assert (list(answer["commands"]), answer["lone"], answer["busy"], answer["parked"]) == ([other], [msg_id], 0, 0)
    assert (bus.word(lost), bus.archived()) == ("SR", [])
    answer = bus.receive(1, only=msg_id, alone=True, worker=worker.id)
    assert list(answer["commands"]) == [lost]
    assert bus.events(lost)[-1]["details_json"]["alone"] is True
    bus.expire_lease(lost)
    assert bus.receive()["parked"] == 1
    assert bus.word(lost) == "SRRT"


def test_before_the_last_attempt_none_has_to_run_alone(bus: HandBus, worker: Process) -> None:
    command_id = bus.send(max_attempts=3)
    _loses(bus, worker.id, command_id)
    worker.dies()
    assert list(bus.receive()["commands"]) == [command_id]


def test_the_lease_of_a_worker_that_lives_may_run_out_as_ever(bus: HandBus, worker: Process) -> None:
    command_id = bus.send(max_attempts=2)
    _loses(bus, worker.id, command_id)
    answer = bus.receive()
    assert (list(answer["commands"]), answer["lone"]) == ([command_id], [])


def test_an_attempt_that_ended_was_not_lost(bus: HandBus, worker: Process) -> None:
    command_id = bus.send(max_attempts=2)
    attempt = bus.receive(1, worker=worker.id)["commands"][command_id]
    bus.finish(outcome(command_id, attempt, "transient", delay_ms=0))
    worker.dies()
    assert list(bus.receive()["commands"]) == [command_id]


@pytest.mark.parametrize(
    ("assignment", "lone"),
    [
        ("polling = TRUE", False),
        ("polling = TRUE, beat_at = clock_timestamp() - interval '11 s'", True),
        ("stopped_at = clock_timestamp()", True),
        ("beat_at = clock_timestamp() - interval '1 h'", False),  # frozen: its connection, and so its lock, is there
    ],
)
def test_a_worker_is_gone_when_it_stopped_or_behind_a_pooler_when_it_was_silent(
    assignment: str, lone: bool, bus: HandBus, worker: Process
) -> None:
    command_id = bus.send(max_attempts=2)
    msg_id = _loses(bus, worker.id, command_id)
    worker.update(assignment)
    assert bus.receive()["lone"] == ([msg_id] if lone else [])


def test_what_a_live_worker_keeps_is_not_parked(bus: HandBus, worker: Process) -> None:
    kept, other = bus.send(max_attempts=1), bus.send(max_attempts=1)
    attempt = bus.receive(1, worker=worker.id)["commands"][kept]
    worker.update(f"kept = '[{attempt['msg_id']}]'")
    bus.begin(other)
    bus.expire_lease(kept)
    bus.expire_lease(other)
    answer = bus.receive()
    assert (answer["parked"], answer["busy"]) == (1, 1)
    assert (bus.word(kept), bus.word(other)) == ("SR", "SRT")
    bus.finish(outcome(kept, attempt))
    assert bus.word(kept) == "SRC"


def test_what_a_dead_worker_kept_is_parked(bus: HandBus, worker: Process) -> None:
    command_id = bus.send(max_attempts=1)
    msg_id = _loses(bus, worker.id, command_id)
    worker.update(f"kept = '[{msg_id}]'")
    worker.dies()
    assert bus.receive()["parked"] == 1
    assert bus.word(command_id) == "SRT"
