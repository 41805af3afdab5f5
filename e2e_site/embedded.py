"""The embedded PostgreSQL: the database when ``DATABASE_URL`` is unset.

A `Cluster` listens on 127.0.0.1 alone, asks for a generated password (scram), keeps the port that was free at its
first start, and is as durable as PostgreSQL's defaults. What must be remembered (port, password, SECRET_KEY, the demo's
admin password) is ``state.json`` in its state directory, mode 0600. Reading it starts and writes nothing.

Any number of processes may call `ensure_running` at once: a file lock lets one of them start the server, in a session
of its own, so that it outlives its starter. After a `kill -9`, of the server or of a starter, the next call starts it.
"""

import functools
import json
import os
import secrets
import shutil
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psycopg
from psycopg import sql

from e2e_site.postgres_home import EmbeddedError, Home, home, locked
from e2e_site.postgres_process import Postmaster, end_orphans, free_port, is_free, postmaster, settled_postmaster

__all__ = ["DATABASE", "Cluster", "EmbeddedError", "demo_cluster"]

DATABASE = "commandbus_e2e"
_USER = "postgres"
_HOST = "127.0.0.1"
_START_TIMEOUT_S = 120  # recovery after a crash replays up to max_wal_size
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


def say_on_stderr(line: str) -> None:
    print(line, file=sys.stderr, flush=True)  # noqa: T201 — said before logging is set up


