"""``Link``: one connection of a worker, given up where no answer comes, and made anew."""

import asyncio

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from e2e_site.database import ConnectionLostError, Link, Outage
from tests.support.proxy import proxy_before


def test_a_statement_without_an_answer_breaks_the_connection_and_the_next_one_has_another(database_url: str) -> None:
    async def ask(link: Link) -> tuple[int, int]:
        before = await link.value("SELECT pg_backend_pid()")
        proxy.hold()
        with pytest.raises(ConnectionLostError):
            await link.value("SELECT 1", deadline=0.2)
        proxy.passing.set()
        after = await link.value("SELECT pg_backend_pid()")
        await link.close()
        return before, after

    with proxy_before(database_url) as proxy:
        before, after = asyncio.run(ask(Link(conninfo_to_dict(proxy.url), Outage(), name="test link")))
    assert before != after


def test_a_statement_that_the_server_refuses_leaves_the_connection(database_url: str) -> None:
    async def ask(link: Link) -> tuple[int, int]:
        before = await link.value("SELECT pg_backend_pid()")
        with pytest.raises(psycopg.errors.DivisionByZero):
            await link.value("SELECT 1 / 0")
        after = await link.value("SELECT pg_backend_pid()", deadline=5)
        await link.close()
        return before, after

    before, after = asyncio.run(ask(Link(conninfo_to_dict(database_url), Outage(), name="test link")))
    assert before == after
