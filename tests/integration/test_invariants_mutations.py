"""Each invariant notices what breaks it: one row is spoilt and taken back, and exactly those rules fire that must."""

from dataclasses import dataclass, field
from typing import Any

import pytest

from bench.invariants.check import Limits, check
from bench.invariants.rules import specs
from bench.report.document import RuleWord
from tests.support.bus import HandBus
from tests.support.stories import LIVE, RUN, STRICT, TOLERANT, Stories, limits, mend_one, with_strays

pytestmark = pytest.mark.django_db(transaction=True)

EVENT = """
    INSERT INTO commandbus.audit (domain, command_id, event_type, details_json)
    SELECT 'test', command_id, '{}', {} FROM commandbus.command WHERE command_id = %({})s
"""
ATTEMPT_1 = "jsonb_build_object('msg_id', msg_id, 'attempt', 1)"


@dataclass(frozen=True)
class Spoilt:
    """``sql`` breaks ``rule``; ``too``: others that this must break, since it breaks what they say as well."""

    rule: str
    sql: str
    too: set[str] = field(default_factory=set)


# On a bus at work, without ledgers.
OF_A_SITE = {
    "a command without SENT": Spoilt(
        "V01", "DELETE FROM commandbus.audit WHERE command_id = %(SRC)s AND event_type = 'SENT'", {"V04"}
    ),
    "a command without events": Spoilt("V01", "DELETE FROM commandbus.audit WHERE command_id = %(S)s", {"V04"}),
    "an event of no command": Spoilt(
        "V02",
        "INSERT INTO commandbus.audit (domain, command_id, event_type) VALUES ('test', gen_random_uuid(), 'RECEIVED')",
    ),
    "a rejected message of a command": Spoilt("V02", EVENT.format("MESSAGE_REJECTED", "'{}'", "SRC")),
    "a second end": Spoilt("V04", EVENT.format("BUSINESS_RULE_FAILED", "'{}'", "SRB")),
    "an unknown event": Spoilt("V04", EVENT.format("NOBODY_KNOWS", "'{}'", "SR")),
    "a failure without an attempt": Spoilt("V04", EVENT.format("FAILED", "'{}'", "SRF")),
    "two messages": Spoilt(
        "V05",
        "INSERT INTO pgmq.q_test__commands (vt, message) SELECT now(), message FROM pgmq.q_test__commands"
        " WHERE message ->> 'command_id' = %(S)s::TEXT",
    ),
    "a waiting command without its message": Spoilt(
        "V06", "DELETE FROM pgmq.q_test__commands WHERE message ->> 'command_id' = %(S)s::TEXT"
    ),
    "a running command without its message": Spoilt(
        "V06", "DELETE FROM pgmq.q_test__commands WHERE message ->> 'command_id' = %(SRR)s::TEXT"
    ),
    "a completed command with its message": Spoilt(
        "V06",
        "INSERT INTO pgmq.q_test__commands (msg_id, vt, message) OVERRIDING SYSTEM VALUE"
        " SELECT msg_id, now(), jsonb_build_object('command_id', command_id) FROM commandbus.command"
        " WHERE command_id = %(SRC)s",
    ),
    "a parked command without its message": Spoilt(
        "V07", "DELETE FROM pgmq.a_test__commands WHERE message ->> 'command_id' = %(SRT)s::TEXT"
    ),
    "a parked command with another's message": Spoilt(
        "V07",
        'UPDATE pgmq.a_test__commands SET message = message || \'{"command_id": "x"}\''
        " WHERE message ->> 'command_id' = %(SRT)s::TEXT",
    ),
    "running, and said to wait": Spoilt(
        "V08", "UPDATE commandbus.command SET status = 'PENDING' WHERE command_id = %(SR)s"
    ),
    "completed, and said to have failed": Spoilt(
        "V08", "UPDATE commandbus.command SET status = 'FAILED' WHERE command_id = %(SRC)s", {"V15", "V24"}
    ),
    "completed, and said to be parked": Spoilt(
        "V08",
        "UPDATE commandbus.command SET status = 'IN_TROUBLESHOOTING_QUEUE' WHERE command_id = %(SRC)s",
        {"V07", "V15", "V24"},
    ),
    "an attempt too many": Spoilt("V09", "UPDATE commandbus.command SET attempts = 2 WHERE command_id = %(SRC)s"),
    "an attempt that was not counted": Spoilt(
        "V09", "UPDATE commandbus.command SET attempts = 0 WHERE command_id = %(SR)s"
    ),
    "attempts that begin with 2": Spoilt(
        "V10",
        "UPDATE commandbus.audit SET details_json = details_json || '{\"attempt\": 2}'"
        " WHERE command_id = %(SR)s AND event_type = 'RECEIVED'",
    ),
    "an attempt received twice": Spoilt(
        "V10",
        "UPDATE commandbus.audit SET details_json = details_json || '{\"attempt\": 1}'"
        " WHERE command_id = %(SRR)s AND event_type = 'RECEIVED'",
    ),
    "more attempts than it may have": Spoilt(
        "V11", "UPDATE commandbus.command SET max_attempts = 1 WHERE command_id = %(SRFRC)s"
    ),
    "a reply too many": Spoilt(
        "V15",
        "INSERT INTO pgmq.q_test__replies (vt, message) SELECT vt, message FROM pgmq.q_test__replies"
        " WHERE message ->> 'command_id' = %(SRC)s::TEXT",
    ),
    "a reply that nobody asked for": Spoilt(
        "V15", "UPDATE commandbus.command SET reply_queue = '' WHERE command_id = %(SRC)s"
    ),
    "a reply before the end": Spoilt(
        "V15",
        "INSERT INTO pgmq.q_test__replies (vt, message)"
        " VALUES (now(), jsonb_build_object('command_id', %(SRT)s::TEXT, 'outcome', 'FAILED'))",
    ),
    "another outcome": Spoilt(
        "V15",
        'UPDATE pgmq.q_test__replies SET message = message || \'{"outcome": "FAILED"}\''
        " WHERE message ->> 'command_id' = %(SRC)s::TEXT",
    ),
    "a member counted twice": Spoilt("V16", "UPDATE commandbus.batch SET completed_count = completed_count + 1"),
    "a retry before its time": Spoilt(
        "V17",
        "UPDATE commandbus.audit SET ts = (SELECT ts + interval '800 ms' FROM commandbus.audit"
        " WHERE command_id = %(SRFRC)s AND event_type = 'FAILED')"
        " WHERE command_id = %(SRFRC)s AND event_type = 'RECEIVED' AND details_json @> '{\"attempt\": 2}'",
    ),
    "a message that is no command and stays": Spoilt(
        "V18", "INSERT INTO pgmq.q_test__commands (vt, read_ct, message) VALUES (now(), 2, '[]')"
    ),
    "a message of an unknown command that stays": Spoilt(
        "V18",
        "INSERT INTO pgmq.q_test__commands (vt, read_ct, message)"
        " VALUES (now(), 9, jsonb_build_object('command_id', gen_random_uuid()))",
    ),
    "an attempt that ends twice": Spoilt("V19", EVENT.format("LATE_COMPLETED", ATTEMPT_1, "SRC")),
    "a late end of no attempt": Spoilt("V19", EVENT.format("LATE_FAILED", "'{}'", "SRC")),
    "an end of an attempt that never began": Spoilt(
        "V19", EVENT.format("LATE_FAILED", "jsonb_build_object('msg_id', msg_id, 'attempt', 3)", "SRC")
    ),
    "a success that was taken for late": Spoilt("V19", EVENT.format("LATE_COMPLETED", ATTEMPT_1, "SR")),
    "a failure that was taken for late": Spoilt("V19", EVENT.format("LATE_FAILED", ATTEMPT_1, "SR")),
    "a failure after the success": Spoilt("V19", EVENT.format("FAILED", "'{}'", "SRC"), {"V04", "V08"}),
    "received before it was sent": Spoilt(
        "V21",
        "UPDATE commandbus.audit SET ts = ts - interval '1 day' WHERE command_id = %(SRC)s AND event_type = 'RECEIVED'",
    ),
    "changed before it was sent": Spoilt(
        "V21", "UPDATE commandbus.command SET updated_at = updated_at - interval '1 day' WHERE command_id = %(SRC)s"
    ),
    "a message that no idle worker takes": Spoilt(
        "V22",
        "UPDATE pgmq.q_test__commands SET vt = now() - interval '1 min' WHERE message ->> 'command_id' = %(S)s::TEXT",
    ),
    "an attempt that its row does not count": Spoilt(
        "V23", "UPDATE public.test_command SET attempts = attempts - 1 WHERE command_id = %(SRFRC)s"
    ),
    "completed, and not processed": Spoilt(
        "V24", "UPDATE public.test_command SET processed_at = NULL WHERE command_id = %(SRC)s"
    ),
    "a result of what is parked": Spoilt(
        "V24", "UPDATE public.test_command SET result = '{}' WHERE command_id = %(SRT)s"
    ),
    "parked, and not listed": Spoilt("V25", "DELETE FROM commandbus.parked WHERE command_id = %(SRT)s"),
    "listed, and not parked": Spoilt(
        "V25", "INSERT INTO commandbus.parked (domain, command_id) VALUES ('test', %(SRC)s)"
    ),
}

