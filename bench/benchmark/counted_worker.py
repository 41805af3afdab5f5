"""A program: one worker until the queue is empty, that counts the statements it sends.

It runs the same code as ``manage.py runworker``; the counting is a cursor class that its connections are given.
"""

import argparse
import asyncio
import sys
from typing import Any

import psycopg

from commands.rules.words import DOMAIN
from commands.worker.handlers import registry_of
from commands.worker.process import Options, work
from e2e_site.database import connection_params


class CountingCursor(psycopg.AsyncCursor[Any]):
    """Counts the statements of all its kind. Each is one round trip: none is prepared, and there is no pipeline."""

    statements = 0

    async def execute(self, *args: Any, **kwargs: Any) -> Any:
        CountingCursor.statements += 1
        return await super().execute(*args, **kwargs)


def main(arguments: list[str]) -> dict[str, int]:
    parser = argparse.ArgumentParser()
    parser.add_argument("--engine", required=True)
    parser.add_argument("--concurrency", type=int, required=True)
    options = parser.parse_args(arguments)
    overrides = {"concurrency": options.concurrency, "batch_size": options.concurrency}
    code = asyncio.run(
        work(
            Options(engine=options.engine, domain=DOMAIN, once=True, samples=False, overrides=overrides),
            registry_of(DOMAIN),
            {**connection_params(), "cursor_factory": CountingCursor},
            None,
        )
    )
    if code:
        sys.exit(code)
    return {"statements": CountingCursor.statements}
