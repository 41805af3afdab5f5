"""The testbed of the bench on the test database, and cases run in it: no database is made for them."""

import io
from collections.abc import Iterator
from contextlib import contextmanager

from psycopg.conninfo import conninfo_to_dict

from bench.benchmark.case import Case, Run
from bench.benchmark.pgbench import find_ceiling
from bench.benchmark.progress import Progress
from bench.testbed import Testbed
from commands.rules.words import command_queue, reply_queue
from e2e_site.schema.own_database import OwnDatabase
from tests.support.measured import measured


@contextmanager
def opened_testbed(url: str) -> Iterator[Testbed]:
    """A testbed on the database of an address, whose domains besides the site's are gone afterwards."""
    params = {**conninfo_to_dict(url), "application_name": "testbed"}
    made = Testbed(OwnDatabase(name=str(params["dbname"]), url=url, params=params))
    domains = {name for (name,) in made.conn.execute("SELECT name FROM commandbus.domain")}
    try:
        yield made
    finally:
        for (name,) in made.conn.execute("SELECT name FROM commandbus.domain").fetchall():
            if name not in domains:
                made.conn.execute("DELETE FROM commandbus.domain WHERE name = %s", [name])
                for queue in (command_queue(name), reply_queue(name)):
                    made.conn.execute("SELECT pgmq.drop_queue(%s)", [queue])
        made.close()


def run_of(one: Case, testbed: Testbed, *, rounds: int = 1, **sizes: int) -> Run:
    """One case as it is about to be run, in its quick sizes but for these."""
    result = measured(one.name, runs=rounds, quick=True, sizes={**one.quick, **sizes}, environment={})
    return Run(
        testbed=testbed,
        ceiling=find_ceiling(None),
        sizes=result.sizes,
        rounds=rounds,
        result=result,
        progress=Progress(0, io.StringIO()),
        metrics=one.metrics,
    )