@dataclass(frozen=True, kw_only=True)
class Cluster:
    """One PostgreSQL server of our own, running or not.

    `state_dir` belongs to this cluster alone; as root its data lives elsewhere, under a name made of `checkout` and
    `name` (postgres_home). `options` are server settings on top of ours.
    """

    name: str
    state_dir: Path
    major: int = 18
    checkout: Path = Path(__file__).resolve().parent.parent
    options: Mapping[str, str] = field(default_factory=dict)

    # --- What clients need to know; no call here starts or writes anything ---

    @property
    def port(self) -> int:
        """The port it listens on, or will: 1, where nothing answers, before the first start."""
        return int(self._state().get("port", 1))

    def database_settings(self) -> dict[str, str]:
        """The entry of Django's DATABASES."""
        return {
            "ENGINE": "django.db.backends.postgresql",
            "NAME": DATABASE,
            "USER": _USER,
            "PASSWORD": self._password,
            "HOST": _HOST,
            "PORT": str(self.port),
        }

    def url(self, dbname: str = DATABASE) -> str:
        return f"postgres://{_USER}:{quote(self._password)}@{_HOST}:{self.port}/{quote(dbname)}"

    def secret_key(self) -> str:
        """Django's SECRET_KEY; before the first start one that lives as long as this process."""
        return str(self._state().get("secret_key") or _ephemeral_key())

    def is_running(self) -> bool:
        server = self._server()
        return server is not None and server.ready

    def clients(self) -> int:
        """How many other programs' connections the running server has."""
        with psycopg.connect(self.url("postgres"), connect_timeout=5) as conn:
            row = conn.execute(
                "SELECT count(*) FROM pg_stat_activity"
                " WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"
            ).fetchone()
        return int(row[0]) if row else 0

    # --- What changes something ---

    def admin_password(self) -> str:
        """The password of the demo's `admin`, made at the first call and kept."""
        self._make_state_dir()
        with locked(self.state_dir / "lock"):
            return str(self._remember(admin_password=secrets.token_urlsafe(9))["admin_password"])

    def ensure_running(self, say: Callable[[str], None] = say_on_stderr) -> bool:
        """Start the server unless it runs; returns whether this call started it. The database exists afterwards.

        `say` is told in one line what a person should know. Raises EmbeddedError.
        """
        server = self._server()
        if server is not None and server.ready and server.port == self.port and self._state().get("created"):
            return False
        try:
            self._make_state_dir()
            with locked(self.state_dir / "lock"):
                return self._start(say)
        except (OSError, psycopg.Error) as exc:
            raise EmbeddedError(f"The embedded PostgreSQL cannot start: {exc}") from exc

    def stop(self) -> None:
        """Stop the server, ending its sessions in order; nothing happens when it does not run."""
        if not self.state_dir.exists():
            return
        with locked(self.state_dir / "lock"):
            if self._server() is not None:
                self._pg_ctl("stop", "-m", "fast")

    def remove(self) -> None:
        """Stop the server and delete its data and its state."""
        self.stop()
        shutil.rmtree(self._home.directory, ignore_errors=True)
        shutil.rmtree(self.state_dir, ignore_errors=True)

    # --- Starting, under the lock ---

    def _start(self, say: Callable[[str], None]) -> bool:
        state = self._state()
        self._home.make()
        if "password" not in state and self._home.data.exists():
            self._set_aside(say)
        state = self._remember(
            password=secrets.token_urlsafe(24), secret_key=secrets.token_urlsafe(50), port=free_port()
        )
        if not self._home.data.exists():
            self._initdb(str(state["password"]))
            self._remember(created=False, replace=True)
        server = settled_postmaster(self._home.data, _START_TIMEOUT_S)
        if server is None:
            self._launch(say)
        elif server.port != state["port"]:
            self._remember(port=server.port, replace=True)
        self._create_database()
        return server is None

    def _set_aside(self, say: Callable[[str], None]) -> None:
        """Without the state nobody knows the password, and the secrets of a database are gone with it: begin anew."""
        if settled_postmaster(self._home.data, _START_TIMEOUT_S) is not None:
            self._pg_ctl("stop", "-m", "fast")
        old = self._home.directory / "data.old"
        shutil.rmtree(old, ignore_errors=True)
        self._home.data.rename(old)
        say(f"{self.state_dir / 'state.json'} is gone: a new database is made, the old one is kept at {old}.")

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
        end_orphans(self._home.data)
        # PostgreSQL would trust a process id that another program has by now.
        (self._home.data / "postmaster.pid").unlink(missing_ok=True)
        if not is_free(self.port):
            taken = self.port
            self._remember(port=free_port(), replace=True)
            say(f"Port {taken} is taken by another program: the embedded PostgreSQL moves to port {self.port}.")
        options = {**_OPTIONS, "port": str(self.port), **self.options}
        lines = [f"{name} = '{value}'\n" for name, value in options.items()]
        self._home.write(self._home.data / _CONFIG, "".join(lines))
        if self._home.log.exists():
            self._home.log.replace(self._home.log.with_suffix(".log.1"))
        self._home.write(self._home.log, "")
        try:
            self._pg_ctl("start", "-l", self._home.log)
        except EmbeddedError as exc:
            fatal = [line for line in self._home.log.read_text().splitlines() if "FATAL" in line or "PANIC" in line]
            raise EmbeddedError(f"PostgreSQL does not start: {(fatal or [str(exc)])[0]} ({self._home.log})") from exc

    def _create_database(self) -> None:
        if self._state().get("created"):
            return
        with psycopg.connect(self.url("postgres"), autocommit=True, connect_timeout=5) as conn:
            if conn.execute("SELECT FROM pg_database WHERE datname = %s", [DATABASE]).fetchone() is None:
                conn.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(DATABASE)))
        self._remember(created=True, replace=True)

    def _pg_ctl(self, action: str, *arguments: str | Path) -> None:
        self._home.run("pg_ctl", action, "-D", self._home.data, "-w", "-t", str(_START_TIMEOUT_S), *arguments)

    # --- State and server ---

    @property
    def _home(self) -> Home:
        return home(name=self.name, state_dir=self.state_dir, major=self.major, checkout=self.checkout)

    @property
    def _password(self) -> str:
        return str(self._state().get("password", ""))

    def _server(self) -> Postmaster | None:
        return postmaster(self._home.data)

    def _make_state_dir(self) -> None:
        self.state_dir.mkdir(mode=0o700, parents=True, exist_ok=True)

    def _state(self) -> dict[str, Any]:
        try:
            state: dict[str, Any] = json.loads((self.state_dir / "state.json").read_text())
        except FileNotFoundError:
            return {}
        except ValueError as exc:
            raise EmbeddedError(f"{self.state_dir / 'state.json'} cannot be read: {exc}.") from exc
        return state

    def _remember(self, *, replace: bool = False, **values: object) -> dict[str, Any]:
        """Add `values` to the state; what is there stays, unless `replace`."""
        before = self._state()
        after = {**before, **values} if replace else {**values, **before}
        if after != before:
            new = self.state_dir / "state.json.new"
            new.unlink(missing_ok=True)
            with open(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
                json.dump(after, file, indent=1)
                os.fsync(file.fileno())
            new.replace(self.state_dir / "state.json")
        return after


def demo_cluster(base_dir: Path) -> Cluster:
    """The cluster of the site in the checkout `base_dir`, shared by web, worker and shell."""
    return Cluster(name="demo", state_dir=base_dir / ".data", checkout=base_dir)


@functools.cache
def _ephemeral_key() -> str:
    return secrets.token_urlsafe(50)
