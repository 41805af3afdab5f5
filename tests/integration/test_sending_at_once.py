"""Several who send the same commands at one moment: none waits in a circle, and who had to give way tries again."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any
from uuid import UUID

import psycopg
import pytest
from commandbus import DuplicateCommandError
from django.db import connection, transaction

from commands.bus.bulk import NewCommand, send_chunk, send_many
from commands.bus.conflicts import SendConflictError
from commands.bus.send import send_test_command
from commands.rules.behaviors import Behavior, BehaviorType
from tests.support.bus import HandBus
from tests.support.waiting import wait_until

pytestmark = pytest.mark.django_db(transaction=True)

# A function, and the ids that it sends.
Sending = tuple[Any, ...]

SUCCESS = Behavior(type=BehaviorType.SUCCESS)
ONE, TWO = UUID(int=1), UUID(int=2)
BRAKE = 4711

# Who sends passes the first of its keys, command or row, and stands before the second until the brake is released.
STOP_BEFORE_THE_SECOND_KEY = f"""
    IF coalesce(current_setting('test.passed', true), '') = '' THEN
        PERFORM set_config('test.passed', 'one', true);
    ELSE
        PERFORM pg_advisory_xact_lock_shared({BRAKE});
    END IF;
    RETURN NEW;
"""
GIVE_WAY = """
    IF nextval('public.tries') <= {times} THEN
        RAISE EXCEPTION 'give way' USING ERRCODE = '{sqlstate}';
    END IF;
    RETURN NEW;
