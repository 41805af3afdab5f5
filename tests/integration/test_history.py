"""manage.py seed_history: a made history is what the bus would have written, and the bus goes on with it."""

import json
from collections.abc import Callable
from itertools import pairwise
from typing import Any, LiteralString
from uuid import uuid4

import psycopg
import pytest
from django.core.management import CommandError, call_command
from django.test import Client
from pytest_django.fixtures import Settings

from bench.history.seed import BULK, Wanted, seed
from commands.bus.bulk import NewCommand, send_chunk
from commands.rules.behaviors import Behavior
from commands.rules.words import LETTERS
from tests.support.bus import HandBus, outcome

pytestmark = pytest.mark.django_db(transaction=True)

WANTED = {"COMPLETED": 5600, "IN_TROUBLESHOOTING_QUEUE": 150, "FAILED": 110, "CANCELED": 100, "waiting": 40}
Seeded = Callable[..., None]

# Each must find nothing. ``s``: the commands, each with its events as a word, and when the first and the last came.
STORIES = """
    CREATE TEMPORARY TABLE s ON COMMIT DROP AS
    SELECT c.*, word, sent, ended FROM commandbus.command c JOIN (
        SELECT command_id, min(ts) AS sent, max(ts) AS ended,
               string_agg(%s::jsonb ->> event_type, '' ORDER BY audit_id) AS word
        FROM commandbus.audit WHERE event_type NOT LIKE 'LATE%%' GROUP BY command_id) e USING (command_id)
"""
BROKEN: dict[str, LiteralString] = {
    "the status is that of the last event": """
        SELECT command_id, status, word FROM s WHERE status <> CASE right(word, 1)
            WHEN 'S' THEN 'PENDING' WHEN 'C' THEN 'COMPLETED' WHEN 'K' THEN 'COMPLETED' WHEN 'X' THEN 'CANCELED'
            WHEN 'B' THEN 'FAILED' WHEN 'T' THEN 'IN_TROUBLESHOOTING_QUEUE' ELSE 'IN_PROGRESS' END""",
    "attempts are those received, since the last retry and over the command's life": """
        SELECT s.command_id, word, s.attempts, t.attempts FROM s JOIN public.test_command t USING (command_id)
        WHERE s.attempts <> length(regexp_replace(regexp_replace(word, '.*O', ''), '[^R]', '', 'g'))
           OR t.attempts <> length(regexp_replace(word, '[^R]', '', 'g'))""",
    "a result for each that completed": """
        SELECT s.command_id FROM s JOIN public.test_command t USING (command_id)
        WHERE (status = 'COMPLETED') <> (result IS NOT NULL) OR (status = 'COMPLETED') <> (processed_at IS NOT NULL)""",
    "the troubleshooting queue holds what the trigger would have put there": """
        SELECT command_id, c.msg_id, c.attempts, last_error_type, last_error_code, behavior ->> 'type', updated_at
        FROM commandbus.command c JOIN public.test_command t USING (command_id)
        WHERE status = 'IN_TROUBLESHOOTING_QUEUE'
        EXCEPT
        SELECT command_id, msg_id, attempts, error_type, error_code, behavior, parked_at FROM commandbus.parked""",
    "only what is parked is in the troubleshooting queue": """
        SELECT command_id, status FROM s JOIN commandbus.parked USING (command_id)
        WHERE status <> 'IN_TROUBLESHOOTING_QUEUE'""",
    "what waits has its message in the queue, what no worker completed in the archive": """
        SELECT s.command_id, status FROM s
        LEFT JOIN pgmq.a_test__commands a ON a.msg_id = s.msg_id AND a.message ->> 'command_id' = s.command_id::TEXT
        LEFT JOIN pgmq.q_test__commands q ON q.msg_id = s.msg_id AND q.message ->> 'command_id' = s.command_id::TEXT
        WHERE (word ~ '[TBXK]$') <> (a.msg_id IS NOT NULL) OR (word ~ '[SRF]$') <> (q.msg_id IS NOT NULL)""",
    "a message is in one place": """
        SELECT msg_id FROM (
            SELECT msg_id FROM pgmq.a_test__commands UNION ALL SELECT msg_id FROM pgmq.q_test__commands) m
        GROUP BY msg_id HAVING count(*) > 1""",
    "a message is of one command": """
        SELECT msg_id FROM commandbus.command GROUP BY msg_id HAVING count(*) > 1""",
    "one reply for each that ended and asked for one": """
        SELECT command_id, n FROM (
            SELECT command_id FROM s WHERE reply_queue <> '' AND word ~ '[CKBX]$') s
        FULL JOIN (
            SELECT (message ->> 'command_id')::UUID AS command_id, count(*) AS n, TRUE AS replied
            FROM pgmq.q_test__replies GROUP BY 1) r USING (command_id)
        WHERE n IS DISTINCT FROM 1 OR (s.*) IS NULL""",
    "events stand in the order of time": """
        SELECT audit_id FROM (
            SELECT audit_id, ts, lag(ts) OVER (ORDER BY audit_id) AS before FROM commandbus.audit) a
        WHERE ts < before OR ts > clock_timestamp()""",
    "ids grow with time": """
        SELECT id FROM (
            SELECT id, command_id, lag(command_id) OVER (ORDER BY id) AS before FROM public.test_command) t
        WHERE command_id <= before""",
    "created when it was sent, updated when its status came": """
        SELECT command_id FROM s WHERE updated_at <> ended OR created_at <> sent""",
    "the operations did what their events say": """
        SELECT o.operation_id FROM public.e2e_operation o
        LEFT JOIN (
            SELECT (details_json ->> 'operation')::BIGINT AS operation_id, count(*) AS n, min(ts) AS began,
                   max(ts) AS ended
            FROM commandbus.audit WHERE details_json ? 'operation' GROUP BY 1) e USING (operation_id)
        WHERE n IS DISTINCT FROM done OR done <> wanted OR began < started_at OR e.ended > o.ended_at""",
}


