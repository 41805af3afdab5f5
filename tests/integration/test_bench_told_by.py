"""bench/faults/bench.py: what a sender was told, by real errors of a real server."""

from collections.abc import Iterator
from uuid import uuid4

import psycopg
import pytest
from commandbus import DuplicateCommandError

from bench.faults.bench import told_by
from bench.faults.proxy import proxy_before
from bench.ledgers.sends import Told
from commands.bus.bulk import NewCommand, send_chunk
from commands.bus.conflicts import SendConflictError
from commands.rules.behaviors import Behavior, BehaviorType
from tests.support.clusters import server_url

SUCCESS = Behavior(type=BehaviorType.SUCCESS)


@pytest.fixture
def conn(committed: str) -> Iterator[psycopg.Connection]:
    with psycopg.connect(committed, autocommit=True) as opened:
        yield opened


def raising(conn: psycopg.Connection, sqlstate: str) -> None:
    conn.execute(f"DO $$ BEGIN RAISE EXCEPTION 'no' USING ERRCODE = '{sqlstate}'; END $$")


# Errors by which the server undid the statement, and nothing else can have happened.
@pytest.mark.parametrize(
    "sqlstate",
    ["0A000", "22003", "22P05", "23502", "23505", "23514", "25006", "40001", "40P01", "42501", "42P01", "53100",
     "53200", "53300", "54000", "55000", "55P03", "P0001", "P0002"],
)  # fmt: skip
def test_an_error_by_which_the_statement_was_undone(conn: psycopg.Connection, sqlstate: str) -> None:
    assert told_by(lambda: raising(conn, sqlstate)) is Told.ERROR


# Errors after which the statement may be done all the same, or that say nothing of it.
@pytest.mark.parametrize(
    "sqlstate", ["08000", "08006", "08007", "40003", "57014", "57P01", "57P02", "58000", "58030", "F0000", "XX000",
                 "XX001", "XX002", "ZZ999"],
)  # fmt: skip
def test_an_error_after_which_all_is_open(conn: psycopg.Connection, sqlstate: str) -> None:
    assert told_by(lambda: raising(conn, sqlstate)) is Told.UNKNOWN


def test_what_was_taken_and_what_was_there_already(conn: psycopg.Connection) -> None:
    command = NewCommand(behavior=SUCCESS, command_id=uuid4())

    def send() -> None:
        send_chunk(conn, "test", [command], max_attempts=3)

    assert told_by(send) is Told.ACKNOWLEDGED
    with pytest.raises(DuplicateCommandError):
        send()
    assert told_by(send) is Told.DUPLICATE


def test_a_server_that_gave_way_again_and_again_took_nothing() -> None:
    def send() -> None:
        raise SendConflictError("nothing was sent")

    assert told_by(send) is Told.ERROR


def test_a_session_that_was_ended(conn: psycopg.Connection, committed: str) -> None:
    with psycopg.connect(committed, autocommit=True) as other:
        other.execute("SELECT pg_terminate_backend(%s)", [conn.info.backend_pid])
    assert told_by(lambda: asking(conn)) is Told.UNKNOWN
    assert told_by(lambda: asking(conn)) is Told.UNKNOWN  # closed by now


def test_an_answer_that_is_lost(committed: str) -> None:
    with proxy_before(committed) as proxy, psycopg.connect(proxy.url, autocommit=True) as through:
        proxy.lose_answers(b"SELECT 1", 1)
        assert told_by(lambda: asking(through)) is Told.UNKNOWN


def asking(conn: psycopg.Connection) -> None:
    conn.execute("SELECT 1")


def connecting(url: str) -> None:
    psycopg.connect(url, connect_timeout=2).close()


def test_a_connection_that_was_never_made() -> None:
    refused = "postgres://nobody@127.0.0.1:1/nowhere"
    assert told_by(lambda: connecting(refused)) is Told.ERROR
    assert told_by(lambda: connecting(server_url("no_such_database"))) is Told.ERROR  # FATAL, before any statement


def test_a_connection_that_nobody_answers(committed: str) -> None:
    with proxy_before(committed) as proxy:
        proxy.blackhole()
        assert told_by(lambda: connecting(proxy.url)) is Told.ERROR