"""


@pytest.fixture
def before_each_key(bus: HandBus) -> Iterator[Callable[[str], None]]:
    """Runs these statements of PL/pgSQL before each row of ``command`` and ``test_command`` is inserted."""
    tables = ("commandbus.command", "public.test_command")

    def do(body: str) -> None:
        bus.conn.execute("CREATE SEQUENCE public.tries")
        bus.conn.execute(
            f"CREATE FUNCTION public.before_each_key() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {body} END $$"
        )
        for table in tables:
            bus.conn.execute(
                f"CREATE TRIGGER before_each_key BEFORE INSERT ON {table} "
                "FOR EACH ROW EXECUTE FUNCTION public.before_each_key()"
            )

    yield do
    bus.conn.execute("DROP FUNCTION public.before_each_key() CASCADE")
    bus.conn.execute("DROP SEQUENCE public.tries")


@pytest.fixture
def conn(committed: str) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(committed, autocommit=True) as conn:
        yield conn


def by_bus(url: str, *ids: UUID) -> None:
    """Send them one after the other in one transaction."""
    try:
        with transaction.atomic():
            for command_id in ids:
                send_test_command(SUCCESS, command_id=command_id)
    finally:
        connection.close()


def by_bulk(url: str, *ids: UUID, domain: str = "test") -> None:
    """Send them in one chunk, in a transaction of the caller, in which nothing is tried again."""
    with psycopg.connect(url) as conn:
        send_chunk(conn, domain, [NewCommand(behavior=SUCCESS, command_id=one) for one in ids], max_attempts=3)


def waiting(bus: HandBus, number: int) -> bool:
    """Whether so many sessions wait for a lock."""
    return bool(
        bus.value(
            "SELECT count(*) = %s FROM pg_stat_activity "
            "WHERE datname = current_database() AND wait_event_type = 'Lock'",
            [number],
        )
    )


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ((by_bus, ONE), (by_bulk, ONE)),
        ((by_bulk, ONE), (by_bus, ONE)),
        ((by_bulk, ONE, TWO), (by_bulk, TWO, ONE)),
        ((by_bus, ONE, TWO), (by_bulk, TWO, ONE)),
    ],
    ids=["bus, then bulk", "bulk, then bus", "two chunks, each in another order", "two by bus, then a chunk"],
)
def test_of_two_who_send_the_same_at_once_one_sends_and_the_other_hears_that_it_is_known(
    bus: HandBus,
    committed: str,
    before_each_key: Callable[[str], None],
    first: Sending,
    second: Sending,
) -> None:
    before_each_key(STOP_BEFORE_THE_SECOND_KEY)
    with ThreadPoolExecutor(2) as pool, psycopg.connect(committed) as brake:
        brake.execute("SELECT pg_advisory_xact_lock(%s)", [BRAKE])
        sending = []
        for number, (send, *ids) in enumerate((first, second), start=1):
            sending.append(pool.submit(send, committed, *ids))
            wait_until(partial(waiting, bus, number))
        brake.rollback()
        errors = [future.exception(timeout=20) for future in sending]

    assert [type(error) for error in errors] == [type(None), DuplicateCommandError]
    assert len(bus.queued()) == len(first) - 1


def test_the_same_id_in_two_domains_is_no_circle_either(
    bus: HandBus, committed: str, orders: str, before_each_key: Callable[[str], None]
) -> None:
    """Only test_command refuses the second: its rows are made in the order of the ids as well."""
    before_each_key(
        "IF TG_TABLE_NAME = 'test_command' AND current_setting('test.passed', true) = 'one' THEN "
        f"PERFORM pg_advisory_xact_lock_shared({BRAKE}); END IF; "
        "IF TG_TABLE_NAME = 'test_command' THEN PERFORM set_config('test.passed', 'one', true); END IF; RETURN NEW;"
    )
    with ThreadPoolExecutor(2) as pool, psycopg.connect(committed) as brake:
        brake.execute("SELECT pg_advisory_xact_lock(%s)", [BRAKE])
        sending = [
            pool.submit(by_bulk, committed, ONE, TWO),
            pool.submit(by_bulk, committed, TWO, ONE, domain=orders),
        ]
        wait_until(partial(waiting, bus, 2))
        brake.rollback()
        errors = {type(future.exception(timeout=20)) for future in sending}
    assert errors == {type(None), DuplicateCommandError}


def test_a_chunk_is_received_in_the_order_in_which_it_was_given(bus: HandBus, conn: psycopg.Connection[Any]) -> None:
    ids = [UUID(int=number) for number in (5, 3, 9, 1)]
    send_chunk(conn, "test", [NewCommand(behavior=SUCCESS, command_id=one) for one in ids], max_attempts=3)

    by_message = bus.rows("SELECT command_id FROM commandbus.command ORDER BY msg_id")
    by_row = bus.rows("SELECT command_id FROM public.test_command ORDER BY id")
    assert [row["command_id"] for row in by_message] == [row["command_id"] for row in by_row] == ids


def test_a_command_twice_in_one_chunk_is_refused_whole(bus: HandBus, conn: psycopg.Connection[Any]) -> None:
    commands = [NewCommand(behavior=SUCCESS, command_id=one) for one in (TWO, ONE, TWO)]
    with pytest.raises(DuplicateCommandError, match=str(TWO)):
        send_chunk(conn, "test", commands, max_attempts=3)
    assert bus.queued() == []


@pytest.fixture(params=["bus", "chunk", "stream"])
def send_one(request: pytest.FixtureRequest, committed: str, conn: psycopg.Connection[Any]) -> Callable[[], object]:
    """Sends one command, in a transaction of its own."""
    params = {"conninfo": committed}
    return {
        "bus": lambda: send_test_command(SUCCESS),
        "chunk": lambda: send_chunk(conn, "test", [NewCommand(behavior=SUCCESS)], max_attempts=3),
        "stream": lambda: send_many(params, "test", [NewCommand(behavior=SUCCESS)], max_attempts=3),
    }[request.param]


@pytest.mark.parametrize("sqlstate", ["40P01", "40001"])
def test_who_had_to_give_way_tries_again(
    bus: HandBus, before_each_key: Callable[[str], None], send_one: Callable[[], object], sqlstate: str
) -> None:
    before_each_key(GIVE_WAY.format(times=2, sqlstate=sqlstate))
    send_one()
    assert len(bus.queued()) == 1
    assert bus.value("SELECT last_value FROM public.tries") == 4  # two that failed, and both rows of the third try


def test_after_some_tries_it_is_given_up_with_a_clear_word(
    bus: HandBus, before_each_key: Callable[[str], None], send_one: Callable[[], object]
) -> None:
    before_each_key(GIVE_WAY.format(times=1000, sqlstate="40P01"))
    with pytest.raises(SendConflictError, match="5 times"):
        send_one()
    assert bus.value("SELECT last_value FROM public.tries") == 5
    assert bus.queued() == []


@pytest.mark.parametrize("way", ["bus", "chunk"])
def test_in_the_callers_transaction_nothing_is_tried_again(
    bus: HandBus, committed: str, before_each_key: Callable[[str], None], way: str
) -> None:
    """What the caller did before in it is undone as well: only the caller can do all of it again."""
    before_each_key(GIVE_WAY.format(times=1000, sqlstate="40P01"))
    with pytest.raises(SendConflictError, match="do all of it again"):
        by_bus(committed, ONE) if way == "bus" else by_bulk(committed, ONE)
    assert bus.value("SELECT last_value FROM public.tries") == 1
