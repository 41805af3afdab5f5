"""The embedded PostgreSQL: the database when ``DATABASE_URL`` is unset.

A `Cluster` listens on 127.0.0.1 alone, asks for a generated password (scram), keeps the port that was free at its
first start, and is as durable as PostgreSQL's defaults. What must be remembered (port, password, SECRET_KEY, the demo's
admin password) is ``state.json`` in its state directory, mode 0600. Reading it starts and writes nothing.

Any number of processes may call `ensure_running` at once: a file lock lets one of them start the server, in a session
of its own, so that it outlives its starter. After a `kill -9`, of the server or of a starter, the next call starts it.
"""

import functools
import secrets
import shutil
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

import psycopg
from psycopg import sql

from e2e_site.embedded.home import EmbeddedError, Home, free_mb, home, telling_line
from e2e_site.embedded.process import (
    Postmaster,
    end_orphans,
    free_port,
    is_free,
    postmaster,
    settled_postmaster,
    stop_postmaster,
)
from e2e_site.embedded.state import StateFile
from e2e_site.libpq import ignore_callers

__all__ = ["DATABASE", "Cluster", "EmbeddedError", "demo_cluster"]

DATABASE = "commandbus_e2e"
_USER = "postgres"
_HOST = "127.0.0.1"
_TIMEOUT_S = 120  # recovery after a crash replays up to max_wal_size
_NEEDED_MB = 200  # programs, an empty database and room for its write-ahead log
_CONFIG = "commandbus.conf"
_OPTIONS = {
    "listen_addresses": _HOST,
    "unix_socket_directories": "",
    "password_encryption": "scram-sha-256",
    "max_connections": "200",
    "log_checkpoints": "off",
    "log_min_messages": "warning",
    "timezone": "UTC",
    "log_timezone": "UTC",
}
_COUNT_CLIENTS = """
SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()
"""


def say_on_stderr(line: str) -> None:
    print(line, file=sys.stderr, flush=True)  # noqa: T201 — said before logging is set up


