"""Fixtures of tests that watch programs from outside."""

import fcntl
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

import pytest

from e2e_site.programs import manage_command
from tests.conftest import StartManage
from tests.support import databases
from tests.support.checkouts import Checkout
from tests.support.clusters import CHECKOUT
from tests.support.engines import ENGINES, Engine
from tests.support.load import Load
from tests.support.pooler import pooler_before
from tests.support.programs import StartedProgram, inherited_environment
from tests.support.proxy import Proxy, proxy_before
from tests.support.workers import LiveBus, Worker


class StartWorker(Protocol):
    def __call__(self, *arguments: str, ready: bool = True, **environment: str) -> Worker: ...


class MakeLoad(Protocol):
    def __call__(self, *, lease: int) -> Load: ...


@pytest.fixture
def bus(committed: str) -> Iterator[LiveBus]:
    live_bus = LiveBus(committed)
    with live_bus.conn:
        yield live_bus


@pytest.fixture
def start_worker(start_manage: StartManage) -> StartWorker:
    """Starts workers on the test database and waits until they work, unless told not to (`ready`)."""

    def start(*arguments: str, ready: bool = True, **environment: str) -> Worker:
        worker = Worker(start_manage("runworker", *arguments, **{"LOG_FORMAT": "json", **environment}))
        if ready:
            worker.wait_for("started")
        return worker

    return start


@pytest.fixture(scope="module")
def shared_bus(database_url: str) -> Iterator[LiveBus]:
    """The bus of all tests of a file, which leave each other's commands alone; emptied after them."""
    live_bus = LiveBus(database_url)
    with live_bus.conn:
        yield live_bus
    databases.clean(database_url)


@pytest.fixture(scope="module", params=ENGINES, ids=lambda engine: engine.name)
def engine(request: pytest.FixtureRequest, shared_bus: LiveBus) -> Iterator[Engine]:
    """The engine of the worker that runs, one for all tests of a file. It has our own handlers beside the site's."""
    shared_bus.settings(
        base_delay_ms=50, max_delay_ms=50, poll_interval=0.2, concurrency=20, batch_size=20, visibility_timeout=2
    )
    chosen: Engine = request.param
    words = ("runworker", "--engine", chosen.name, "--handlers", "tests.support.own_handlers")
    environment = inherited_environment(DATABASE_URL=shared_bus.url, LOG_FORMAT="json")
    worker = Worker(StartedProgram("worker", manage_command(*words), environment=environment))
    try:
        worker.wait_for("started")
        yield chosen
        assert worker.stop() == 0
    finally:
        worker.program.kill()


@pytest.fixture
def one_load_at_a_time() -> Iterator[None]:
    """Keeps test processes from putting the machine under load side by side: each would get half of it."""
    with (CHECKOUT / ".data" / "load").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


@pytest.fixture
def make_load(one_load_at_a_time: None, bus: LiveBus, start_worker: StartWorker) -> MakeLoad:
    """Puts the test database under load."""
    return lambda *, lease: Load(bus, start_worker, lease=lease)


@pytest.fixture
def checkout(tmp_path: Path) -> Iterator[Checkout]:
    """A set-up copy of this checkout, with a demo database of its own."""
    made = Checkout(tmp_path / "checkout")
    yield made
    made.remove()


@pytest.fixture
def proxy(committed: str) -> Iterator[Proxy]:
    """A network before the test database, for a worker that is given its ``url``."""
    with proxy_before(committed) as running:
        yield running


@pytest.fixture
def pooler(committed: str, tmp_path: Path) -> Iterator[str]:
    """The address of the test database by way of a PgBouncer in transaction mode."""
    with pooler_before(committed, tmp_path) as url:
        yield url
