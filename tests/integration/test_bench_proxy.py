"""bench/faults/proxy.py: a network before a server, with real connections."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import psycopg
import pytest

from bench.errors import BenchError
from bench.faults.proxy import HOST, Proxy, is_silent, proxy_before
from tests.support.waiting import wait_until

MARK = "a statement to be known by"


@pytest.fixture
def proxy(database_url: str) -> Iterator[Proxy]:
    with proxy_before(database_url) as running:
        yield running


@pytest.fixture
def through(proxy: Proxy) -> Iterator[psycopg.Connection]:
    """A connection by way of it."""
    with ExitStack() as stack:
        conn = psycopg.connect(proxy.url, autocommit=True)
        stack.callback(conn.close)
        yield conn


def test_it_passes_all_on(proxy: Proxy, through: psycopg.Connection) -> None:
    row = through.execute("SELECT repeat('x', 3000000), %s::text", ["y" * 300_000]).fetchone()
    assert row == ("x" * 3_000_000, "y" * 300_000)
    with psycopg.connect(**proxy.through(psycopg.conninfo.conninfo_to_dict(proxy.url))) as other:
        assert other.execute("SELECT 1").fetchone() == (1,)
    assert proxy.counts.accepted == 2


def test_it_delays_each_way(proxy: Proxy, through: psycopg.Connection) -> None:
    proxy.delay(0.1)
    began = time.monotonic()
    through.execute("SELECT 1")
    assert time.monotonic() - began >= 0.2
    proxy.delay(0)
    began = time.monotonic()
    through.execute("SELECT 1")
    assert time.monotonic() - began < 0.2


def test_it_resets_all_connections(proxy: Proxy, through: psycopg.Connection) -> None:
    through.execute("SELECT 1")
    assert proxy.reset() == 1
    with pytest.raises(psycopg.OperationalError):
        through.execute("SELECT 1")
    with psycopg.connect(proxy.url) as again:
        assert again.execute("SELECT 1").fetchone() == (1,)


def test_in_a_blackhole_nothing_is_said_and_all_comes_late(proxy: Proxy, through: psycopg.Connection) -> None:
    through.execute("SELECT 1")
    proxy.blackhole()
    assert is_silent(HOST, proxy.port)
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(lambda: through.execute("SELECT 2").fetchone())
        try:
            with pytest.raises(psycopg.errors.ConnectionTimeout):
                psycopg.connect(proxy.url, connect_timeout=2)
            assert not asked.done()
            wait_until(lambda: proxy.counts.left, 5, "the probe that gave up")
        finally:
            proxy.restore()
        assert asked.result(5) == (2,)
    assert not is_silent(HOST, proxy.port)


def test_it_loses_the_answer_and_not_the_work(proxy: Proxy, through: psycopg.Connection, database_url: str) -> None:
    with psycopg.connect(database_url, autocommit=True) as direct:
        direct.execute("CREATE TABLE public.bench_lost (n int)")
        try:
            order = proxy.lose_answers(b"INSERT INTO public.bench_lost", 1, answered=b"INSERT 0 1")
            with pytest.raises(psycopg.OperationalError) as told:
                through.execute("INSERT INTO public.bench_lost VALUES (%s)", [7])
            assert told.value.sqlstate is None
            assert direct.execute("SELECT n FROM public.bench_lost").fetchall() == [(7,)]
            assert (order.lost, order.is_done) == (1, True)
            with psycopg.connect(proxy.url, autocommit=True) as again:
                again.execute("INSERT INTO public.bench_lost VALUES (8)")
            assert direct.execute("SELECT count(*) FROM public.bench_lost").fetchone() == (2,)
        finally:
            direct.execute("DROP TABLE public.bench_lost")


def test_in_a_transaction_it_loses_the_answer_to_the_commit(proxy: Proxy, through: psycopg.Connection) -> None:
    order = proxy.lose_answers(MARK.encode(), 1)
    through.autocommit = False
    assert through.execute(f"SELECT '{MARK}'").fetchone() == (MARK,)
    assert order.lost == 0
    with pytest.raises(psycopg.OperationalError):
        through.commit()
    assert order.lost == 1


def test_it_knows_a_prepared_statement_by_its_text(proxy: Proxy, through: psycopg.Connection) -> None:
    for _ in range(3):
        through.execute(f"SELECT '{MARK}', %s::int", [1], prepare=True)
    proxy.lose_answers(MARK.encode(), 1)
    with pytest.raises(psycopg.OperationalError):
        through.execute(f"SELECT '{MARK}', %s::int", [1], prepare=True)
    assert proxy.counts.lost == 1


def test_what_answers_otherwise_or_is_no_more_wanted_is_not_lost(proxy: Proxy, through: psycopg.Connection) -> None:
    order = proxy.lose_answers(MARK.encode(), 1, answered=b"another answer")
    assert through.execute(f"SELECT 1, '{MARK}'").fetchone() == (1, MARK)
    proxy.lose_no_more(order)
    any_answer = proxy.lose_answers(MARK.encode(), 1)
    proxy.lose_no_more(any_answer)
    assert through.execute(f"SELECT 2, '{MARK}'").fetchone() == (2, MARK)
    assert proxy.counts.lost == 0


def test_notifications_pass(proxy: Proxy, through: psycopg.Connection, database_url: str) -> None:
    through.execute("LISTEN bench_proxy")
    with psycopg.connect(database_url, autocommit=True) as direct:
        direct.execute("NOTIFY bench_proxy, 'heard'")
    (heard,) = through.notifies(timeout=5, stop_after=1)
    assert heard.payload == "heard"


def test_a_server_that_is_away_ends_the_connection() -> None:
    with proxy_before("postgres://x@127.0.0.1:1/x") as proxy, pytest.raises(psycopg.OperationalError) as told:
        psycopg.connect(proxy.url, connect_timeout=5)
    assert told.value.pgconn is not None


def test_a_server_without_a_network_is_refused() -> None:
    with pytest.raises(BenchError, match="socket in the file system"), proxy_before("postgres://x@%2Ftmp/x"):
        pass