@pytest.fixture
def conn(bus: HandBus) -> "psycopg.Connection[dict[str, Any]]":
    return bus.conn


@pytest.fixture
def seeded(conn: "psycopg.Connection[dict[str, Any]]") -> Seeded:
    """Writes a history into the test database."""

    def write(*, add: bool = False, **changes: int) -> None:
        sizes = {
            "commands": sum(WANTED.values()), "parked": WANTED["IN_TROUBLESHOOTING_QUEUE"], "failed": WANTED["FAILED"],
            "canceled": WANTED["CANCELED"], "waiting": WANTED["waiting"], "days": 2, "seed": 7, **changes,
        }  # fmt: skip
        for _ in seed(conn, Wanted(domain="test", **sizes), add=add):
            pass

    return write


def test_it_has_what_was_asked_for_and_agrees_with_itself(bus: HandBus, seeded: Seeded) -> None:
    seeded()
    counts = {
        row["status"]: row["n"] for row in bus.rows("SELECT status, count(*) AS n FROM commandbus.command GROUP BY 1")
    }
    counts["waiting"] = counts.pop("PENDING") + counts.pop("IN_PROGRESS")
    assert counts == WANTED
    with bus.conn.transaction():
        bus.conn.execute(STORIES, [json.dumps(LETTERS)])
        found = {name: bus.rows(query) for name, query in BROKEN.items()}
        assert not {name: rows[:3] for name, rows in found.items() if rows}
    bulks = bus.rows("SELECT count(*) AS n FROM commandbus.command GROUP BY correlation_id ORDER BY n DESC")
    assert [row["n"] for row in bulks] == [BULK, sum(WANTED.values()) - BULK]
    # Numbers of messages go on behind the last one.
    newest = bus.value("SELECT max(msg_id) FROM commandbus.command")
    assert bus.send_message({}) == newest + 1


def test_every_event_and_message_has_the_keys_that_the_bus_writes(bus: HandBus, seeded: Seeded) -> None:
    keys = """
        SELECT event_type AS of, array_agg(DISTINCT k.keys) AS keys FROM commandbus.audit
        CROSS JOIN LATERAL (SELECT string_agg(key, ' ' ORDER BY key) AS keys FROM jsonb_object_keys(details_json) key) k
        GROUP BY 1
        UNION ALL SELECT message ->> 'outcome', array_agg(DISTINCT k.keys) FROM pgmq.q_test__replies
        CROSS JOIN LATERAL (SELECT string_agg(key, ' ' ORDER BY key) AS keys FROM jsonb_object_keys(message) key) k
        GROUP BY 1
        UNION ALL SELECT 'queue', array_agg(DISTINCT k.keys) FROM pgmq.q_test__commands
        CROSS JOIN LATERAL (SELECT string_agg(key, ' ' ORDER BY key) AS keys FROM jsonb_object_keys(message) key) k
    """
    really_happen(bus)
    real = {row["of"]: set(row["keys"]) for row in bus.rows(keys)}
    bus.conn.execute("TRUNCATE commandbus.audit, commandbus.command, public.test_command, pgmq.q_test__replies, "
                     "pgmq.q_test__commands, pgmq.a_test__commands, commandbus.parked")  # fmt: skip
    seeded()
    made = {row["of"]: set(row["keys"]) for row in bus.rows(keys)}
    assert made.keys() == real.keys()
    assert not {of: found - real[of] for of, found in made.items() if found - real[of]}


