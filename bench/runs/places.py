"""Where a run works: a database of its own, a server of its own, or the site's database."""

from __future__ import annotations

import os
import shutil
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from types import MappingProxyType
from typing import TYPE_CHECKING

import psutil
import psycopg
from django.conf import settings
from psycopg import sql

from bench.errors import BenchError
from bench.faults.disk import small_disk, take_away
from bench.scenarios.model import Place
from e2e_site.database import connection_params
from e2e_site.embedded.cluster import Cluster
from e2e_site.embedded.home import EmbeddedError
from e2e_site.schema.own_database import OwnDatabase, OwnDatabaseError, own_database

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from bench.scenarios.model import Bus, Scenario

PURPOSE = "bench"
_SERVER = "bench-server-"  # what the folder of a run's own server is called, before its process and a word
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
    servers = settings.BASE_DIR / ".data"
    _remove_leftovers(servers)
    with TemporaryDirectory(prefix=f"{_SERVER}{os.getpid()}-", dir=servers) as folder:
        cluster = _cluster_in(Path(folder), {"max_connections": CONNECTIONS, **(LITTLE_LOG if small else {})})
        with small_disk(cluster) if small else nullcontext():
            try:
                cluster.ensure_running(lambda line: None)
                yield cluster
            finally:
                cluster.remove()


def _cluster_in(folder: Path, options: Mapping[str, str] = MappingProxyType({})) -> Cluster:
    return Cluster(name=folder.name, state_dir=folder / "state", checkout=settings.BASE_DIR, options=options)


def _remove_leftovers(servers: Path) -> None:
    """Remove the servers of runs whose process was killed."""
    for folder in servers.glob(f"{_SERVER}*"):
        owner = folder.name.removeprefix(_SERVER).partition("-")[0]
        if owner.isdecimal() and not psutil.pid_exists(int(owner)):
            cluster = _cluster_in(folder)
            cluster.remove()
            take_away(cluster)
            shutil.rmtree(folder, ignore_errors=True)
