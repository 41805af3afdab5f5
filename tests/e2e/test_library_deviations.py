"""What engine ``library`` is known to do otherwise: the worker of ``reliable-cmd`` as published (docs/promises.md).

D1 is pinned in test_failure_scenarios.py, beside what ``native`` does; those that need no worker process in
tests/integration/test_library_deviations.py.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from uuid import uuid4

import pytest

from tests.e2e.conftest import StartWorker
from tests.support.deviations import pins
from tests.support.waiting import wait_until
from tests.support.workers import COMPLETED, PARKED, LiveBus, Worker


@pytest.fixture
def library(bus: LiveBus, start_worker: StartWorker) -> Worker:
    """A worker with engine ``library``, free slots and a lease of a second."""
    bus.settings(visibility_timeout=1, concurrency=10, poll_interval=0.1, base_delay_ms=0, max_delay_ms=0)
    return start_worker("--engine", "library")


def test_deliveries_have_no_limit_and_every_end_of_an_expired_attempt_replies(bus: LiveBus, library: Worker) -> None:
    long = bus.timeout(3500)
    with pins("D2", "D4"):
        bus.wait_for_word("SRRRRCCCC", long)
        command = bus.command(long)
        assert (command["attempts"], command["max_attempts"]) == (4, 3)
        assert [reply["outcome"] for reply in bus.replies_to(long)] == ["SUCCESS"] * 4


def test_a_late_failure_changes_what_was_completed(bus: LiveBus, library: Worker) -> None:
    parked, blamed = bus.timeout(1500), bus.timeout(1500)
    bus.wait_for_attempts(1, [parked, blamed])
    bus.behave(parked, {"type": "fail_permanent", "execution_time_ms": 1200})
    bus.behave(blamed, {"type": "fail_transient", "execution_time_ms": 1200, "error_code": "LATE"})
    with pins("D3"):
        bus.wait_for_word("SRRCT", parked)
        assert bus.status(parked) == PARKED
        wait_until(lambda: (bus.queued(), bus.archived()) == ([], []))  # nothing is left that an operator could retry
        assert bus.replies_to(parked)[0]["outcome"] == "SUCCESS"
    with pins("D13"):
        bus.wait_for_word("SRRCF", blamed)
        command = bus.command(blamed)
        assert (command["status"], command["last_error_code"]) == (COMPLETED, "LATE")


@contextmanager
def refusing(bus: LiveBus, error_code: str) -> Iterator[None]:
    """Meanwhile the server refuses to change commands with this error code."""
    bus.conn.execute(
        "CREATE FUNCTION pg_temp.refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'refused'; END $$"
    )
    bus.conn.execute(
        "CREATE TRIGGER refuse BEFORE UPDATE ON commandbus.command FOR EACH ROW"
        f" WHEN (OLD.last_error_code = '{error_code}') EXECUTE FUNCTION pg_temp.refuse()"
    )
    try:
        yield
    finally:
        bus.conn.execute("DROP TRIGGER refuse ON commandbus.command")
        bus.conn.execute("DROP FUNCTION pg_temp.refuse()")


def test_a_row_that_fails_to_be_received_undoes_the_counting_of_others_that_run_all_the_same(
    bus: LiveBus, library: Worker
) -> None:
    with refusing(bus, "BAD"):
        with bus.conn.transaction():  # seen by the worker in one batch
            good, bad = bus.send(), bus.send()
            bus.conn.execute("UPDATE commandbus.command SET last_error_code = 'BAD' WHERE command_id = %s", [bad])
        bus.wait_for_status(COMPLETED, [good])
        with pins("D5"):
            assert set(bus.word(good)) == {"S", "C"}  # completed, and never received
            assert bus.command(good)["attempts"] == 0
            assert bus.word(bad) == "S"


def test_malformed_messages_are_read_for_ever_and_unknown_ones_vanish(bus: LiveBus, library: Worker) -> None:
    bad = [bus.send_message({"command_id": "no-uuid"}), bus.send_message([1, 2])]
    unknown = bus.send_message({"domain": "test", "command_type": "TestCommand", "command_id": str(uuid4())})
    reads = "SELECT min(read_ct) FROM pgmq.q_test__commands WHERE msg_id = ANY (%s)"
    with pins("D8"):
        wait_until(lambda: bus.value(reads, [bad]) >= 4, message="The fourth read of each")
        assert unknown in bus.archived()
        assert not bus.rows("SELECT FROM commandbus.audit")


def test_a_lost_connection_ends_its_worker_which_the_supervisor_starts_again(bus: LiveBus, library: Worker) -> None:
    before = bus.send()
    bus.wait_for_status(COMPLETED, [before])
    assert bus.end_connections("runworker library") >= 1
    with pins("D9"):
        library.wait_for("restarted")
    after = bus.send()
    bus.wait_for_status(COMPLETED, [after])
