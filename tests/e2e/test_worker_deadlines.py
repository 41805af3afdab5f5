"""A server that takes a statement and never answers: the worker gives the connection up and goes on by itself."""

from tests.e2e.conftest import StartWorker
from tests.support.proxy import Proxy
from tests.support.workers import COMPLETED, LiveBus


def test_an_end_whose_answer_never_comes_is_sent_again_within_the_lease(
    bus: LiveBus, proxy: Proxy, start_worker: StartWorker
) -> None:
    bus.settings(visibility_timeout=3, concurrency=4)
    worker = start_worker("--poll-interval", "60", DATABASE_URL=proxy.url)
    proxy.cut(b'"again":false', silent=True)
    sent = [bus.timeout(100 * i) for i in range(3)]
    bus.wait_for_status(COMPLETED, sent)
    proxy.cut(b"")
    after = bus.send()
    bus.wait_for_status(COMPLETED, [after], timeout=20)
    bus.assert_done_once([*sent, after], attempts=1)
    assert proxy.cuts >= 1
    worker.wait_for("database_back")
    assert worker.stop() == 0
    assert bus.worker_row(worker)["completed"] == 4
