"""Copies of the checkout, below a directory of mode 0700, in which the tests run bin/setup and bin/demo."""

import os
import shutil
import sys
import sysconfig
import venv
from pathlib import Path

import psycopg

from e2e_site.embedded import home
from e2e_site.embedded.cluster import Cluster, demo_cluster
from tests.support.clusters import CHECKOUT
from tests.support.programs import StartedProgram

# Compiled modules go along: a copy keeps the times of its files, by which they are known to be up to date. Those that
# another process is about to write (*.pyc.*) may be gone a moment later.
_LEFT_OUT = (".git", ".venv", ".data", ".*_cache", "*.pyc.*", "node_modules", "docs", "tests")
_NODE_MODULES = "e2e_site/theme/static_src/node_modules"
# A program that asks a package registry is refused at once.
NO_NETWORK = {
    "PIP_CONFIG_FILE": "/dev/null",
    "PIP_INDEX_URL": "http://127.0.0.1:1/simple",
    "npm_config_registry": "http://127.0.0.1:1/",
    "http_proxy": "http://127.0.0.1:1",
    "https_proxy": "http://127.0.0.1:1",
}


class Checkout:
    """A copy of the checkout that is set up: a .venv that borrows this one's packages, and all that bin/setup made."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._programs: list[StartedProgram] = []
        shutil.copytree(CHECKOUT, directory, ignore=shutil.ignore_patterns(*_LEFT_OUT))
        (directory / _NODE_MODULES).symlink_to(CHECKOUT / _NODE_MODULES)
        own = directory / ".venv"
        venv.create(own, symlinks=True)
        packages = own / "lib" / f"python{sys.version_info[0]}.{sys.version_info[1]}" / "site-packages"
        (packages / "borrowed.pth").write_text(sysconfig.get_path("purelib") + "\n")
        for stamp in (CHECKOUT / ".venv").glob("stamp-*"):
            shutil.copy(stamp, own)
        (own / "stamp-venv").write_text(f"{directory}\n")

    @property
    def cluster(self) -> Cluster:
        return demo_cluster(self.directory)

    def environment(self, **changes: str) -> dict[str, str]:
        """Little more than what any shell has."""
        return {"HOME": os.environ["HOME"], "PATH": os.environ["PATH"], "PYTHONUNBUFFERED": "1", **changes}

    def start(self, *command: str, **environment: str) -> StartedProgram:
        name = f"{Path(command[0]).name}-{len(self._programs)}"
        settings = self.environment(**environment)
        program = StartedProgram(name, command, environment=settings, directory=self.directory)
        self._programs.append(program)
        return program

    def run(self, *command: str, **environment: str) -> StartedProgram:
        """Start it and wait for its end."""
        program = self.start(*command, **environment)
        program.wait(60)
        return program

    def manage(self, *arguments: str) -> str:
        """What ``manage.py <arguments>`` prints; it has to succeed."""
        program = self.run(".venv/bin/python", "manage.py", *arguments)
        assert program.exit_code == 0, program.output
        return program.output

    def send(self, count: int = 1, **behavior: object) -> None:
        """Send commands of one behavior; they are acknowledged when this returns."""
        self.manage(
            "shell",
            "--command",
            "from commands.rules.behaviors import Behavior\n"
            "from commands.bus.send import send_test_command\n"
            f"for number in range({count}): send_test_command(Behavior.from_json({behavior!r}))",
        )

    def query(self, sql: str) -> list[tuple[object, ...]]:
        with psycopg.connect(self.cluster.url(), autocommit=True) as conn:
            return conn.execute(sql).fetchall()

    def remove(self) -> None:
        """End its programs, and delete what PostgreSQL keeps for it."""
        for program in self._programs:
            program.kill()
        cluster = self.cluster
        cluster.stop()
        if os.geteuid() == 0:
            place = home.home(
                name=cluster.name, state_dir=cluster.state_dir, major=cluster.major, checkout=cluster.checkout
            )
            shutil.rmtree(place.directory.parent, ignore_errors=True)
