"""The sampler counts each event once, whatever commits late; columns, gauges, histograms and what is removed again."""

import math
import random
import threading
import time
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest

from commands.rules.histogram import BUCKETS
from commands.rules.words import EventType
from commands.stats import samples
from settings_app.models import Worker
from tests.support.bus import HandBus, Json, outcome

# Which column counts which events.
COUNTED = {
    "sent": ("SENT",),
    "received": ("RECEIVED",),
    "completed": ("COMPLETED", "OPERATOR_COMPLETE"),
    "retried": ("FAILED",),
    "parked": ("MOVED_TO_TSQ",),
    "failed": ("BUSINESS_RULE_FAILED",),
    "canceled": ("OPERATOR_CANCEL",),
    "late": ("LATE_COMPLETED", "LATE_FAILED"),
}
GAUGES = ("visible", "in_flight", "delayed", "tsq")
SUMS = ", ".join(f"coalesce(sum({name}), 0)::int AS {name}" for name in COUNTED)


def sample(bus: HandBus, *, sampler: str = "a", most: int = 200_000) -> Json:
    answer: Json = bus.value("SELECT commandbus.take_sample(%s, %s, %s)", [sampler, Worker.SILENCE, most])
    return answer


def write(conn: psycopg.Connection[Any], count: int = 1, event: str = "SENT", domain: str = "test") -> None:
    conn.execute(
        "INSERT INTO commandbus.audit (domain, command_id, event_type)"
        " SELECT %s, gen_random_uuid(), %s FROM generate_series(1, %s)",
        [domain, event, count],
    )


def sampled(bus: HandBus, domain: str = "test", width: int = 1) -> Json:
    """What all columns of a width say together."""
    return bus.rows(f"SELECT {SUMS} FROM e2e_sample WHERE domain = %s AND width_s = %s", [domain, width])[0]


def happened(bus: HandBus, domain: str = "test") -> Json:
    """What the audit says."""
    rows = bus.rows("SELECT event_type, count(*) AS n FROM commandbus.audit WHERE domain = %s GROUP BY 1", [domain])
    counts = Counter({row["event_type"]: row["n"] for row in rows})
    return {name: sum(counts[event] for event in events) for name, events in COUNTED.items()}


def newest(bus: HandBus, domain: str = "test") -> Json:
    return bus.rows("SELECT * FROM e2e_sample WHERE domain = %s AND width_s = 1 ORDER BY at DESC LIMIT 1", [domain])[0]


def go_back(bus: HandBus, seconds: float) -> None:
    """As if the sampler had sampled last so many seconds ago."""
    bus.conn.execute(
        "UPDATE e2e_sampler SET sampled_at = sampled_at - make_interval(secs => %(s)s),"
        " counted_at = counted_at - make_interval(secs => %(s)s)",
        {"s": seconds},
    )


# -- each event once --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(4))
def test_each_event_is_counted_once_in_whatever_order_transactions_end(bus: HandBus, seed: int) -> None:
    dice = random.Random(seed)  # noqa: S311
    writers = [bus.connect() for _ in range(6)]
    greatest = by_greatest = 0  # what "above the greatest id that was seen" counts: too little
    for _ in range(250):
        writer, step = dice.choice(writers), dice.random()
        if step < 0.5:
            write(writer, dice.randint(1, 4), dice.choice(list(EventType)))
        elif step < 0.72:
            writer.commit()
        elif step < 0.8:
            writer.rollback()
        else:
            sample(bus)
            by_greatest += bus.value("SELECT count(*) FROM commandbus.audit WHERE audit_id > %s", [greatest])
            greatest = bus.value("SELECT coalesce(max(audit_id), 0) FROM commandbus.audit")
    for writer in writers:
        writer.commit()
        writer.close()
    by_greatest += bus.value("SELECT count(*) FROM commandbus.audit WHERE audit_id > %s", [greatest])
    assert by_greatest < bus.value("SELECT count(*) FROM commandbus.audit")
    while sample(bus)["held_s"]:
        pass
    assert sampled(bus) == happened(bus)
    assert sum(happened(bus).values()) > 50


