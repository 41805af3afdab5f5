"""bench/testbed.py and programs.py: a clean database, a backlog in it, and a drain by the server's clock."""

from contextlib import closing

import pytest

from bench.errors import BenchError
from bench.figures import percentile
from bench.programs import worker
from bench.testbed import MAX_ATTEMPTS, Drained, Testbed, waiting_table
from commands.rules.behaviors import Behavior, BehaviorType
from commands.rules.words import DOMAIN, Engine
from tests.support.bus import HandBus, outcome

BACKLOG = "backlog"
_QUICK = Behavior(type=BehaviorType.SUCCESS)


def counts(testbed: Testbed, domain: str = DOMAIN) -> tuple[int, int, int]:
    """Commands, events and messages in the queue of a domain."""
    return (
        testbed.value("SELECT count(*) FROM commandbus.command WHERE domain = %s", [domain]),
        testbed.value("SELECT count(*) FROM commandbus.audit WHERE domain = %s", [domain]),
        testbed.value(f"SELECT count(*) FROM {waiting_table(domain).as_string(None)}"),
    )


def work_off(bus: HandBus, count: int) -> None:
    """Attempt and complete so many of the commands that wait, one after the other."""
    for command_id, attempt in bus.receive(limit=count)["commands"].items():
        bus.finish(outcome(command_id, attempt))


# -- a backlog -------------------------------------------------------------------------------------------------------


def test_what_is_filled_in_waits_and_its_mark_is_the_newest_event(testbed: Testbed) -> None:
    mark = testbed.fill(250)
    assert counts(testbed) == (250, 250, 250)
    assert mark == testbed.mark() == testbed.value("SELECT max(audit_id) FROM commandbus.audit")
    assert testbed.value("SELECT count(*) FROM commandbus.command WHERE max_attempts = %s", [MAX_ATTEMPTS]) == 250
    assert testbed.value("SELECT count(*) FROM commandbus.command WHERE reply_queue = ''") == 0


def test_a_backlog_may_have_behaviors_of_its_own(testbed: Testbed) -> None:
    testbed.fill(2, behaviors=[Behavior(type=BehaviorType.FAIL_PERMANENT), _QUICK])
    rows = testbed.conn.execute("SELECT behavior ->> 'type' FROM test_command ORDER BY command_id").fetchall()
    assert rows == [("fail_permanent",), ("success",)]


def test_an_emptied_testbed_has_nothing_left_and_counts_from_the_beginning(testbed: Testbed, bus: HandBus) -> None:
    testbed.fill(20)
    parked = bus.send({"type": "fail_permanent"})
    bus.finish(outcome(parked, bus.begin(parked), "permanent"))
    testbed.empty()
    assert counts(testbed) == (0, 0, 0)
    for table in ("commandbus.parked", "test_command", "pgmq.a_test__commands", "pgmq.q_test__replies"):
        assert not testbed.value(f"SELECT EXISTS (SELECT FROM {table})"), table
    assert testbed.mark() == 0
    assert testbed.fill(1) == 1


def test_a_fresh_backlog_replaces_the_one_before(testbed: Testbed) -> None:
    testbed.fresh(30)
    assert testbed.fresh(10) == 10
    assert counts(testbed) == (10, 10, 10)


def test_a_fresh_backlog_is_analyzed_so_that_autovacuum_has_no_reason_to_come(testbed: Testbed) -> None:
    testbed.fresh(500)
    assert testbed.value("SELECT reltuples FROM pg_class WHERE oid = 'commandbus.command'::regclass") == 500
    assert testbed.value("SELECT relallvisible > 0 FROM pg_class WHERE oid = 'commandbus.audit'::regclass")


def test_a_value_is_that_of_the_first_row_and_nothing_where_there_is_none(testbed: Testbed) -> None:
    assert testbed.value("SELECT number FROM generate_series(%s, 5) AS number ORDER BY number", [3]) == 3
    assert testbed.value("SELECT 1 WHERE false") is None


def test_percentiles_are_those_of_the_server(testbed: Testbed) -> None:
    values = [float(number * 37 % 101) ** 2 for number in range(57)]
    for percent in (1, 50, 95, 99):
        query = "SELECT percentile_cont(%s) WITHIN GROUP (ORDER BY value) FROM unnest(%s::float8[]) AS value"
        assert percentile(values, percent) == pytest.approx(testbed.value(query, [percent / 100, values]))


# -- another domain --------------------------------------------------------------------------------------------------


