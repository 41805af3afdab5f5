"""Work that outlives its lease comes again; it ends once all the same (engine ``native``)."""

import pytest

from commands.rules.expectation import expectation
from commands.rules.words import LATE, EventType
from tests.e2e.conftest import StartWorker
from tests.support.circumstances import circumstances
from tests.support.workers import COMPLETED, PARKED, LiveBus


def test_long_work_completes_once_or_is_parked_when_its_deliveries_are_used_up(
    bus: LiveBus, start_worker: StartWorker
) -> None:
    bus.settings(visibility_timeout=2, concurrency=10)
    worker = start_worker()
    five_s, eight_s = bus.timeout(5000), bus.timeout(8000)
    bus.wait_for_status(COMPLETED, [five_s])
    bus.wait_for_status(PARKED, [eight_s])
    bus.wait_for_word("SRRRCcc", five_s)
    bus.wait_for_word("SRRRTccc", eight_s)

    bus.assert_done_once([five_s], attempts=3)
    late = [event["details_json"]["attempt"] for event in bus.events(five_s)[5:]]
    assert [bus.events(five_s)[4]["details_json"]["attempt"], *late] == [1, 2, 3]

    command, row = bus.command(eight_s), bus.test_command(eight_s)
    assert (command["status"], command["attempts"]) == (PARKED, 3)
    assert (command["last_error_type"], command["last_error_code"]) == ("TRANSIENT", "LEASE_EXPIRED")
    assert (row["attempts"], row["result"], row["processed_at"]) == (3, None, None)
    assert bus.replies_to(eight_s) == []
    assert (bus.queued(), bus.archived()) == ([], [command["msg_id"]])

    assert worker.stop() == 0
    counts = bus.worker_row(worker)
    assert (counts["received"], counts["completed"], counts["parked"], counts["late"]) == (6, 1, 1, 5)


def test_with_one_slot_long_work_is_not_taken_a_second_time(bus: LiveBus, start_worker: StartWorker) -> None:
    bus.settings(visibility_timeout=1, concurrency=1)
    worker = start_worker()
    long, next_one = bus.timeout(2500), bus.send()
    bus.wait_for_status(COMPLETED, [long, next_one])
    assert (bus.word(long), bus.word(next_one)) == ("SRC", "SRC")
    assert worker.stop() == 0


@pytest.mark.parametrize(("kind", "work_ms"), [("timeout", 4500), ("fail_permanent", 1500)])
def test_with_two_slots_it_comes_again_as_often_as_expected(
    kind: str, work_ms: int, bus: LiveBus, start_worker: StartWorker
) -> None:
    bus.settings(visibility_timeout=1, concurrency=2)
    worker = start_worker()
    expected = expectation(circumstances(kind, work_ms, lease_s=1, slots=2))
    long = bus.send({"type": kind, "execution_time_ms": work_ms})
    (status,) = expected.statuses
    bus.wait_for_status(status, [long])
    assert worker.stop() == 0  # when the last attempt has ended, too
    began, *_, ended = [event["ts"] for event in bus.events(long) if event["event_type"] not in (EventType.SENT, *LATE)]
    assert expected.allows(bus.word(long))
    assert (ended - began).total_seconds() * 1000 in expected.ends_ms
    assert bus.word(long).count("c") in expected.late_completed
    assert bus.word(long).count("f") in expected.late_failed