def test_each_event_is_counted_once_while_many_write_and_two_samplers_take_turns(bus: HandBus) -> None:
    stop = threading.Event()

    def run(work: Callable[[psycopg.Connection[Any], random.Random], None], seed: int) -> None:
        dice = random.Random(seed)  # noqa: S311
        with psycopg.connect(bus.url, autocommit=True) as conn:
            while not stop.is_set():
                work(conn, dice)

    def write_slowly(conn: psycopg.Connection[Any], dice: random.Random) -> None:
        with conn.transaction():
            write(conn, dice.randint(1, 200), dice.choice(["SENT", "RECEIVED", "COMPLETED"]))
            time.sleep(dice.choice([0, 0, 0.002, 0.05]))

    def take(conn: psycopg.Connection[Any], dice: random.Random) -> None:
        conn.execute("SELECT commandbus.take_sample('both', '10 s', %s)", [dice.choice([50, 1000, 200_000])])

    threads = [threading.Thread(target=run, args=(write_slowly, seed)) for seed in range(5)]
    threads += [threading.Thread(target=run, args=(take, seed)) for seed in (10, 11)]
    for thread in threads:
        thread.start()
    time.sleep(1.5)
    stop.set()
    for thread in threads:
        thread.join()
    while (answer := sample(bus, sampler="both"))["held_s"] or answer["behind"]:
        pass
    assert sampled(bus) == happened(bus)
    assert sum(happened(bus).values()) > 1000
    assert bus.value("SELECT count(*) FROM e2e_sample") < 10


def test_an_open_transaction_that_wrote_events_delays_what_came_after_it_and_loses_nothing(bus: HandBus) -> None:
    sample(bus)
    with bus.connect() as slow:
        write(slow)
        write(bus.conn, 5)
        go_back(bus, 20)
        assert [sample(bus)["counted"] for _ in range(3)] == [0, 0, 0]
        assert sample(bus)["held_s"] > 0
        assert sampled(bus)["sent"] == 0
        held = bus.rows("SELECT * FROM e2e_sampler")[0]
        assert held["sampled_at"] - held["counted_at"] >= held["sampled_at"] - held["horizon_at"]
        slow.commit()
    assert sample(bus)["counted"] == 6
    assert sampled(bus)["sent"] == 6
    # Its column stands for the whole time.
    assert 20 < bus.value("SELECT sum(seconds) FROM e2e_sample WHERE width_s = 1") < 40


def test_an_open_transaction_that_wrote_no_event_delays_nothing(bus: HandBus) -> None:
    sample(bus)
    with bus.connect() as other:
        other.execute("UPDATE e2e_config SET concurrency = 5")
        assert other.execute("SELECT pg_current_xact_id_if_assigned() AS x").fetchone() != {"x": None}
        write(bus.conn, 5)
        assert sample(bus)["counted"] == 5
        other.rollback()


def test_more_events_than_one_sample_counts_are_counted_by_the_next_ones(bus: HandBus) -> None:
    sample(bus)
    write(bus.conn, 35)
    go_back(bus, 70)
    answers = [sample(bus, most=10) for _ in range(4)]
    assert [(answer["counted"], answer["behind"]) for answer in answers] == [
        (10, True), (10, True), (10, True), (5, False),
    ]  # fmt: skip
    assert answers[0]["due_ms"] < 500
    assert sampled(bus)["sent"] == 35
    assert bus.value("SELECT sum(seconds) FROM e2e_sample WHERE width_s = 1") == pytest.approx(71, abs=2)


def test_after_a_gap_a_column_says_for_how_long_its_counts_stand(bus: HandBus) -> None:
    sample(bus)
    go_back(bus, 60)
    bus.conn.execute("UPDATE e2e_sample SET at = at - interval '60 s' WHERE width_s = 1")
    write(bus.conn, 7)
    sample(bus)
    row = newest(bus)
    assert row["sent"] == 7
    assert row["seconds"] == pytest.approx(60, abs=2)


def test_events_of_an_emptied_table_are_counted_from_the_first(bus: HandBus) -> None:
    write(bus.conn, 20)
    sample(bus)
    bus.conn.execute("TRUNCATE commandbus.audit RESTART IDENTITY")
    write(bus.conn, 3)
    assert sample(bus)["counted"] == 3
    assert sampled(bus)["sent"] == 23


def test_events_of_each_domain_are_counted_apart(bus: HandBus, orders: str) -> None:
    write(bus.conn, 2)
    write(bus.conn, 3, domain=orders)
    write(bus.conn, 4, domain="elsewhere")
    sample(bus)
    assert (sampled(bus)["sent"], sampled(bus, orders)["sent"]) == (2, 3)
    assert bus.value("SELECT count(DISTINCT domain) FROM e2e_sample") == 2


