"""The ceiling: the same statements without Python round them, by pgbench.

A script is a list of steps. A step is one SQL statement in which ``:name`` stands for a variable that was given, for an
earlier answer (a step with ``into`` has one column of that name and keeps its value), or, as ``:client_id``, for the
number of the connection.
"""

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from django.conf import settings

from bench.errors import BenchError, WrongCallError
from e2e_site.embedded.cluster import demo_cluster
from e2e_site.embedded.home import EmbeddedError, home
from e2e_site.schema.own_database import OwnDatabase

Variables = Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class Step:
    sql: str
    into: str | None = None


@dataclass(frozen=True, kw_only=True)
class Ceiling:
    """What runs scripts: the pgbench at ``program``."""

    program: Path

    def run(
        self, database: OwnDatabase, steps: Sequence[Step], variables: Variables, *, clients: int, times: int
    ) -> float:
        """Run a script so often on each of the connections; how often per second."""
        output = self._pgbench(database, steps, variables, "-c", str(clients), "-j", str(clients), "-t", str(times))
        found = re.search(r"^tps = ([0-9.]+)", output, re.MULTILINE)
        done = re.search(r"actually processed: (\d+)", output)
        if found is None or done is None or int(done[1]) != clients * times:
            raise BenchError(f"pgbench did not do its {clients * times} transactions:\n{output}")
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
        words = ("-c", str(clients), "-j", str(clients), "-t", str(times // clients), f"--rate={rate}", "-l")
        found: list[float] = []
        with tempfile.TemporaryDirectory() as directory:
            self._pgbench(database, steps, variables, *words, f"--log-prefix={directory}/log")
            for log in Path(directory).glob("log*"):
                found += [int(line.split()[2]) / 1000 for line in log.read_text().splitlines()]
        return found

    def _pgbench(self, database: OwnDatabase, steps: Sequence[Step], variables: Variables, *words: str) -> str:
        defined = [word for name, value in variables.items() for word in ("-D", f"{name}={value}")]
        with tempfile.TemporaryDirectory() as directory:
            script = Path(directory) / "script.sql"
            script.write_text("".join(map(_line, steps)))
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
            raise BenchError(f"pgbench failed:\n{done.stdout[-2000:]}")
        return done.stdout


def find_ceiling(program: str | None) -> Ceiling:
    """The pgbench of that name; without one the embedded server's, which talks to any server that the site works on."""
    if program is None:
        return Ceiling(program=_embedded())
    found = shutil.which(program)
    if found is None:
        raise WrongCallError(f"--pgbench {program} is no program.")
    return Ceiling(program=Path(found))


def _embedded() -> Path:
    cluster = demo_cluster(settings.BASE_DIR)
    try:
        place = home(name=cluster.name, state_dir=cluster.state_dir, major=cluster.major, checkout=cluster.checkout)
    except EmbeddedError as exc:
        raise WrongCallError(f"There is no pgbench: {exc} Or name another with --pgbench.") from exc
    return place.installed / "bin" / "pgbench"


def _line(step: Step) -> str:
    end = r"\gset" if step.into else ";"
    return " ".join([*step.sql.split(), end]) + "\n"