@dataclass(frozen=True, kw_only=True)
class Cluster:
    """One PostgreSQL server of our own, running or not.

    `state_dir` belongs to this cluster alone; as root its data lives elsewhere, under a name made of `checkout` and
    `name` (`Home`). `options` are server settings on top of ours.
    """

    name: str
    state_dir: Path
    major: int = 18
    checkout: Path = Path(__file__).resolve().parent.parent.parent
    options: Mapping[str, str] = field(default_factory=dict)

    # --- What clients need to know; no call here starts or writes anything ---

    @property
    def port(self) -> int:
        """The port it listens on, or will: 1, where nothing answers, before the first start."""
        return int(self._state.read().get("port", 1))

    def database_settings(self) -> dict[str, str]:
        """The entry of Django's DATABASES. Its engine starts the demo's server at the first connection."""
        return {
            "ENGINE": "e2e_site.embedded.backend",
            "NAME": DATABASE,
            "USER": _USER,
            "PASSWORD": self._password,
            "HOST": _HOST,
            "PORT": str(self.port),
        }

    def url(self, dbname: str = DATABASE) -> str:
        return f"postgres://{_USER}:{quote(self._password)}@{_HOST}:{self.port}/{quote(dbname)}"

    def secret_key(self) -> str:
        """Django's SECRET_KEY; before the first start one that this process keeps if it makes that start."""
        return str(self._state.read().get("secret_key") or _new_secret_key())

    def is_running(self) -> bool:
        server = self._server()
        return server is not None and server.ready

    def clients(self, settle: float = 0) -> int:
        """How many other programs' connections the running server has.

        A client that ended just now may still be counted: where there are any, wait up to `settle` seconds for none.
        """
        deadline = time.monotonic() + settle
        with self._connection() as conn:
            while (count := conn.execute(_COUNT_CLIENTS).fetchone()) and count[0] and time.monotonic() < deadline:
                time.sleep(0.05)
        return int(count[0]) if count else 0

    # --- What changes something ---

    def admin_password(self) -> str:
        """The password of the demo's `admin`, made at the first call and kept."""
        with self._state.lock():
            return str(self._state.add(admin_password=secrets.token_urlsafe(9))["admin_password"])

    def ensure_running(self, say: Callable[[str], None] = say_on_stderr) -> bool:
        """Start the server unless it runs; returns whether this call started it. The database exists afterwards.

        `say` is told in one line what a person should know. Raises EmbeddedError.
        """
        server = self._server()
        if server is not None and server.ready and server.port == self.port and self._state.read().get("created"):
            return False
        try:
            with self._state.lock():
                return self._start(say)
        except (OSError, psycopg.Error) as exc:
            raise EmbeddedError(f"The embedded PostgreSQL cannot start: {exc}") from exc

    def stop(self) -> None:
        """Stop the server, ending its sessions in order; nothing happens when it does not run."""
        if not self.state_dir.exists():
            return
        with self._state.lock():
            stop_postmaster(self._home.data, _TIMEOUT_S)

    def remove(self) -> None:
        """Stop the server and delete its data and its state."""
        self.stop()
        shutil.rmtree(self._home.directory, ignore_errors=True)
        shutil.rmtree(self.state_dir, ignore_errors=True)

    # --- Starting, under the lock ---

    def _start(self, say: Callable[[str], None]) -> bool:
        for directory in (self.state_dir, self._home.directory):
            if (free := free_mb(directory)) < _NEEDED_MB:
                raise EmbeddedError(f"disk full: {free} MB free for {directory}, PostgreSQL needs {_NEEDED_MB} MB.")
        self._home.make()
        if "password" not in self._state.read() and self._home.data.exists():
            self._set_aside(say)
        state = self._state.add(password=secrets.token_urlsafe(24), secret_key=_new_secret_key(), port=free_port())
        if not self._home.data.exists():
            say(f"Making the embedded PostgreSQL {self.major} in {self._home.directory}.")
            self._initdb(str(state["password"]))
            self._state.set(created=False)
        server = settled_postmaster(self._home.data, _TIMEOUT_S)
        if server is None:
            self._launch(say)
        elif server.port != state["port"]:
            self._state.set(port=server.port)
        self._create_database()
        return server is None

    def _set_aside(self, say: Callable[[str], None]) -> None:
        """Without the state the password is lost, and the secrets of a database are gone with it: begin anew."""
        stop_postmaster(self._home.data, _TIMEOUT_S)
        old = self._home.directory / "data.old"
        shutil.rmtree(old, ignore_errors=True)
        self._home.data.rename(old)
        say(f"{self._state.path} is gone: a new database is made, the old one is kept at {old}.")

    def _initdb(self, password: str) -> None:
        new, pwfile = self._home.directory / "data.new", self._home.directory / "password"
        shutil.rmtree(new, ignore_errors=True)
        locale = ["--locale-provider=builtin", "--builtin-locale=C.UTF-8"] if self.major >= 17 else []
        self._home.write(pwfile, password)
        try:
            self._home.run(
                "initdb", "-D", new, "-U", _USER, "--pwfile", pwfile, "--auth=scram-sha-256", "--encoding=UTF8",
                "--locale=C", *locale,
            )  # fmt: skip
        finally:
            pwfile.unlink()
        self._home.write(new / "pg_hba.conf", f"host all all {_HOST}/32 scram-sha-256\n")
        generated = (new / "postgresql.conf").read_text()
        self._home.write(new / "postgresql.conf", f"{generated}\ninclude '{_CONFIG}'\n")
        new.rename(self._home.data)

    def _launch(self, say: Callable[[str], None]) -> None:
        place = self._home
        end_orphans(place.data)
        # PostgreSQL would trust a process id that another program has by now.
        (place.data / "postmaster.pid").unlink(missing_ok=True)
        while True:
            self._leave_taken_port(say)
            options = {**_OPTIONS, "port": str(self.port), **self.options}
            place.write(place.data / _CONFIG, "".join(f"{name} = '{value}'\n" for name, value in options.items()))
            if place.log.exists():
                place.log.replace(place.log.with_suffix(".log.1"))
            place.write(place.log, "")
            try:
                place.run("pg_ctl", "start", "-D", place.data, "-w", "-t", str(_TIMEOUT_S), "-l", place.log)
            except EmbeddedError as exc:
                if is_free(self.port):  # else another program took it between our look and the server's
                    why = telling_line(place.log.read_text() or str(exc))
                    raise EmbeddedError(f"PostgreSQL does not start: {why} ({place.log})") from exc
            else:
                return

    def _leave_taken_port(self, say: Callable[[str], None]) -> None:
        if not is_free(self.port):
            taken = self.port
            self._state.set(port=free_port())
            say(f"Port {taken} is taken by another program: the embedded PostgreSQL moves to port {self.port}.")

    def _create_database(self) -> None:
        if self._state.read().get("created"):
            return
        with self._connection() as conn:
            if conn.execute("SELECT FROM pg_database WHERE datname = %s", [DATABASE]).fetchone() is None:
                conn.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(DATABASE)))
        self._state.set(created=True)

    # --- State and server ---

    def _connection(self) -> psycopg.Connection:
        """To the database that is there from the beginning."""
        ignore_callers()
        return psycopg.connect(self.url("postgres"), connect_timeout=5, autocommit=True)

    @property
    def _state(self) -> StateFile:
        return StateFile(self.state_dir)

    @property
    def _home(self) -> Home:
        return home(name=self.name, state_dir=self.state_dir, major=self.major, checkout=self.checkout)

    @property
    def _password(self) -> str:
        return str(self._state.read().get("password", ""))

    def _server(self) -> Postmaster | None:
        return postmaster(self._home.data)


def demo_cluster(base_dir: Path) -> Cluster:
    """The cluster of the site in the checkout `base_dir`, shared by web, worker and shell."""
    return Cluster(name="demo", state_dir=base_dir / ".data", checkout=base_dir)


@functools.cache
def _new_secret_key() -> str:
    """The same at each call: settings that were read before the first start stay right after it."""
    return secrets.token_urlsafe(50)
