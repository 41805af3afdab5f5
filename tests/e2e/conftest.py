"""Fixtures of tests that watch programs from outside."""

from collections.abc import Iterator
from typing import Protocol

import pytest

from tests.conftest import StartManage
from tests.e2e.workers import LiveBus, Worker


class StartWorker(Protocol):
    def __call__(self, *arguments: str, ready: bool = True, **environment: str) -> Worker: ...


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
