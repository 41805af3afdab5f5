"""The invariants hold on whatever there may be, say what they cannot decide, and tell of what breaks them its word."""

from collections.abc import Callable
from datetime import timedelta
from threading import Event, Thread
from uuid import UUID, uuid4

import psycopg
import pytest
from psycopg.rows import dict_row

from bench.history.seed import Wanted, seed
from bench.invariants.check import check
from bench.invariants.rules import Needs, specs
from bench.report.document import MOST_SAMPLES, Rule, RuleWord
from commands.bus.prune import Options, prune, time_before
from tests.support.bus import HandBus
from tests.support.history import complete, pass_time
from tests.support.stories import LIVE, RUN, STRICT, TOLERANT, Stories, limits, mend_one, with_strays

pytestmark = pytest.mark.django_db(transaction=True)

LEDGER = {spec.id for spec in specs() if spec.needs in (Needs.LEDGER, Needs.ALONE)}


def words(rules: list[Rule], word: RuleWord) -> dict[str, str]:
    return {rule.id: rule.why or "; ".join(s.detail for s in rule.samples) for rule in rules if rule.word is word}


@pytest.fixture
def stories(bus: HandBus) -> Stories:
    return Stories(bus)


def test_a_run_without_faults_holds_the_strict_rules(bus: HandBus, stories: Stories) -> None:
    stories.play(*STRICT)
    stories.play(*STRICT, reply=False)
    stories.play_batch("SRC", "SRB", "SRTX", "SRTORC")
    with_strays(stories)
    rules = check(bus.conn, limits(run_id=RUN, quiet=True, strict=True))
    assert [rule.id for rule in rules] == [spec.id for spec in specs()]
    assert words(rules, RuleWord.BROKEN) == {}
    assert words(rules, RuleWord.UNKNOWN) == {}
    assert words(rules, RuleWord.NOT_ASKED).keys() == {"V04"}
    assert all(rule.checked for rule in rules if rule.id not in ("V04", "V05", "V18", "V22"))


def test_a_run_with_faults_holds_the_tolerant_ones(bus: HandBus, stories: Stories) -> None:
    stories.play(*STRICT, *TOLERANT)
    with_strays(stories)
    rules = check(bus.conn, limits(run_id=RUN, quiet=True))
    assert words(rules, RuleWord.BROKEN) == {}
    assert words(rules, RuleWord.UNKNOWN) == {}
    assert words(rules, RuleWord.NOT_ASKED).keys() == {"V03"}
    strict = check(bus.conn, limits(run_id=RUN, quiet=True, strict=True))
    assert {"V03"} <= words(strict, RuleWord.BROKEN).keys() <= {"V03", "V14"}


def test_a_site_is_asked_no_rule_of_ledgers_and_holds_the_others(bus: HandBus, stories: Stories) -> None:
    stories.play(*STRICT, *TOLERANT, *LIVE)
    stories.play_batch("SRC", "S", "SRT")
    mend_one(stories)
    with_strays(stories)
    rules = check(bus.conn, limits())
    assert words(rules, RuleWord.BROKEN) == {}
    assert words(rules, RuleWord.UNKNOWN) == {}
    assert words(rules, RuleWord.NOT_ASKED).keys() == {*LEDGER, "V03"}


def test_what_needs_a_quiet_bus_is_not_decided_while_messages_are_there(bus: HandBus, stories: Stories) -> None:
    stories.play("SRC", "SR")
    undecided = words(check(bus.conn, limits(run_id=RUN)), RuleWord.UNKNOWN)
    assert undecided.keys() == {spec.id for spec in specs() if spec.when == "Q"} == {"L1", "V14", "V20"}
    assert all("in the queue" in why for why in undecided.values())


def test_replies_that_readers_took_are_not_missed_on_a_site(bus: HandBus, stories: Stories) -> None:
    stories.play("SRC", "SRB", "SRTX")
    bus.conn.execute("SELECT pgmq.archive('test__replies', msg_id) FROM pgmq.q_test__replies LIMIT 1")
    assert words(check(bus.conn, limits(run_id=RUN, quiet=True)), RuleWord.BROKEN) == {}
    bus.conn.execute("SELECT pgmq.delete('test__replies', msg_id) FROM pgmq.q_test__replies")
    assert words(check(bus.conn, limits()), RuleWord.BROKEN) == {}
    assert words(check(bus.conn, limits(run_id=RUN, quiet=True)), RuleWord.BROKEN).keys() == {"V15"}


def test_a_made_history_breaks_nothing_and_neither_does_pruning_it(bus: HandBus) -> None:
    sizes = {"commands": 3000, "parked": 150, "failed": 110, "canceled": 100, "waiting": 40, "days": 2, "seed": 7}
    for _ in seed(bus.conn, Wanted(domain="test", **sizes)):
        pass
    rules = check(bus.conn, limits(lease_s=30))
    assert words(rules, RuleWord.BROKEN) == {}
    assert next(rule for rule in rules if rule.id == "V01").checked == 3000
    complete(bus.conn, 300)
    pass_time(bus.conn, 10)
    bus.send()
    with psycopg.connect(bus.url, autocommit=True) as conn:
        old = Options(before=time_before(conn, timedelta(days=11)), domains=("test",))
        assert sum(1 for _ in prune(conn, old)) > 0
    assert bus.value("SELECT count(*) FROM commandbus.command") < 3300
    assert words(check(bus.conn, limits()), RuleWord.BROKEN) == {}