# After a run, by its ledgers.
OF_A_RUN = {
    "acknowledged, and gone": Spoilt("L1", "DELETE FROM commandbus.command WHERE command_id = %(SRC)s", {"V02"}),
    "acknowledged, and not sent": Spoilt(
        "L1",
        "INSERT INTO public.bench_send (run_id, number, command_id, kind, intended_at, sent_at, outcome)"
        " VALUES (1, -1, gen_random_uuid(), 'success', now(), now(), 'acknowledged')",
    ),
    "there, and never sent": Spoilt("L2", "DELETE FROM public.bench_send WHERE command_id = %(SRC)s"),
    "recovered by half": Spoilt("L3", "DELETE FROM public.test_command WHERE command_id = %(recovered)s"),
    "an execution of nothing": Spoilt(
        "V12",
        "INSERT INTO public.bench_execution SELECT run_id, command_id, msg_id, 9, worker, pid, now(), now(), 'Error'"
        " FROM public.bench_execution WHERE command_id = %(SRC)s",
    ),
    "an attempt executed twice": Spoilt(
        "V12",
        "INSERT INTO public.bench_execution"
        " SELECT run_id, command_id, msg_id, attempt, worker, pid, now(), now(), 'Error'"
        " FROM public.bench_execution WHERE command_id = %(SRC)s",
    ),
    "executions side by side": Spoilt(
        "V13",
        "UPDATE public.bench_execution"
        " SET began_at = (SELECT min(began_at) + interval '1 s' FROM public.bench_execution"
        " WHERE command_id = %(SRRC)s) WHERE command_id = %(SRRC)s AND attempt = 2",
    ),
    "a completion that stands on nothing": Spoilt(
        "V14", "UPDATE public.bench_execution SET outcome = 'Error' WHERE command_id = %(SRC)s"
    ),
    "a completion before its execution ended": Spoilt(
        "V14", "UPDATE public.bench_execution SET ended_at = ended_at + interval '1 s' WHERE command_id = %(SRC)s"
    ),
    "a success that came to nothing": Spoilt(
        "V14", "UPDATE public.bench_execution SET outcome = 'ok' WHERE command_id = %(SRT)s"
    ),
    "done again without need": Spoilt(
        "V14",
        "WITH later AS (UPDATE commandbus.audit SET ts = ts + interval '30 s' WHERE command_id = %(SRFRC)s"
        " AND event_type = 'RECEIVED' AND details_json @> '{\"attempt\": 1}')"
        " UPDATE public.bench_execution SET outcome = 'ok' WHERE command_id = %(SRFRC)s AND attempt = 1",
    ),
    "a reply that is missing": Spoilt(
        "V15", "DELETE FROM pgmq.q_test__replies WHERE message ->> 'command_id' = %(SRC)s::TEXT"
    ),
    "refused, and there": Spoilt("V20", "UPDATE public.bench_send SET outcome = 'error' WHERE command_id = %(SRC)s"),
}
# The same where no attempt was lost.
STRICTLY = {
    "done again, whenever": Spoilt(
        "V14", "UPDATE public.bench_execution SET outcome = 'ok' WHERE command_id = %(SRFRC)s AND attempt = 1"
    ),
    "an attempt without an end": Spoilt(
        "V03", "DELETE FROM commandbus.audit WHERE command_id = %(SRFRC)s AND event_type = 'FAILED'"
    ),
}