def really_happen(bus: HandBus) -> None:
    """One of each event, by the functions of the bus."""
    success = Behavior.from_json({"type": "success"})
    commands = [NewCommand(behavior=success) for _ in range(14)]
    with psycopg.connect(bus.url, autocommit=True) as sender:
        send_chunk(sender, "test", commands[:12], max_attempts=3, reply=True)
        send_chunk(sender, "test", commands[12:], max_attempts=3, reply=False)
    ids = [command.command_id for command in commands]
    bus.conn.execute(
        "SELECT commandbus.end_commands('test', %s, 'CANCELED', 'ann', 'why', p_from => 'PENDING')", [[ids[0]]]
    )
    bus.send_message({"no": "command"})
    begun = bus.receive(100, worker=uuid4())["commands"]
    bus.finish(outcome(ids[1], begun[ids[1]], result={}), outcome(ids[2], begun[ids[2]], "business_rule"),
               outcome(ids[3], begun[ids[3]], "transient", delay_ms=5),
               *(outcome(i, begun[i], "permanent") for i in ids[4:8]))  # fmt: skip
    for command_id in (ids[3], ids[8]):
        for _ in range(3):
            bus.expire_lease(command_id)
            again = bus.receive(100, worker=uuid4())["commands"].get(command_id)
            if again and command_id == ids[3]:
                bus.finish(outcome(command_id, again, "transient", delay_ms=5))
    bus.finish(outcome(ids[1], begun[ids[1]], result={}))
    changed = json.dumps({"type": "success"})
    for operation in (None, 5):
        bus.conn.execute("SELECT commandbus.retry_commands('test', %s, 'ann', 'why', %s, p_operation => %s)",
                         [[ids[4 if operation else 5]], changed, operation])  # fmt: skip
    bus.conn.execute("SELECT commandbus.end_commands('test', %s, 'COMPLETED', 'ann', 'why', '{}')", [[ids[6]]])
    bus.conn.execute(
        "SELECT commandbus.end_commands('test', %s, 'CANCELED', 'ann', 'why', p_operation => 5)", [[ids[7]]]
    )
    with psycopg.connect(bus.url, autocommit=True) as sender:
        for reply in (True, False):
            send_chunk(sender, "test", [NewCommand(behavior=success)], max_attempts=3, reply=reply)


def test_the_bus_goes_on_with_it(bus: HandBus, seeded: Seeded) -> None:
    seeded()
    assert bus.value("SELECT commandbus.take_sample('a', '10 s')")["counted"] == 0  # nothing of it has happened
    waiting = bus.value("SELECT count(*) FROM pgmq.q_test__commands WHERE vt <= clock_timestamp()")
    begun = bus.receive(100)["commands"]
    assert len(begun) == waiting > 0
    bus.finish(*(outcome(command_id, attempt, result={}) for command_id, attempt in begun.items()))
    parked = [row["command_id"] for row in bus.rows("SELECT command_id FROM commandbus.parked")]
    sent_again = bus.value("SELECT commandbus.retry_commands('test', %s, 'ann')", [parked])
    assert len(sent_again) == len(parked) == WANTED["IN_TROUBLESHOOTING_QUEUE"]
    assert len(bus.receive(1000)["commands"]) == len(parked)


def test_pages_show_it(bus: HandBus, seeded: Seeded, settings: Settings) -> None:
    settings.PUBLIC_READ = True
    seeded()
    pages = ["/", "/live/"]
    for row in bus.rows("SELECT DISTINCT ON (status, attempts) command_id FROM commandbus.command"):
        pages += [f"/commands/{row['command_id']}/", f"/commands/{row['command_id']}/live/"]
    assert {Client().get(page).status_code for page in pages} == {200}


def test_it_adds_to_commands_only_where_that_is_asked_for(bus: HandBus, seeded: Seeded) -> None:
    few = {"commands": 40, "parked": 3, "failed": 2, "canceled": 1, "waiting": 5}
    seeded(**few)
    with pytest.raises(CommandError, match="--add"):
        call_command("seed_history", "--commands", "10")
    call_command("seed_history", "--commands", "400", "--add")
    times = bus.rows("SELECT ts FROM commandbus.audit ORDER BY audit_id")
    assert all(one["ts"] <= next_one["ts"] for one, next_one in pairwise(times))
    assert bus.value("SELECT count(*) FROM commandbus.command") == 440
    assert bus.value("SELECT count(DISTINCT command_id) FROM public.test_command") == 440
