"""Fixtures of all tests, and the marker that each directory gives."""

import signal
import subprocess
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import Protocol

import pytest
from django.apps import apps
from django.test import TransactionTestCase
from pytest_django import DjangoDbBlocker
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

from e2e_site.embedded.cluster import Cluster
from e2e_site.programs import manage_command
from tests.support import clusters, databases
from tests.support.bus import HandBus
from tests.support.command_line import CommandLine
from tests.support.programs import StartedProgram, inherited_environment


def pytest_configure() -> None:
    # A shell has what it starts in the background ignore Ctrl-C, and so would the programs that the tests start.
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_itemcollected(item: pytest.Item) -> None:
    item.add_marker(item.path.relative_to(Path(__file__).parent).parts[0])


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Half a surrogate pair in what a test logged cannot be sent from one of pytest's processes to another."""
    report = yield
    report.sections = [(name, text.encode(errors="backslashreplace").decode()) for name, text in report.sections]
    return report


class OneByOne(LoadScopeScheduling):  # type: ignore[misc]  # xdist has no types
    """Whichever process is free takes the next test, but for those that one process has to take as a whole."""

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.partition("::")[0]
        if file.startswith("tests/browser/") or file.endswith("_scenarios.py"):
            return file  # it starts a browser and a served site, or a worker of each engine
        if file.startswith("tests/e2e/test_under_load_"):
            return "load"  # one at a time, and no process waits for its turn
        return nodeid


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> OneByOne:
    return OneByOne(config, log)


@pytest.fixture(scope="session")
def database_url(django_db_blocker: DjangoDbBlocker) -> Iterator[str]:
    """The address of this process's database, whole schema included. For tests that connect by themselves."""
    clusters.remove_leftovers()
    # Unblocked for the set-up only: the tests ask for the database by their marks.
    with (
        clusters.running_server(),
        django_db_blocker.unblock(),
        databases.test_database() as url,
        django_db_blocker.block(),
    ):
        yield url


@pytest.fixture(scope="session")
def django_db_setup(database_url: str) -> Iterator[None]:
    """In place of pytest-django's: the database is a clone of a template that Flyway's files made."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TransactionTestCase, "_fixture_teardown", lambda _: databases.put_back_what_migrate_made())
        yield


@pytest.fixture(autouse=True)
def _clean_after_commits(request: pytest.FixtureRequest) -> Iterator[None]:
    """After a test that commits: empty all that tests fill.

    Such a test is marked ``django_db(transaction=True)``, or uses a live server or `committed`.
    """
    mark = request.node.get_closest_marker("django_db")
    commits = bool({"transactional_db", "live_server", "committed"} & set(request.fixturenames))
    commits = commits or (mark is not None and bool(mark.kwargs.get("transaction") or mark.args[:1]))
    url = request.getfixturevalue("database_url") if commits else ""
    yield
    if commits:
        databases.clean(url)


@pytest.fixture
def committed(database_url: str) -> str:
    """The database's address, for a test that commits by connections of its own and not by Django's."""
    return database_url


@pytest.fixture
def accounts(committed: str, django_db_blocker: DjangoDbBlocker) -> Iterator[None]:
    """Django's database, for making users. They go with the test, and nothing else does: a transactional test of
    pytest-django would make the content types anew, which the served site remembers by their numbers."""
    with django_db_blocker.unblock():
        yield
        for name in ("admin.LogEntry", "sessions.Session", "e2e_site.ApiToken", "auth.User"):
            apps.get_model(name).objects.all().delete()


@pytest.fixture
def bus(committed: str) -> Iterator[HandBus]:
    """The bus, driven by hand on the test database; what it does is committed."""
    hand_bus = HandBus(committed)
    with hand_bus.conn:
        yield hand_bus


@pytest.fixture
def orders(bus: HandBus) -> Iterator[str]:
    """A second domain, which a row is enough to make; gone afterwards, with its queues."""
    bus.conn.execute("INSERT INTO commandbus.domain (name) VALUES ('orders')")
    yield "orders"
    bus.conn.execute("DELETE FROM commandbus.domain WHERE name = 'orders'")
    for queue in ("orders__commands", "orders__replies"):
        bus.conn.execute("SELECT pgmq.drop_queue(%s)", [queue])


class StartManage(Protocol):
    def __call__(self, *arguments: str, **environment: str) -> StartedProgram: ...


@pytest.fixture
def start_manage(database_url: str) -> Iterator[StartManage]:
    """Start ``manage.py <arguments>`` on the test database; ``NAME="value"`` sets an environment variable."""
    programs: list[StartedProgram] = []

    def start(*arguments: str, **environment: str) -> StartedProgram:
        env = inherited_environment(**{"DATABASE_URL": database_url, **environment})
        name = f"{arguments[0]}-{len(programs)}"
        programs.append(StartedProgram(name, manage_command(*arguments), environment=env))
        return programs[-1]

    yield start
    for program in programs:
        program.kill()


@pytest.fixture
def throwaway_cluster() -> Iterator[Callable[[], Cluster]]:
    """Makes clusters, not yet started, that a test may stop and kill as it likes."""
    made: list[Cluster] = []

    def make() -> Cluster:
        made.append(clusters.throwaway_cluster(len(made)))
        return made[-1]

    yield make
    for cluster in made:
        cluster.remove()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 100 MB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=100m", "tmpfs", str(disk)]
    mount = subprocess.run(command, capture_output=True, text=True, check=False)
    if mount.returncode:
        pytest.skip(f"needs a right to mount: {mount.stderr}")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


@pytest.fixture
def manage_py(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> CommandLine:
    """Runs a command of the console in this process."""
    return CommandLine(monkeypatch, capsys)
