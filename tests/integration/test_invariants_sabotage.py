"""An engine that is broken on purpose turns the right invariants red and no others; whole, it turns none.

Each in a database of its own, whose SQL function is changed in one place. e2e/test_invariants_hasty.py does the same
with a worker that acknowledges too early.
"""

from collections.abc import Callable, Iterator

import pytest

from bench.invariants.check import check
from bench.report.document import RuleWord
from tests.support.bus import HandBus, outcome
from tests.support.stories import RUN, STRICT, TOLERANT, Stories, limits

REPLIES = 3000
BATCH = 500

FENCE = """c.status IN ('PENDING', 'IN_PROGRESS') AND c.msg_id = o.msg_id
                            AND (o.kind = 'success' OR c.attempts = o.attempt) AND"""
DELIVERIES = "c.attempts < c.max_attempts\n"
REPLYING = "WHERE reply_queue = 'test__replies'"


class Database:
    """A database of one test, with an engine that may be broken."""

    def __init__(self, url: str) -> None:
        self.bus = HandBus(url)
        self.stories = Stories(self.bus)

    def break_engine(self, function: str, whole: str, broken: str) -> None:
        """Put ``broken`` for the one place of a function of domain ``test`` that says ``whole``."""
        text = self.bus.value("SELECT pg_get_functiondef(p.oid) FROM pg_proc p WHERE proname = %s", [function])
        assert text.count(whole) == 1
        self.bus.conn.execute(text.replace(whole, broken))

    def red(self) -> dict[str, set[str]]:
        """What is broken, and the words of those that break it; nothing may be undecided."""
        rules = check(self.bus.conn, limits(run_id=RUN, quiet=True))
        assert [rule.id for rule in rules if rule.word is RuleWord.UNKNOWN] == []
        return {r.id: {sample.word for sample in r.samples} for r in rules if r.word is RuleWord.BROKEN}


@pytest.fixture
def database(complete_database: Callable[[], str]) -> Iterator[Database]:
    made = Database(complete_database())
    with made.bus.conn:
        yield made


def test_a_finish_without_its_fence(database: Database) -> None:
    # No operator acts on what came back from the troubleshooting queue: that would be refused.
    words = [*STRICT, *(word for word in TOLERANT if word != "SRRRTcOX")]
    database.stories.play(*words)
    assert database.red() == {}
    database.break_engine("finish_test", FENCE, "TRUE AND")
    database.stories.play(*words)
    red = database.red()
    again = {"SRRCF", "SRRTF", "SRRBF"}  # a final command runs again, without a message
    ended = {"SRRCC", "SRRFRTC", "SRRRTCCC", "SRRRTTT", "SRRRTKC"}
    assert red.keys() == {"L1", "V04", "V06", "V15", "V17", "V19", "V24"}
    assert red["L1"] == red["V06"] == again
    assert red["V04"] == again | ended
    assert red["V15"] == {"SRRCF", "SRRBF", "SRRCC", "SRRRTCCC", "SRRRTKC"}
    assert red["V17"] == {"SRRFC", "SRRTF", "SRRBF"}  # an attempt failed, and the next one had begun already
    assert red["V19"] == {"SRRCF", "SRRBF"}
    assert red["V24"] == {"SRRCF"}


def test_deliveries_without_an_end(database: Database) -> None:
    words = ("SRRRRRC", "SRC", "SRFRC", "SRT")
    database.stories.play(*words)
    assert database.red() == {}  # the fourth delivery was not handed out
    database.break_engine("receive_test", DELIVERIES, "TRUE\n")
    database.stories.play(*words)
    assert database.red() == {"V11": {"SRRRRRC"}}


@pytest.mark.parametrize("lost", [0, 3])
def test_one_reply_in_a_thousand_that_is_lost(lost: int, database: Database) -> None:
    bus = database.bus
    if lost:
        bus.conn.execute("CREATE SEQUENCE public.replies_sent")
        database.break_engine("finish_test", REPLYING, f"{REPLYING} AND nextval('public.replies_sent') % 1000 <> 0")
    bus.conn.execute(
        """
        SELECT commandbus.send_commands('test', 'TestCommand', (
            SELECT jsonb_agg(jsonb_build_array(gen_random_uuid(), '{"type": "success"}'::jsonb, '{}'::jsonb))
            FROM generate_series(1, %s)), 3, 'test__replies')
        """,
        [REPLIES],
    )
    bus.conn.execute(
        """
        INSERT INTO public.bench_send (run_id, number, command_id, kind, intended_at, sent_at, outcome)
        SELECT %s, row_number() OVER (), command_id, 'success', now(), now(), 'acknowledged' FROM commandbus.command
        """,
        [RUN],
    )
    while begun := bus.receive(BATCH, worker=database.stories.worker)["commands"]:
        bus.conn.execute(
            """
            INSERT INTO public.bench_execution
            SELECT %s, command_id, msg_id, 1, 'w1', 1, clock_timestamp(), clock_timestamp(), 'ok'
            FROM unnest(%s::uuid[], %s::bigint[]) b (command_id, msg_id)
            """,
            [RUN, list(begun), [attempt["msg_id"] for attempt in begun.values()]],
        )
        bus.finish(*(outcome(command_id, attempt, result={}) for command_id, attempt in begun.items()))
    rules = check(bus.conn, limits(run_id=RUN, quiet=True, strict=True))
    assert {rule.id: rule.violations for rule in rules if rule.violations} == ({"V15": lost} if lost else {})
    assert next(rule for rule in rules if rule.id == "V15").checked == REPLIES
