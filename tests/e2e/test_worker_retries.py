"""When a retry begins."""

from statistics import quantiles

from tests.e2e.conftest import StartWorker
from tests.support.workers import COMPLETED, LiveBus

DELAYS = """
    SELECT extract(epoch FROM next - ts)::float - (details_json ->> 'delay_ms')::float / 1000 AS late
    FROM (SELECT *, lead(ts) OVER (PARTITION BY command_id ORDER BY audit_id) AS next FROM commandbus.audit) a
    WHERE event_type = 'FAILED'
"""


def test_a_retry_begins_when_it_is_due_whatever_the_poll_interval(bus: LiveBus, start_worker: StartWorker) -> None:
    bus.settings(base_delay_ms=150, max_delay_ms=1000, backoff_multiplier=1.5, poll_interval=60, concurrency=20)
    start_worker()
    behavior = {"type": "fail_transient_then_succeed", "transient_failures": 4, "execution_time_ms": 10}
    sent = [bus.send(behavior, max_attempts=5) for _ in range(6)]
    bus.wait_for_status(COMPLETED, sent, timeout=40)

    steps = [event["details_json"]["delay_ms"] for event in bus.events(sent[0]) if event["event_type"] == "FAILED"]
    assert steps == [150, 225, 338, 506]
    late = [row["late"] for row in bus.rows(DELAYS)]
    assert len(late) == 24
    assert min(late) >= 0
    # A quarter of them within 50 ms: a machine that is busy with other things makes some late, but not most.
    assert quantiles(late, n=4)[0] < 0.05, sorted(late)


def test_another_worker_takes_the_retry_where_the_first_has_no_free_slot(
    bus: LiveBus, start_worker: StartWorker
) -> None:
    bus.settings(base_delay_ms=500, max_delay_ms=500, poll_interval=60, concurrency=1)
    start_worker()
    retried = bus.send({"type": "fail_transient_then_succeed", "transient_failures": 1})
    bus.wait_for_word("SRF", retried)
    blocking = bus.timeout(600_000)
    bus.wait_for_attempts(1, [blocking])
    start_worker()
    bus.wait_for_status(COMPLETED, [retried], timeout=20)
    assert bus.status(blocking) == "IN_PROGRESS"
