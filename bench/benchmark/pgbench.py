"""The ceiling: the same statements without Python round them, by pgbench; where there is none, by a client of ours.

A script is a list of steps. A step is one SQL statement in which ``:name`` stands for a variable that was given, for an
earlier answer (a step with ``into`` has one column of that name and keeps its value), or, as ``:client_id``, for the
number of the connection.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
from django.conf import settings

from bench.benchmark.case import BenchmarkError
from e2e_site.embedded.cluster import demo_cluster
from e2e_site.embedded.home import EmbeddedError, home

if TYPE_CHECKING:
    from e2e_site.schema.own_database import OwnDatabase

Variables = Mapping[str, str]

OUR_CLIENT = "none"


@dataclass(frozen=True, kw_only=True)
class Step:
    sql: str
    into: str | None = None


@dataclass(frozen=True, kw_only=True)
class Ceiling:
    """What runs scripts: the pgbench at ``program``, or our client where that is None."""

    program: Path | None

    @property
    def name(self) -> str:
        return "pgbench" if self.program else "our minimal client"

    def run(
        self, database: OwnDatabase, steps: Sequence[Step], variables: Variables, *, clients: int, times: int
    ) -> float:
        """Run a script so often on each of the connections; how often per second."""
        if self.program is None:
            return _run_by_client(database, steps, variables, clients=clients, times=times)
        output = self._pgbench(database, steps, variables, "-c", str(clients), "-j", str(clients), "-t", str(times))
        found = re.search(r"^tps = ([0-9.]+)", output, re.MULTILINE)
        done = re.search(r"actually processed: (\d+)", output)
        if found is None or done is None or int(done[1]) != clients * times:
            raise BenchmarkError(f"pgbench did not do its {clients * times} transactions:\n{output}")
        return float(found[1])

    def timings(
        self,
        database: OwnDatabase,
        steps: Sequence[Step],
        variables: Variables,
        *,
        clients: int,
        rate: float,
        times: int,
    ) -> list[float]:
        """Begin a script so often per second, whether earlier ones have ended or not; the milliseconds that each took.

        They count from the moment at which it should have begun. All connections together do it ``times`` times.
        """
        if self.program is None:
            return _time_by_client(database, steps, variables, clients=clients, rate=rate, times=times)
        words = ("-c", str(clients), "-j", str(clients), "-t", str(times // clients), f"--rate={rate}", "-l")
        found: list[float] = []
        with tempfile.TemporaryDirectory() as directory:
            self._pgbench(database, steps, variables, *words, f"--log-prefix={directory}/log")
            for log in Path(directory).glob("log*"):
                found += [int(line.split()[2]) / 1000 for line in log.read_text().splitlines()]
        return found

    def _pgbench(self, database: OwnDatabase, steps: Sequence[Step], variables: Variables, *words: str) -> str:
        assert self.program is not None
        defined = [word for name, value in variables.items() for word in ("-D", f"{name}={value}")]
        with tempfile.TemporaryDirectory() as directory:
            script = Path(directory) / "script.sql"
            script.write_text("".join(map(_for_pgbench, steps)))
            done = subprocess.run(  # noqa: S603 — PostgreSQL's own program
                [self.program, "-n", "-M", "prepared", *defined, "-f", script, *words, database.conninfo()],
                env={**os.environ, "PGPASSWORD": database.password},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                check=False,
                cwd=directory,
            )
        if done.returncode:
            raise BenchmarkError(f"pgbench failed:\n{done.stdout[-2000:]}")
        return done.stdout


def find_ceiling(program: str | None) -> Ceiling:
    """The pgbench of that name (``none``: our client); else the server's, one on PATH, or our client."""
    if program == OUR_CLIENT:
        return Ceiling(program=None)
    if program is not None:
        found = shutil.which(program)
        if found is None:
            raise BenchmarkError(f"--pgbench {program} is no program.")
        return Ceiling(program=Path(found))
    return Ceiling(program=next((path for path in _candidates() if path.is_file()), None))


def _candidates() -> list[Path]:
    """Where a pgbench may be: of the embedded server, on PATH, beside pg_config, in the package of the embedded one."""
    cluster = demo_cluster(settings.BASE_DIR)
    try:
        place = home(name=cluster.name, state_dir=cluster.state_dir, major=cluster.major, checkout=cluster.checkout)
        packaged = [place.installed / "bin" / "pgbench"]
    except EmbeddedError:
        packaged = []
    others = [Path(found) for found in [shutil.which("pgbench")] if found]
    if config := shutil.which("pg_config"):
        asked = subprocess.run([config, "--bindir"], capture_output=True, text=True, check=False)  # noqa: S603 — found
        others.append(Path(asked.stdout.strip()) / "pgbench")
    return [*packaged, *others] if settings.EMBEDDED else [*others, *packaged]


def _for_pgbench(step: Step) -> str:
    end = r"\gset" if step.into else ";"
    return " ".join([*step.sql.split(), end]) + "\n"


def _run_by_client(
    database: OwnDatabase, steps: Sequence[Step], variables: Variables, *, clients: int, times: int
) -> float:
    """What pgbench would do, in threads of this process: psycopg waits for the server without Python's lock."""

    def repeat(conn: psycopg.Connection[Any], number: int) -> None:
        for _ in range(times):
            _perform(conn, steps, variables, number)

    began = time.monotonic()
    _in_threads(database, clients, repeat)
    return clients * times / (time.monotonic() - began)


def _time_by_client(
    database: OwnDatabase, steps: Sequence[Step], variables: Variables, *, clients: int, rate: float, times: int
) -> list[float]:
    found: list[float] = []
    start = time.monotonic()

    def repeat(conn: psycopg.Connection[Any], number: int) -> None:
        for turn in range(number, times, clients):
            intended = start + turn / rate
            time.sleep(max(0.0, intended - time.monotonic()))
            _perform(conn, steps, variables, number)
            found.append((time.monotonic() - intended) * 1000)

    _in_threads(database, clients, repeat)
    return found


def _in_threads(database: OwnDatabase, clients: int, work: Callable[[psycopg.Connection[Any], int], None]) -> None:
    with ExitStack() as stack:
        connections = [stack.enter_context(psycopg.connect(**database.params, autocommit=True)) for _ in range(clients)]
        with ThreadPoolExecutor(clients) as pool:
            for running in [pool.submit(work, conn, number) for number, conn in enumerate(connections)]:
                running.result()


def _perform(conn: psycopg.Connection[Any], steps: Sequence[Step], given: Variables, client: int) -> None:
    variables = {**given, "client_id": str(client)}
    for step in steps:
        row = conn.execute(_for_psycopg(step.sql), variables, prepare=True).fetchone()
        if step.into and row is not None:
            variables[step.into] = row[0]


@lru_cache
def _for_psycopg(statement: str) -> bytes:
    return re.sub(r"(?<!:):([a-z]\w*)", r"%(\1)s", statement.replace("%", "%%")).encode()