def test_a_domain_without_a_queue_keeps_no_other_from_being_sampled(bus: HandBus, orders: str) -> None:
    bus.conn.execute("ALTER TABLE pgmq.q_orders__commands RENAME TO gone")
    write(bus.conn, 2, domain=orders)
    bus.send()
    sample(bus)
    bus.conn.execute("ALTER TABLE pgmq.gone RENAME TO q_orders__commands")
    assert (newest(bus)["visible"], newest(bus, orders)["visible"], newest(bus, orders)["sent"]) == (1, 0, 2)


def test_without_a_snapshot_for_each_statement_it_refuses(bus: HandBus) -> None:
    with bus.connect() as conn:
        conn.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        with pytest.raises(psycopg.errors.InvalidTransactionState, match="READ COMMITTED"):
            conn.execute("SELECT commandbus.take_sample('a', '10 s')")


# -- whose turn it is -------------------------------------------------------------------------------------------------


def test_another_takes_over_once_the_one_that_samples_is_silent(bus: HandBus) -> None:
    assert sample(bus, sampler="a")["sampled"]
    assert sample(bus, sampler="b") == {"sampled": False, "sampler": "a"}
    go_back(bus, 2.6)
    assert sample(bus, sampler="b")["sampled"]
    assert not sample(bus, sampler="a")["sampled"]


def test_another_takes_over_at_once_where_it_stopped_in_order(bus: HandBus) -> None:
    sample(bus, sampler="a")
    bus.conn.execute("SELECT commandbus.stop_sampling('b')")
    assert not sample(bus, sampler="b")["sampled"]
    bus.conn.execute("SELECT commandbus.stop_sampling('a')")
    assert sample(bus, sampler="b")["sampled"]


def test_a_sample_that_is_being_taken_is_not_waited_for(bus: HandBus) -> None:
    with bus.connect() as other:
        other.execute("SELECT commandbus.take_sample('a', '10 s')")
        assert not sample(bus, sampler="a")["sampled"]


# -- how it stands ----------------------------------------------------------------------------------------------------


def stand(bus: HandBus, *, look: bool = True) -> tuple[int, ...]:
    if look:
        bus.conn.execute("UPDATE e2e_sampler_look SET next_at = clock_timestamp()")
    sample(bus)
    return tuple(newest(bus)[name] for name in GAUGES)


def test_messages_that_wait_run_and_wait_for_a_retry_and_what_is_parked(bus: HandBus) -> None:
    assert stand(bus) == (0, 0, 0, 0)
    assert newest(bus)["oldest_s"] is None
    ids = [bus.send() for _ in range(5)]
    assert stand(bus) == (5, 0, 0, 0)
    assert 0 <= newest(bus)["oldest_s"] < 30
    begun = bus.receive(3)["commands"]
    assert stand(bus) == (2, 3, 0, 0)
    first, second, third = (command_id for command_id in ids if command_id in begun)
    bus.finish(outcome(first, begun[first], "transient", delay_ms=600_000), outcome(second, begun[second], "permanent"))
    assert stand(bus) == (2, 1, 1, 1)
    bus.finish(outcome(third, begun[third]))
    assert stand(bus) == (2, 0, 1, 1)


def test_between_two_looks_what_it_knows_is_carried_forward_by_what_it_counts(bus: HandBus) -> None:
    ids = [bus.send() for _ in range(6)]
    attempts = bus.receive(3)["commands"]
    assert stand(bus) == (3, 3, 0, 0)
    bus.conn.execute("UPDATE e2e_sampler_look SET next_at = clock_timestamp() + interval '1 minute'")
    done, parked, failed = attempts
    bus.finish(
        outcome(done, attempts[done]),
        outcome(parked, attempts[parked], "permanent"),
        outcome(failed, attempts[failed], "business_rule"),
    )
    bus.send()
    waiting, _, _, tsq = stand(bus, look=False)
    assert (waiting, tsq) == (len(ids) + 1 - 3 - 3, 1)  # three have left, and it does not know yet that they ran
    assert stand(bus) == (4, 0, 0, 1)


