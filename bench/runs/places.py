"""Where a run works: a database of its own, a server of its own, or the site's database."""

from __future__ import annotations

from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import psycopg
from django.conf import settings
from psycopg import sql

from bench.errors import BenchError
from bench.faults.disk import small_disk
from bench.scenarios.model import Place
from e2e_site.database import connection_params
from e2e_site.embedded.cluster import Cluster
from e2e_site.embedded.home import EmbeddedError
from e2e_site.schema.own_database import OwnDatabase, OwnDatabaseError, own_database

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bench.scenarios.model import Bus, Scenario

PURPOSE = "bench"
CONNECTIONS = "60"  # of a server of a run's own: few, so that it can be filled
LITTLE_LOG = {"max_wal_size": "64MB", "min_wal_size": "32MB"}  # on a small disk


@dataclass(frozen=True, kw_only=True)
class At:
    """The database of a run; ``cluster``: its server where that is its own; ``folder``: for ledgers and files."""

    database: OwnDatabase
    cluster: Cluster | None
    folder: Path


@contextmanager
def place(scenario: Scenario) -> Iterator[At]:
    """Make it, with the settings of the scenario in it, and take it away afterwards. Raises BenchError."""
    with ExitStack() as until_the_end:
        folder = Path(until_the_end.enter_context(TemporaryDirectory(prefix="bench-")))
        try:
            if scenario.place is Place.SITE:
                yield At(database=_site(), cluster=None, folder=folder)
                return
            small = any(fault.needs_small_disk for fault in scenario.faults)
            own = scenario.place is Place.CLUSTER
            cluster = until_the_end.enter_context(_cluster(small=small)) if own else None
            server = cluster.url("postgres") if cluster else None
            database = until_the_end.enter_context(own_database(PURPOSE, server=server))
            take_settings(database, scenario.bus)
        except (OwnDatabaseError, EmbeddedError, psycopg.Error) as exc:
            raise BenchError(f"there is no place to work in: {exc}") from exc
        yield At(database=database, cluster=cluster, folder=folder)


def take_settings(database: OwnDatabase, bus: Bus) -> None:
    """Write the settings of the workers into the database's own row, paused by nothing."""
    values = {**bus.model_dump(), "paused": False}
    assignments = sql.SQL(", ").join(
        sql.SQL("{} = {}").format(sql.Identifier(name), sql.Literal(value)) for name, value in values.items()
    )
    with psycopg.connect(**database.params, autocommit=True) as conn:
        conn.execute(sql.SQL("UPDATE public.e2e_config SET {}").format(assignments))


def _site() -> OwnDatabase:
    params = connection_params()
    return OwnDatabase(name=str(params["dbname"]), url="", params={**params, "application_name": PURPOSE})


@contextmanager
def _cluster(*, small: bool) -> Iterator[Cluster]:
    """A server of its own, beside the demo's, that nothing else uses; on a ``small`` disk where one can be mounted."""
    with TemporaryDirectory(prefix="bench-server-", dir=settings.BASE_DIR / ".data") as state:
        cluster = Cluster(
            name=Path(state).name, state_dir=Path(state) / "state", checkout=settings.BASE_DIR,
            options={"max_connections": CONNECTIONS, **(LITTLE_LOG if small else {})},
        )  # fmt: skip
        with small_disk(cluster) if small else nullcontext():
            try:
                cluster.ensure_running(lambda line: None)
                yield cluster
            finally:
                cluster.remove()
