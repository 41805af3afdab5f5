"""The judge of the tests under load notices each broken promise: one row is spoilt, and it has to say so."""

from uuid import UUID, uuid4

import pytest

from commands.rules.expectation import expectation
from tests.support.bus import HandBus, outcome
from tests.support.circumstances import circumstances
from tests.support.verdict import EXACT, RULES, Sent, judge
from tests.support.workers import LiveBus

FAILS = {"type": "fail_permanent"}
REFUSES = {"type": "business_rule"}
RECOVERS = {"type": "fail_transient_then_succeed", "transient_failures": 1}

EVENT = "INSERT INTO commandbus.audit (domain, command_id, event_type, details_json) VALUES ('test', {}, '{}', '{}')"
SPOILT = {
    "what was acknowledged is there": "DELETE FROM commandbus.command WHERE command_id = %(done)s",
    "what is there was sent": """
        UPDATE commandbus.command SET command_id = gen_random_uuid() WHERE command_id = %(done)s""",
    "each command ends as its behavior says": """
        UPDATE commandbus.command SET status = 'FAILED' WHERE command_id = %(done)s""",
    "the events of a command make a word that is allowed": EVENT.format("%(parked)s", "COMPLETED", "{}"),
    "one final event, which agrees with the status": """
        UPDATE commandbus.command SET status = 'IN_PROGRESS' WHERE command_id = %(done)s""",
    "no failure but those of its behavior": EVENT.format("%(done)s", "FAILED", "{}"),
    "attempts are those received, 1 to n, at most max_attempts": """
        UPDATE public.test_command SET attempts = attempts + 1 WHERE command_id = %(done)s""",
    "an attempt ends once, late ends included, and began before": """
        INSERT INTO commandbus.audit (domain, command_id, event_type, details_json)
        SELECT domain, command_id, 'LATE_COMPLETED', details_json FROM commandbus.audit
        WHERE command_id = %(done)s AND event_type = 'COMPLETED'""",
    "one reply for each that completed and asked for one": """
        INSERT INTO pgmq.q_test__replies (vt, message) SELECT vt, message FROM pgmq.q_test__replies
        WHERE message ->> 'command_id' = %(done)s::text""",
    "a result for each that completed": "UPDATE public.test_command SET result = NULL WHERE command_id = %(done)s",
    "what is parked can be tried again": "DELETE FROM pgmq.a_test__commands",
    "the troubleshooting queue holds what is parked": "DELETE FROM commandbus.parked",
    "the queue is empty": "SELECT pgmq.send('test__commands', '{}'::jsonb, 60)",
    "every attempt ended, and counted": """
        UPDATE commandbus.audit SET event_type = 'RECEIVED'
        WHERE command_id = %(recovered)s AND event_type = 'FAILED'""",
    "nothing ended late": EVENT.format("%(done)s", "LATE_FAILED", '{"attempt": 2, "msg_id": 1}'),
}


@pytest.fixture
def ids(bus: LiveBus) -> dict[str, UUID]:
    """One command that completed, one that was parked, one that failed, one that completed in its second attempt."""
    ids = {"done": bus.send(), "parked": bus.send(FAILS), "failed": bus.send(REFUSES)}
    ids["recovered"] = bus.send(RECOVERS)
    begun = bus.receive()["commands"]
    bus.finish(
        outcome(ids["done"], begun[ids["done"]], result={"status": "success"}),
        outcome(ids["parked"], begun[ids["parked"]], "permanent"),
        outcome(ids["failed"], begun[ids["failed"]], "business_rule"),
        outcome(ids["recovered"], begun[ids["recovered"]], "transient", delay_ms=0),
    )
    bus.finish(outcome(ids["recovered"], bus.begin(ids["recovered"]), result={"status": "success"}))
    return ids


def ledger(ids: dict[str, UUID]) -> dict[UUID, Sent]:
    behaviors = {
        "done": circumstances("success"),
        "parked": circumstances("fail_permanent"),
        "failed": circumstances("business_rule"),
        "recovered": circumstances("fail_transient_then_succeed"),
    }
    return {ids[name]: Sent(expected=expectation(behavior)) for name, behavior in behaviors.items()}


def broken(bus: HandBus, ids: dict[str, UUID]) -> list[str]:
    return judge(bus.conn, ledger(ids), apart=(), exact=True).broken


def test_the_judge_has_nothing_to_say_where_all_is_well(bus: LiveBus, ids: dict[str, UUID]) -> None:
    unknown = Sent(expected=expectation(circumstances("fail_permanent")), acknowledged=False)
    verdict = judge(bus.conn, {**ledger(ids), uuid4(): unknown}, apart=(), exact=True)
    assert (verdict.broken, verdict.redelivered, verdict.late, verdict.rejected) == ([], 0, 0, 0)


@pytest.mark.parametrize("rule", [*RULES, *EXACT])
def test_the_judge_notices(rule: str, bus: LiveBus, ids: dict[str, UUID]) -> None:
    with bus.conn.transaction(force_rollback=True):
        bus.conn.execute(SPOILT[rule], ids)
        assert [line for line in broken(bus, ids) if line.startswith(f"NOT: {rule}: 1 times")]
    assert broken(bus, ids) == []