def test_the_longer_a_look_takes_the_later_is_the_next(bus: HandBus) -> None:
    bus.conn.execute(
        "INSERT INTO pgmq.q_test__commands (vt, message)"
        " SELECT clock_timestamp(), jsonb_build_object('n', n) FROM generate_series(1, 40000) n"
    )
    assert stand(bus)[0] == 40_000
    assert bus.value("SELECT next_at > clock_timestamp() + interval '0.4 s' FROM e2e_sampler_look")
    write(bus.conn, 2)
    assert stand(bus, look=False)[0] == 40_002


def test_of_very_many_hidden_messages_some_tell_which_run(bus: HandBus) -> None:
    bus.conn.execute(
        """
        WITH m AS (
            INSERT INTO pgmq.q_test__commands (vt, message)
            SELECT clock_timestamp() + interval '1 hour', jsonb_build_object('command_id', gen_random_uuid())
            FROM generate_series(1, 4000) RETURNING msg_id, message)
        INSERT INTO commandbus.audit (domain, command_id, event_type)
        SELECT 'test', (message ->> 'command_id')::uuid,
               CASE WHEN msg_id / 4 % 4 = 0 THEN 'RECEIVED' ELSE 'FAILED' END
        FROM m
        """
    )
    sample(bus)
    assert bus.value("SELECT every_nth FROM e2e_sampler_look") == 5
    waiting, running, delayed, _ = stand(bus)
    assert (waiting, running + delayed) == (0, 4000)
    assert 800 < running < 1200


def test_live_workers_of_the_domain_are_counted(bus: HandBus) -> None:
    bus.conn.execute(
        """
        INSERT INTO e2e_worker (host, pid, engine, queue_name, settings_version, concurrency, beat_at, stopped_at)
        SELECT 'here', n, 'native', queue, 1, 4, clock_timestamp() - age * interval '1 s',
               CASE WHEN stopped THEN clock_timestamp() END
        FROM (VALUES (1, 'test__commands', 0, FALSE), (2, 'test__commands', 8, FALSE), (3, 'test__commands', 12, FALSE),
                     (4, 'test__commands', 0, TRUE), (5, 'orders__commands', 0, FALSE)) w (n, queue, age, stopped)
        """
    )
    sample(bus)
    assert newest(bus)["workers"] == 2


# -- waiting and running ----------------------------------------------------------------------------------------------


def bucket_of(milliseconds: float) -> int:
    """The bucket that counts such a duration, as `commands.rules.histogram` reads them."""
    if milliseconds < 1:
        return 0
    return min(BUCKETS - 1, math.floor(math.log2(milliseconds) * 4) + 1)


def test_the_buckets_are_those_of_python(bus: HandBus) -> None:
    dice = random.Random(1)  # noqa: S311
    times = [0.0, 0.001, 0.999, 1e12]
    times += [2.0**power + step for power in range(40) for step in (-0.001, 0.0, 0.001)]
    times += [round(2 ** (n / 4), 3) + step for n in range(BUCKETS + 2) for step in (-0.001, 0.0, 0.001)]
    times += [round(2 ** dice.uniform(-2, 30), 3) for _ in range(2000)]
    in_sql = bus.value(
        "SELECT array_agg(commandbus.duration_bucket(ms) ORDER BY n) "
        " FROM unnest(%s::float8[]) WITH ORDINALITY t (ms, n)",
        [times],
    )
    assert in_sql == [bucket_of(ms) for ms in times]


def picked_ids(bus: HandBus, count: int) -> list[UUID]:
    """Ids of commands that are among the sampled ones."""
    found: list[UUID] = []
    while len(found) < count:
        rows = bus.rows(
            "SELECT id FROM (SELECT gen_random_uuid() AS id FROM generate_series(1, 2000)) g"
            " WHERE uuid_hash(id) & 63 = 0"
        )
        found += [row["id"] for row in rows]
    return found[:count]


def tell(bus: HandBus, command_id: UUID, *events: tuple[str, int]) -> None:
    """Events of a command, each so many ms after the one before."""
    at = 0
    for event, after in events:
        at += after
        bus.conn.execute(
            "INSERT INTO commandbus.audit (domain, command_id, event_type, ts)"
            " VALUES ('test', %s, %s, '2026-01-01'::timestamptz + %s * interval '1 ms')",
            [command_id, event, at],
        )


def counts_of(*milliseconds: float) -> list[int]:
    buckets = Counter(map(bucket_of, milliseconds))
    return [buckets[number] for number in range(max(buckets) + 1)]