def test_domains_are_checked_apart(bus: HandBus, stories: Stories, orders: str) -> None:
    complete(bus.conn, 5, domain=orders)
    stories.play("SRC", "SR")
    bus.conn.execute("UPDATE commandbus.command SET attempts = 2 WHERE domain = 'test' AND status = 'COMPLETED'")
    assert words(check(bus.conn, limits()), RuleWord.BROKEN).keys() == {"V09"}
    rules = check(bus.conn, limits(domain=orders))
    assert words(rules, RuleWord.BROKEN) == {}
    assert next(rule for rule in rules if rule.id == "V01").checked == 5
    bus.conn.execute("DELETE FROM commandbus.audit WHERE domain = %s AND event_type = 'SENT'", [orders])
    assert "V01" in words(check(bus.conn, limits(domain=orders)), RuleWord.BROKEN)


def test_a_live_domain_raises_no_false_alarm(bus: HandBus, stories: Stories) -> None:
    over, failed = Event(), []

    def work(first: int) -> None:
        mine = Stories(HandBus(bus.url), first=first)
        with mine.bus.conn:
            try:
                while not over.is_set():
                    mine.play("SRC", "SRFRC", "SRT", "SRB", "SRTX")
            except Exception as exc:  # noqa: BLE001  # told below
                failed.append(exc)

    threads = [Thread(target=work, args=[1_000_000 * number]) for number in range(2)]
    for thread in threads:
        thread.start()
    try:
        found = [words(check(bus.conn, limits()), RuleWord.BROKEN) for _ in range(8)]
    finally:
        over.set()
        for thread in threads:
            thread.join(20)
    assert not failed
    assert found == [{}] * 8
    assert bus.value("SELECT count(*) FROM commandbus.command") > 10


def test_it_tells_at_most_so_many_of_those_that_break_a_rule_each_with_its_word(bus: HandBus) -> None:
    ids = complete(bus.conn, MOST_SAMPLES + 8)
    bus.conn.execute("UPDATE commandbus.command SET attempts = 2")
    (broken,) = [rule for rule in check(bus.conn, limits()) if rule.word is RuleWord.BROKEN]
    assert (broken.id, broken.violations, len(broken.samples)) == ("V09", len(ids), MOST_SAMPLES)
    sample = broken.samples[0]
    assert UUID(sample.command_id) in ids
    assert (sample.word, sample.detail) == ("SRC", "2 attempts after SRC")
    assert "bench_story" in broken.sql
    assert "%%" not in broken.sql


def test_it_leaves_nothing_behind_and_works_within_a_transaction_of_its_caller(bus: HandBus, stories: Stories) -> None:
    stories.play("SRC")
    assert words(check(bus.conn, limits()), RuleWord.BROKEN) == {}
    with bus.conn.transaction(force_rollback=True):
        bus.conn.execute("UPDATE commandbus.command SET attempts = 2")
        assert words(check(bus.conn, limits()), RuleWord.BROKEN).keys() == {"V09"}
        assert words(check(bus.conn, limits()), RuleWord.BROKEN).keys() == {"V09"}
    with psycopg.connect(bus.url, row_factory=dict_row) as conn:  # not in autocommit mode
        assert words(check(conn, limits()), RuleWord.BROKEN) == {}
        assert conn.info.transaction_status == psycopg.pq.TransactionStatus.IDLE
    assert bus.rows("SELECT relname FROM pg_class WHERE relname LIKE 'bench\\_%%' AND relpersistence = 't'") == []
    assert bus.value("SELECT setting = reset_val FROM pg_settings WHERE name = 'work_mem'")


@pytest.mark.parametrize("spoilt", ["table", "connection", "time"])
def test_it_never_raises_and_says_why_it_could_not_decide(
    spoilt: str, bus: HandBus, complete_database: Callable[[], str]
) -> None:
    with psycopg.connect(complete_database(), autocommit=True, row_factory=dict_row) as conn:
        asked = limits(seconds=0.0) if spoilt == "time" else limits()
        if spoilt == "table":
            conn.execute("ALTER TABLE commandbus.parked RENAME TO elsewhere")
        if spoilt == "connection":
            conn.close()
        rules = check(conn, asked)
    undecided = words(rules, RuleWord.UNKNOWN)
    assert [rule.id for rule in rules] == [spec.id for spec in specs()]
    assert all(undecided.values())
    if spoilt == "table":
        assert undecided.keys() == {"V25"}
        assert "commandbus.parked" in undecided["V25"]
        assert next(rule for rule in rules if rule.id == "V01").word is RuleWord.HOLDS
    else:
        assert undecided.keys() == {spec.id for spec in specs()}


def test_engine_native_named_its_worker_or_is_not_asked_about_rows(bus: HandBus) -> None:
    """The library's worker names none, and counts attempts in a transaction of its own."""
    command_id = bus.send()
    bus.begin(command_id)
    bus.conn.execute("UPDATE public.test_command SET attempts = 5")
    assert words(check(bus.conn, limits()), RuleWord.BROKEN) == {}
    other = bus.send()
    bus.receive(worker=uuid4())
    bus.conn.execute("UPDATE public.test_command SET attempts = 5 WHERE command_id = %s", [other])
    assert words(check(bus.conn, limits()), RuleWord.BROKEN).keys() == {"V23"}