def test_a_domain_joins_by_its_name_and_only_once(testbed: Testbed) -> None:
    for _ in range(2):
        testbed.add_domain(BACKLOG)
    testbed.fill(5, domain=BACKLOG)
    testbed.fill(3)
    assert counts(testbed, BACKLOG) == (5, 5, 5)
    assert counts(testbed) == (3, 3, 3)


def test_another_domain_is_emptied_too(testbed: Testbed) -> None:
    testbed.add_domain(BACKLOG)
    testbed.fill(5, domain=BACKLOG)
    testbed.empty()
    assert counts(testbed, BACKLOG) == (0, 0, 0)


def test_a_testbed_that_comes_later_knows_a_domain_that_joined_before(testbed: Testbed) -> None:
    testbed.add_domain(BACKLOG)
    with closing(Testbed(testbed.database)) as later:
        later.add_domain(BACKLOG)
        later.fill(4, domain=BACKLOG)
        later.empty()
    assert counts(testbed, BACKLOG) == (0, 0, 0)


# -- a drain ---------------------------------------------------------------------------------------------------------


def test_a_drain_lasts_from_the_first_attempt_to_the_last_end(testbed: Testbed, bus: HandBus) -> None:
    mark = testbed.fresh(4)
    work_off(bus, 4)
    testbed.conn.execute(
        "UPDATE commandbus.audit SET ts = timestamptz '2030-01-01' + make_interval(secs => CASE event_type"
        " WHEN 'SENT' THEN 0 WHEN 'RECEIVED' THEN 10 ELSE audit_id END)"
    )
    last = testbed.mark()
    drained = testbed.drained(mark, expected=4)
    assert drained == Drained(commands=4, seconds=last - 10)
    assert drained.rate == 4 / (last - 10)


def test_a_drain_that_is_not_over_cannot_be_measured(testbed: Testbed, bus: HandBus) -> None:
    mark = testbed.fresh(3)
    work_off(bus, 2)
    with pytest.raises(BenchError, match="2 of 3 commands have ended"):
        testbed.drained(mark, expected=3)


def test_parked_and_refused_commands_have_ended_and_those_before_the_mark_do_not_count(
    testbed: Testbed, bus: HandBus
) -> None:
    testbed.fresh(1)
    work_off(bus, 1)
    mark = testbed.mark()
    for kind in ("permanent", "business_rule"):
        command_id = bus.send()
        bus.finish(outcome(command_id, bus.begin(command_id), kind))
    assert testbed.drained(mark, expected=2).commands == 2


def test_ends_are_counted_from_a_mark_in_one_domain(testbed: Testbed, bus: HandBus) -> None:
    mark = testbed.fresh(3)
    work_off(bus, 2)
    assert testbed.completed(mark) == 2
    assert testbed.completed(testbed.mark()) == 0
    assert testbed.completed(mark, "orders") == 0


@pytest.mark.parametrize("engine", Engine)
def test_a_worker_drains_what_was_filled(testbed: Testbed, engine: Engine) -> None:
    drained = testbed.drain(40, since=testbed.fresh(40), engine=engine, concurrency=10, batch_size=10)
    assert drained.commands == 40
    assert 0 < drained.seconds < 30
    assert counts(testbed) == (40, 120, 0)


def test_a_drain_beside_others_leaves_them(testbed: Testbed) -> None:
    testbed.add_domain(BACKLOG)
    testbed.fill(5, domain=BACKLOG)
    testbed.conn.execute(f"UPDATE {waiting_table(BACKLOG).as_string(None)} SET vt = vt + interval '1 hour'")
    drained = testbed.drain_beside_others(20, since=testbed.fill(20, domain=BACKLOG), domain=BACKLOG)
    assert drained.commands == 20
    assert counts(testbed, BACKLOG)[2] == 5
    assert testbed.value("SELECT count(*) FROM public.e2e_worker WHERE stopped_at IS NULL") == 0


def test_a_worker_that_ends_before_its_time_is_quoted(testbed: Testbed) -> None:
    with (
        pytest.raises(BenchError, match=r"ended before its time(?s:.*)there is no domain|ended before its time"),
        worker(testbed.database, domain="nowhere", once=False) as program,
    ):
        testbed.wait_for_events(1, program)


def test_a_worker_has_the_slots_that_it_is_given_and_a_peak_of_memory(testbed: Testbed) -> None:
    mark = testbed.fresh(60)
    with worker(testbed.database, domain=DOMAIN, concurrency=7, batch_size=7, once=False) as program:
        testbed.wait_for_events(mark + 120, program)
        row = testbed.conn.execute("SELECT engine, concurrency FROM public.e2e_worker").fetchone()
        program.stop()
    assert row == ("native", 7)
    assert 10 < program.peak_mb < 500
    assert testbed.completed(mark) == 60