def test_waiting_and_running_times_of_every_64th_command(bus: HandBus) -> None:
    plain, retried, late, parked = picked_ids(bus, 4)
    tell(bus, plain, ("SENT", 0), ("RECEIVED", 5), ("COMPLETED", 40))
    tell(bus, retried, ("SENT", 0), ("RECEIVED", 700), ("FAILED", 3), ("RECEIVED", 9000), ("BUSINESS_RULE_FAILED", 90))
    # The attempt that came too late is not the one that the end belongs to.
    tell(bus, late, ("SENT", 0), ("RECEIVED", 0), ("RECEIVED", 30_000), ("LATE_COMPLETED", 5), ("COMPLETED", 195))
    tell(bus, parked, ("SENT", 0), ("RECEIVED", 5), ("FAILED", 20), ("MOVED_TO_TSQ", 60_000), ("OPERATOR_CANCEL", 9))
    others = [uuid4() for _ in range(20)]
    unpicked = bus.rows("SELECT id FROM unnest(%s::uuid[]) AS u (id) WHERE uuid_hash(id) & 63 <> 0", [others])
    for row in unpicked:
        tell(bus, row["id"], ("SENT", 0), ("RECEIVED", 100_000), ("COMPLETED", 100_000))
    sample(bus)
    row = newest(bus)
    assert row["waiting"] == counts_of(5, 700, 0, 5)
    assert row["running"] == counts_of(40, 3, 90, 200, 20)
    assert row["completed"] == 2 + len(unpicked)


def test_histograms_of_two_samples_of_one_second_add_up(bus: HandBus) -> None:
    assert bus.value("SELECT commandbus.add_counts('{1,2}', '{1,0,4}')") == [2, 2, 4]
    assert bus.value("SELECT commandbus.add_counts('{}', '{}')") == []


# -- columns ----------------------------------------------------------------------------------------------------------


def fill_seconds(bus: HandBus, begin: int, end: int, seed: int) -> None:
    """A column for each second, but for a gap."""
    dice = random.Random(seed)  # noqa: S311
    for second in range(begin, end):
        if second % 60 in (33, 34):
            continue
        values = {name: dice.randint(0, 50) for name in (*COUNTED, *GAUGES, "workers")}
        histograms = {name: [dice.randint(0, 3) for _ in range(dice.randint(0, 6))] for name in ("waiting", "running")}
        names = ", ".join([*values, *histograms])
        bus.conn.execute(
            f"INSERT INTO e2e_sample (domain, width_s, at, seconds, oldest_s, first_audit, last_audit, {names})"
            f" VALUES ('test', 1, to_timestamp(%s), 1, %s, %s, %s, {', '.join(['%s'] * 15)})",
            [second, dice.choice([None, 1.5, 3]), second, second + 1, *values.values(), *histograms.values()],
        )


def test_what_is_over_is_rolled_up_and_an_open_minute_and_hour_are_nearly_as_new(bus: HandBus) -> None:
    begin = 1_800_000_000 // 3600 * 3600 + 3540  # the last minute of an hour
    end = begin + 155
    fill_seconds(bus, begin, end, seed=7)
    for second in range(begin, end):
        bus.conn.execute(
            "SELECT commandbus.roll_up_over('test', to_timestamp(%s), to_timestamp(%s))", [second, second + 1]
        )
    columns = {10: range(begin, end - 10, 10), 60: range(begin, end, 60), 3600: (begin - 3540, begin + 60)}
    seen = {10: end, 60: end - end % 10, 3600: end - end % 60}  # up to where each is as the seconds are
    for width, beginnings in columns.items():
        rows = bus.rows("SELECT * FROM e2e_sample WHERE width_s = %s ORDER BY at", [width])
        assert [int(row["at"].timestamp()) for row in rows] == list(beginnings)
        for row in rows:
            start = int(row["at"].timestamp())
            seconds = bus.rows(
                "SELECT * FROM e2e_sample WHERE width_s = 1 AND at >= to_timestamp(%s) AND at < to_timestamp(%s)",
                [start, min(start + width, seen[width])],
            )
            assert {name: row[name] for name in (*COUNTED, "seconds")} == {
                name: sum(second[name] for second in seconds) for name in (*COUNTED, "seconds")
            }
            assert {name: row[name] for name in GAUGES} == {
                name: max(second[name] for second in seconds) for name in GAUGES
            }
            assert row["workers"] == min(second["workers"] for second in seconds)
            assert row["oldest_s"] == max(second["oldest_s"] or 0 for second in seconds)
            assert (row["first_audit"], row["last_audit"]) == (
                min(second["first_audit"] for second in seconds), max(second["last_audit"] for second in seconds),
            )  # fmt: skip
            for name in ("waiting", "running"):
                longest = max(len(second[name]) for second in seconds)
                assert row[name] == [
                    sum(second[name][n] for second in seconds if len(second[name]) > n) for n in range(longest)
                ]