def fired(bus: HandBus, asked: Limits) -> set[str]:
    rules = check(bus.conn, asked)
    assert [rule.id for rule in rules if rule.word is RuleWord.UNKNOWN] == []
    return {rule.id for rule in rules if rule.word is RuleWord.BROKEN}


def not_as_said(bus: HandBus, stories: Stories, spoilt: dict[str, Spoilt], asked: Limits) -> dict[str, Any]:
    """Of each that fired other rules than it must: those, and those that it must."""
    assert fired(bus, asked) == set()
    wrong = {}
    for name, each in spoilt.items():
        with bus.conn.transaction(force_rollback=True):
            assert bus.conn.execute(each.sql.encode(), stories.ids).rowcount > 0, name
            if (found := fired(bus, asked)) != {each.rule, *each.too}:
                wrong[name] = found, {each.rule, *each.too}
    assert fired(bus, asked) == set()
    return wrong


def test_every_rule_has_something_that_breaks_it() -> None:
    assert {each.rule for each in (OF_A_SITE | OF_A_RUN | STRICTLY).values()} == {spec.id for spec in specs()}


def test_rules_of_a_site_notice(bus: HandBus) -> None:
    stories = Stories(bus)
    stories.play(*STRICT, *TOLERANT, *LIVE)
    stories.play_batch("SRC", "SRT")
    mend_one(stories)
    stories.pass_an_hour()
    bus.conn.execute(
        "INSERT INTO public.e2e_worker (host, pid, engine, queue_name, started_at, settings_version, concurrency)"
        " VALUES ('alpha', 1, 'native', 'test__commands', now() - interval '1 h', 1, 4)"
    )
    bus.conn.execute("UPDATE pgmq.q_test__commands SET vt = now() + interval '1 h'")
    assert not_as_said(bus, stories, OF_A_SITE, limits()) == {}


def test_rules_of_a_run_notice(bus: HandBus) -> None:
    stories = Stories(bus)
    stories.play(*STRICT, *TOLERANT)
    with_strays(stories)
    assert not_as_said(bus, stories, OF_A_RUN, limits(run_id=RUN, quiet=True)) == {}


def test_the_strict_rule_notices(bus: HandBus) -> None:
    stories = Stories(bus)
    stories.play(*STRICT)
    assert not_as_said(bus, stories, STRICTLY, limits(run_id=RUN, quiet=True, strict=True)) == {}
