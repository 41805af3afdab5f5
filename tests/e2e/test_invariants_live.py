"""The invariants hold at every moment while workers perform, die and start again, and operators act."""

import time

import psycopg

from bench.invariants.check import check
from bench.report.document import RuleWord
from commands.bus.bulk import NewCommand, send_chunk
from commands.rules.behaviors import Behavior
from tests.e2e.conftest import StartWorker
from tests.support.stories import limits
from tests.support.workers import LiveBus

BEHAVIORS = (
    {"type": "success", "execution_time_ms": 5},
    {"type": "success", "execution_time_ms": 5},
    {"type": "fail_transient_then_succeed", "transient_failures": 1},
    {"type": "fail_permanent"},
    {"type": "fail_transient"},
    {"type": "business_rule"},
    {"type": "timeout", "execution_time_ms": 1500},  # longer than its lease, at times
)
COMMANDS = 700
CHECKS = 8
PARKED = "ARRAY(SELECT command_id FROM commandbus.parked LIMIT 5)"
REDELIVERED = """
    SELECT count(*) FROM commandbus.audit WHERE event_type = 'RECEIVED' AND (details_json ->> 'attempt')::int > 1
"""


def test_no_false_alarm_while_workers_perform_and_die(bus: LiveBus, start_worker: StartWorker) -> None:
    bus.settings(base_delay_ms=100, max_delay_ms=200, poll_interval=0.1, visibility_timeout=1)
    workers = [start_worker("--concurrency", "20", ready=False) for _ in range(2)]
    for worker in workers:
        worker.wait_for("started")
    commands = [NewCommand(behavior=Behavior.from_json(BEHAVIORS[n % len(BEHAVIORS)])) for n in range(COMMANDS)]
    with psycopg.connect(bus.url, autocommit=True) as sender:
        send_chunk(sender, "test", commands, max_attempts=3)
    found: list[object] = []
    moving, until = 0, time.monotonic() + 30
    while (moving < CHECKS or bus.value(REDELIVERED) < 50) and time.monotonic() < until:
        rules = check(bus.conn, limits(lease_s=1, poll_interval_s=0.1))
        found += [(rule.id, rule.samples[:2]) for rule in rules if rule.word is RuleWord.BROKEN]
        assert [rule.why for rule in rules if rule.word is RuleWord.UNKNOWN] == []
        moving += bool(bus.queued())
        bus.conn.execute(f"SELECT commandbus.retry_commands('test', {PARKED}, 'ann')")
        bus.conn.execute(f"SELECT commandbus.end_commands('test', {PARKED}, 'CANCELED', 'ann')")
        if moving == 3:
            workers[0].die()
            workers[0] = start_worker("--concurrency", "20", ready=False)
    assert found == []
    assert moving >= CHECKS
    assert bus.value(REDELIVERED) >= 50