def test_a_sample_rolls_up_the_column_of_the_one_before(bus: HandBus) -> None:
    write(bus.conn, 3)
    sample(bus)
    bus.conn.execute("UPDATE e2e_sample SET at = at - interval '40 min'")
    go_back(bus, 2400)
    write(bus.conn, 4)
    sample(bus)
    assert [sampled(bus, width=width)["sent"] for width in (1, 10, 60, 3600)] == [7, 3, 3, 3]


def test_old_columns_go_a_few_at_a_time(bus: HandBus) -> None:
    sample(bus)
    bus.conn.execute("DELETE FROM e2e_sample")
    ages = {1: 3600, 10: 86_400, 60: 7 * 86_400, 3600: 90 * 86_400}
    for width, age in ages.items():
        bus.conn.execute(
            """
            INSERT INTO e2e_sample (domain, width_s, at, seconds, visible, in_flight, delayed, tsq, workers, sent,
                received, completed, retried, parked, failed, canceled, late, first_audit, last_audit)
            SELECT 'test', %(width)s, clock_timestamp() - make_interval(secs => %(age)s + n),
                1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0
            FROM generate_series(-5, 25) n
            """,
            {"width": width, "age": age},
        )
    left = "SELECT array_agg(n ORDER BY width_s) FROM (SELECT width_s, count(*)::int AS n FROM e2e_sample GROUP BY 1) c"
    forget = "SELECT commandbus.forget_samples(clock_timestamp() - interval '1 s', 10)"
    for expected in ([21] * 4, [11] * 4):
        bus.conn.execute(forget)
        assert bus.value(left) == expected
    for _ in range(2):
        bus.conn.execute(forget)
    assert all(5 <= number <= 8 for number in bus.value(left))


def test_the_database_is_looked_at_every_10_seconds(bus: HandBus) -> None:
    sample(bus)
    before = bus.rows("SELECT * FROM e2e_database_sample ORDER BY width_s")
    assert [row["width_s"] for row in before] == [10, 60, 3600]
    assert all(row["size_bytes"] > 1_000_000 for row in before)
    bus.conn.execute("UPDATE e2e_database_sample SET size_bytes = 2^60, wal_bytes = 0")
    go_back(bus, 10)
    sample(bus)
    rows = bus.rows("SELECT * FROM e2e_database_sample WHERE width_s = 3600")
    assert (rows[0]["size_bytes"], rows[0]["wal_bytes"] > 0) == (2**60, True)


# -- what viewers read -------------------------------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
def test_viewers_read_columns_the_newest_second_and_who_samples(bus: HandBus) -> None:
    assert samples.latest() is None
    assert samples.database_latest() is None
    assert samples.sampler().is_silent
    write(bus.conn, 3)
    (plain,) = picked_ids(bus, 1)
    tell(bus, plain, ("SENT", 0), ("RECEIVED", 5), ("COMPLETED", 40))
    sample(bus, sampler="here:1")
    latest, sampler, database = samples.latest(), samples.sampler(), samples.database_latest()
    assert latest is not None
    assert (latest.sent, latest.received, latest.completed, latest.waiting.total) == (4, 1, 1, 1)
    assert latest.running.percentile(0.5) == pytest.approx(40, rel=0.2)
    assert (sampler.sampler, sampler.is_silent, sampler.counted_at) == ("here:1", False, sampler.at)
    since, until = latest.at, latest.at + timedelta(seconds=1)
    assert samples.series([samples.Span(width_s=1, since=since, until=until)]) == [[latest]]
    assert samples.series([samples.Span(width_s=1, since=since - timedelta(hours=1), until=since)]) == [[]]
    assert database is not None
    assert samples.database_series(since=database.at, until=until + timedelta(seconds=9), width_s=10) == [database]
