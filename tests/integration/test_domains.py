"""Domains: a row of commandbus.domain is all that another one needs. Each test rolls back what it did."""

import json
import re
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from psycopg.rows import dict_row

from tests.support.bus import Json
from tests.support.clusters import CHECKOUT

Conn = psycopg.Connection[Json]

MIGRATIONS = CHECKOUT / "migrations_flyway"
KINDS = ("receive", "finish", "send")
# Words that the text of the engine has too, in its queues and names.
AWKWARD = ("orders", "a", "z" * 31, "test__x", "x__test", "receive_test", "test_command", "select", "replies")
SHAPELESS = ("", "Orders", "1st", "_x", "two words", "a-b", "a'b", 'a"b', "orders\n", "ä", "z" * 32)
TAKEN = ("commands", "one_by_one")  # receive_commands, receive_one_by_one


@pytest.fixture
def conn(database_url: str) -> Iterator[Conn]:
    with psycopg.connect(database_url, row_factory=dict_row) as connection:
        yield connection
        connection.rollback()


@pytest.fixture
def orders(conn: Conn) -> Conn:
    """A connection that sees a second domain, `orders`."""
    join(conn, "orders")
    return conn


def join(conn: Conn, domain: str) -> None:
    conn.execute("INSERT INTO commandbus.domain (name) VALUES (%s)", [domain])


def value(conn: Conn, query: str, *params: Any) -> Any:
    row = conn.execute(query.encode(), params).fetchone()
    return next(iter(row.values())) if row else None


def oid_of(conn: Conn, function: str) -> int:
    """The function of a domain: one of the same name that takes the domain as its first argument is another."""
    query = """
        SELECT oid FROM pg_proc
        WHERE pronamespace = 'commandbus'::regnamespace AND proname = %s AND proargtypes[0] <> 'TEXT'::regtype
    """
    return int(value(conn, query, function))


def text_of(conn: Conn, function: str) -> str:
    return str(value(conn, "SELECT pg_get_functiondef(%s)", oid_of(conn, function)))


def storage(conn: Conn, table: str) -> Json:
    row = conn.execute(
        """
        SELECT reloptions, obj_description(oid, 'pg_class') AS comment,
               (SELECT count(*) FROM pg_index WHERE indrelid = pg_class.oid) AS indexes
        FROM pg_class WHERE oid = %s::regclass
        """,
        [f"pgmq.{table}"],
    ).fetchone()
    assert row is not None
    return row


# -- what a row makes ------------------------------------------------------------------------------------------------


def test_the_schema_comes_with_one_domain(conn: Conn) -> None:
    rows = conn.execute("SELECT name, command_queue, reply_queue FROM commandbus.domain").fetchall()
    assert rows == [{"name": "test", "command_queue": "test__commands", "reply_queue": "test__replies"}]


@pytest.mark.parametrize("table", ["q_{}__commands", "a_{}__commands", "q_{}__replies", "a_{}__replies"])
def test_queues_of_a_new_domain_are_stored_and_described_as_those_of_the_first(table: str, orders: Conn) -> None:
    first = storage(orders, table.format("test"))
    new = storage(orders, table.format("orders"))
    assert new["comment"]
    assert new == {**first, "comment": first["comment"].replace("domain test", "domain orders")}


@pytest.mark.parametrize("kind", KINDS)
def test_a_copy_for_the_domain_that_is_copied_is_the_same_to_the_byte(kind: str, conn: Conn) -> None:
    copy = value(conn, "SELECT commandbus.engine_text(%s, 'test')", kind)
    assert copy == text_of(conn, f"{kind}_test")


@pytest.mark.parametrize("domain", AWKWARD)
def test_functions_of_a_new_domain_differ_from_the_first_ones_by_its_name_alone(domain: str, conn: Conn) -> None:
    join(conn, domain)
    for kind in KINDS:
        # The name of the function, of a queue, or the domain as a value; not test_command, tested, test_row.
        expected = re.sub(r"(?<![a-z])test(?=__|'|\()", domain, text_of(conn, f"{kind}_test"))
        assert text_of(conn, f"{kind}_{domain}") == expected
        assert "SET plan_cache_mode TO 'force_generic_plan'" in expected


def test_functions_of_a_new_domain_have_comments(orders: Conn) -> None:
    for kind in KINDS:
        comment = value(orders, "SELECT obj_description(%s, 'pg_proc')", oid_of(orders, f"{kind}_orders"))
        assert comment == f"{kind}_commands for domain orders"


