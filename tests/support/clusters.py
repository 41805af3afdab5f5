"""The PostgreSQL server of a test run: a pytest plugin (``-p tests.support.clusters``), loaded before the
settings.

The server is the one that ``DATABASE_URL`` named outside, else a cluster of the tests' own, one per major version
(``TEST_POSTGRES``, 18 by default) and worker of pytest-xdist, started when the first test needs a database and stopped
by the last run that uses it. A transaction anywhere on a server is felt in all its databases, so workers share none.
The demo's database is never touched. Workers of pytest-xdist inherit the environment that is set here.
"""

import fcntl
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from e2e_site.embedded.cluster import Cluster
from e2e_site.libpq import ignore_callers

CHECKOUT = Path(__file__).resolve().parent.parent.parent
_STATE = CHECKOUT / ".data"
_THROWAWAY = _STATE / "throwaway"
# Tests kill programs and servers, but never the machine, for which alone PostgreSQL waits for the disk at each commit.
# What the demo's own cluster promises is tested on throw-away ones.
_IN_A_HURRY = {"fsync": "off", "full_page_writes": "off"}
# Nothing answers there: a test that needs a database and does not ask for one fails at once.
_NOWHERE = "postgres://nobody@127.0.0.1:1/nowhere"

# Where a shell forbids to keep compiled modules, each of the hundreds of programs that the tests start would compile
# ours anew, and each test process all of the tests.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False
# A worker of pytest-xdist finds TEST_SERVER_URL set by its controller, whose DATABASE_URL is ours already.
os.environ.setdefault("TEST_SERVER_URL", os.environ.get("DATABASE_URL", ""))
if not os.environ["TEST_SERVER_URL"]:
    ignore_callers()
os.environ["DATABASE_URL"] = _NOWHERE
os.environ["DJANGO_SETTINGS_MODULE"] = "e2e_site.settings"  # pytest would take another project's before its own
os.environ["SECRET_KEY"] = "the key of the tests, which protects nothing"
for _name in (
    "ALLOWED_HOSTS",
    "CSRF_TRUSTED_ORIGINS",
    "DEBUG",
    "HSTS_SECONDS",
    "HTTPS",
    "LISTEN_DATABASE_URL",
    "LOG_FORMAT",
    "LOG_LEVEL",
    "METRICS_NETWORKS",
    "PROXIES",
    "PUBLIC_READ",
):
    os.environ.pop(_name, None)


def server_url(dbname: str | None = None) -> str:
    """The server's address; with `dbname`, that of another database on it."""
    outside = os.environ["TEST_SERVER_URL"]
    if not outside:
        return _own_cluster().url(dbname or "postgres")
    if dbname is None:
        return outside
    address, _, options = outside.partition("?")
    return f"{address.rpartition('/')[0]}/{dbname}{'?' if options else ''}{options}"


@contextmanager
def running_server() -> Iterator[None]:
    """Keep the server running; the last of all processes to leave stops it, unless it was given from outside."""
    if os.environ["TEST_SERVER_URL"]:
        yield
        return
    cluster = _own_cluster()
    cluster.state_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    with (cluster.state_dir / "users").open("a") as users:
        fcntl.flock(users, fcntl.LOCK_SH)
        cluster.ensure_running()
        yield
        try:
            fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return
        cluster.stop()


def throwaway_cluster(number: int) -> Cluster:
    """A cluster for one test that stops or kills a server; the test removes it."""
    name = f"throwaway-{os.getpid()}-{number}"
    return Cluster(name=name, state_dir=_THROWAWAY / name, major=_major())


def remove_leftovers() -> None:
    """Remove the throw-away clusters of test processes that died."""
    for state_dir in _THROWAWAY.glob("throwaway-*"):
        if not psutil.pid_exists(int(state_dir.name.split("-")[1])):
            for major in (16, 18):
                Cluster(name=state_dir.name, state_dir=state_dir, major=major).remove()


def _own_cluster() -> Cluster:
    worker = os.environ.get("PYTEST_XDIST_WORKER", "")
    name = f"tests-{worker}" if worker else "tests"
    return Cluster(name=name, state_dir=_STATE / f"{name}-{_major()}", major=_major(), options=_IN_A_HURRY)


def _major() -> int:
    try:
        return int(os.environ.get("TEST_POSTGRES", "18"))
    except ValueError:
        raise pytest.UsageError("TEST_POSTGRES is the major version of an embedded PostgreSQL: 16 or 18.") from None