@pytest.mark.parametrize(
    ("file", "function", "words"),
    [
        ("R__02_engine.sql", "finish_orders", "-- The fence: a success"),
        ("R__03_send.sql", "send_orders", "-- The numbers of messages"),
    ],
)
def test_a_changed_text_reaches_every_domain(file: str, function: str, words: str, orders: Conn) -> None:
    before = text_of(orders, function)
    text = (MIGRATIONS / file).read_text()
    orders.execute(text.replace(words, f"{words} now").encode())
    assert text_of(orders, function) == before.replace(words, f"{words} now") != before


def test_a_file_of_functions_can_be_applied_again(orders: Conn) -> None:
    functions = (
        "SELECT array_agg(pg_get_functiondef(oid) ORDER BY oid) FROM pg_proc WHERE pronamespace = %s::regnamespace"
    )
    before = value(orders, functions, "commandbus")
    for file in sorted(MIGRATIONS.glob("R__*.sql")):
        orders.execute(file.read_bytes())
    assert value(orders, functions, "commandbus") == before


def test_a_domain_that_joins_again_finds_its_messages(orders: Conn) -> None:
    send(orders, 1)
    orders.execute("DELETE FROM commandbus.domain WHERE name = 'orders'")
    join(orders, "orders")
    assert len(receive(orders)["commands"]) == 1


def test_a_domain_of_another_name_has_queues_and_functions_of_that_name(orders: Conn) -> None:
    orders.execute("UPDATE commandbus.domain SET name = 'invoices' WHERE name = 'orders'")
    send(orders, 1, domain="invoices")
    assert len(receive(orders, domain="invoices")["commands"]) == 1


# -- names -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [*SHAPELESS, *TAKEN])
def test_a_bad_name_is_refused_and_leaves_nothing(name: str, conn: Conn) -> None:
    with pytest.raises(psycopg.errors.InvalidParameterValue, match="a domain "), conn.transaction():
        join(conn, name)
    assert value(conn, "SELECT count(*) FROM commandbus.domain") == 1
    assert value(conn, "SELECT count(*) FROM pgmq.meta WHERE queue_name NOT LIKE %s", "test\\_\\_%") == 0


@pytest.mark.parametrize("name", SHAPELESS)
def test_a_bad_name_is_refused_by_the_table_too(name: str, conn: Conn) -> None:
    conn.execute("ALTER TABLE commandbus.domain DISABLE TRIGGER USER")
    with pytest.raises(psycopg.errors.CheckViolation):
        join(conn, name)


def test_no_file_names_the_domain_outside_its_row_and_the_functions_that_are_copied() -> None:
    named = {}
    for file in sorted(MIGRATIONS.glob("*.sql")):
        # Functions of the domain, as they stand in the file, and what copies them.
        copied = r"CREATE OR REPLACE FUNCTION commandbus\.(?:(?:receive|finish|send)_test|engine_text)\(.*?\n\$\$;\n"
        rest = re.sub(copied, "", file.read_text(), flags=re.DOTALL)
        named[file.name] = [line for line in rest.splitlines() if re.search(r"'test'|test__|_test\b", line)]
    assert {name: lines for name, lines in named.items() if lines} == {
        "V002__pgmq_queues.sql": ["INSERT INTO commandbus.domain (name) VALUES ('test');"]
    }


# -- a command's ways through a new domain ---------------------------------------------------------------------------


def send(conn: Conn, number: int, *, domain: str = "orders", max_attempts: int = 2) -> None:
    conn.execute(
        """
        SELECT commandbus.send_commands(%(domain)s, 'TestCommand', (
            SELECT jsonb_agg(jsonb_build_array(gen_random_uuid(), '{"type": "success"}'::jsonb, '{}'::jsonb))
            FROM generate_series(1, %(number)s)), %(max_attempts)s, %(domain)s || '__replies')
        """,
        {"domain": domain, "number": number, "max_attempts": max_attempts},
    )


def receive(conn: Conn, *, domain: str = "orders", lease: int = 30) -> Json:
    """The answer of receive_commands, its commands as the outcomes that they would have by success."""
    answer: Json = value(conn, "SELECT commandbus.receive_commands(%s, 10, %s)", domain, lease)
    answer["commands"] = [
        {"msg_id": command[0], "command_id": command[1], "attempt": command[7], "kind": "success", "result": {"n": 1}}
        for command in answer["commands"]
    ]
    return answer


def finish(conn: Conn, outcome: Json) -> list[str]:
    """Write one outcome; the command's status now, if it counted."""
    answer: Json = value(conn, "SELECT commandbus.finish_commands('orders', %s)", json.dumps([outcome]))
    return list(answer["accepted"].values())


def failure(outcome: Json, kind: str) -> Json:
    return {**outcome, "kind": kind, "error_code": "E", "error_msg": "went wrong", "delay_ms": 0}


def word(conn: Conn, command_id: str) -> list[str]:
    rows = conn.execute(
        "SELECT domain, event_type FROM commandbus.audit WHERE command_id = %s ORDER BY audit_id", [command_id]
    ).fetchall()
    assert {row["domain"] for row in rows} == {"orders"}
    return [row["event_type"] for row in rows]


def test_a_command_of_a_new_domain_completes_and_replies(orders: Conn) -> None:
    send(orders, 2)
    assert receive(orders, domain="test")["commands"] == []
    first, second = receive(orders)["commands"]

    assert finish(orders, first) == finish(orders, second) == ["COMPLETED"]
    assert word(orders, first["command_id"]) == ["SENT", "RECEIVED", "COMPLETED"]
    assert value(orders, "SELECT count(*) FROM pgmq.q_orders__commands") == 0
    replies = orders.execute(
        "SELECT message ->> 'command_id' AS id, message ->> 'outcome' AS said FROM pgmq.q_orders__replies"
    )
    assert {(row["id"], row["said"]) for row in replies} == {
        (first["command_id"], "SUCCESS"),
        (second["command_id"], "SUCCESS"),
    }
    assert value(orders, "SELECT count(*) FROM pgmq.q_test__replies") == 0
    assert value(orders, "SELECT commandbus.count_commands('orders', 10)") == 2


def test_a_command_of_a_new_domain_is_retried_parked_and_sent_again(orders: Conn) -> None:
    send(orders, 1)
    (attempt,) = receive(orders)["commands"]
    assert finish(orders, failure(attempt, "transient")) == ["IN_PROGRESS"]
    (attempt,) = receive(orders)["commands"]
    assert finish(orders, failure(attempt, "transient")) == ["IN_TROUBLESHOOTING_QUEUE"]
    parked = "SELECT command_id::text FROM commandbus.parked WHERE domain = 'orders'"
    assert value(orders, parked) == attempt["command_id"]

    orders.execute("SELECT commandbus.operator_retry('orders', %s, 'me')", [attempt["command_id"]])
    (attempt,) = receive(orders)["commands"]
    assert finish(orders, attempt) == ["COMPLETED"]
    assert word(orders, attempt["command_id"]) == [
        "SENT", "RECEIVED", "FAILED", "RECEIVED", "MOVED_TO_TSQ", "OPERATOR_RETRY", "RECEIVED", "COMPLETED",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "status", "event"),
    [
        ("permanent", "IN_TROUBLESHOOTING_QUEUE", "MOVED_TO_TSQ"),
        ("business_rule", "FAILED", "BUSINESS_RULE_FAILED"),
    ],
)
def test_a_command_of_a_new_domain_fails_once(kind: str, status: str, event: str, orders: Conn) -> None:
    send(orders, 1)
    (attempt,) = receive(orders)["commands"]
    assert finish(orders, failure(attempt, kind)) == [status]
    assert word(orders, attempt["command_id"])[-1] == event
    assert value(orders, "SELECT msg_id FROM pgmq.a_orders__commands") == attempt["msg_id"]


def test_a_command_of_a_new_domain_is_parked_when_its_last_lease_ran_out(orders: Conn) -> None:
    send(orders, 1, max_attempts=1)
    (attempt,) = receive(orders, lease=0)["commands"]
    answer = receive(orders)
    assert (answer["commands"], answer["parked"]) == ([], 1)
    assert finish(orders, attempt) == []
    assert word(orders, attempt["command_id"]) == ["SENT", "RECEIVED", "MOVED_TO_TSQ", "LATE_COMPLETED"]


def test_messages_of_a_new_domain_that_are_no_commands_are_rejected(orders: Conn) -> None:
    orders.execute("SELECT pgmq.send('orders__commands', '{}'::jsonb, 0)")
    assert receive(orders)["rejected"] == 1
    assert value(orders, "SELECT domain FROM commandbus.audit WHERE event_type = 'MESSAGE_REJECTED'") == "orders"
