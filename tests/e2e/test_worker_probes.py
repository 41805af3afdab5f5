"""``runworker --health-port`` and ``--heartbeat-file``: what probes are told while a worker works, waits and ends."""

import json
import os
import signal
import socket
from contextlib import ExitStack, suppress
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

from e2e_site.embedded.process import free_port
from tests.conftest import StartManage
from tests.e2e.conftest import StartWorker
from tests.e2e.test_worker_processes import children
from tests.support.proxy import Proxy
from tests.support.waiting import wait_until
from tests.support.workers import LiveBus

WELL = {name: {"ok": True} for name in ("database", "settings", "receiving", "finishing")}


def ask(port: int, path: str, method: str = "GET") -> tuple[int, str]:
    connection = HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request(method, path)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()


def ready(port: int) -> tuple[int, dict[str, Any]]:
    status, body = ask(port, "/readyz")
    told = json.loads(body)
    assert told["ready"] is (status == 200)
    return status, told["checks"]


def test_a_worker_answers_while_it_works_is_paused_and_drains(
    bus: LiveBus, start_worker: StartWorker, tmp_path: Path
) -> None:
    port, file = free_port(), tmp_path / "alive"
    worker = start_worker("--health-port", str(port), "--heartbeat-file", str(file))
    assert ask(port, "/healthz") == (200, "ok\n")
    assert ask(port, "/healthz?x=1", "HEAD") == (200, "")
    assert ready(port) == (200, WELL)
    assert [ask(port, "/metrics")[0], ask(port, "/readyz", "POST")[0]] == [404, 405]
    touched = file.stat().st_mtime
    wait_until(lambda: file.stat().st_mtime > touched, 10, "the next touch of the file")

    bus.settings(paused=True)
    worker.wait_for("paused")
    assert ready(port) == (200, WELL)
    bus.settings(paused=False)

    running = [bus.timeout(1500)]
    bus.wait_for_attempts(1, running)
    worker.signal(signal.SIGTERM)
    worker.wait_for("signal")
    status, checks = ready(port)
    assert (status, checks["receiving"]) == (503, {"ok": False, "reasons": ["it drains"]})
    assert ask(port, "/healthz")[0] == 200
    assert worker.wait() == 0
    assert not file.exists()
    bus.assert_done_once(running, attempts=1)


def test_a_worker_that_lost_its_database_lives_and_is_not_ready(proxy: Proxy, start_worker: StartWorker) -> None:
    port = free_port()
    start_worker("--health-port", str(port), DATABASE_URL=proxy.url)
    assert ready(port) == (200, WELL)
    proxy.hold()  # what connects anew gets no answer
    for end in proxy.sockets:
        with suppress(OSError):  # one that has ended
            end.shutdown(socket.SHUT_RDWR)
    wait_until(lambda: ready(port)[0] == 503, 20, "readiness is gone")
    assert ready(port)[1]["database"] == {"ok": False, "reasons": ["the connection to the database is lost"]}
    assert ask(port, "/healthz") == (200, "ok\n")
    proxy.passing.set()
    wait_until(lambda: ready(port) == (200, WELL), 20, "readiness is back")


def test_clients_that_say_nothing_or_too_much_keep_nobody(start_worker: StartWorker) -> None:
    port = free_port()
    start_worker("--health-port", str(port))
    with ExitStack() as open_sockets:
        silent = [open_sockets.enter_context(socket.create_connection(("127.0.0.1", port), 10)) for _ in range(40)]
        for client in silent[16:]:
            assert client.recv(1) == b"", "more than 16 at a time are not kept"
        wait_until(lambda: _answers(port), 10, "an answer, once the silent ones were cut off")
        assert silent[0].recv(1) == b""
        talkative = open_sockets.enter_context(socket.create_connection(("127.0.0.1", port), 10))
        with suppress(ConnectionError):  # a reset, while it still talks
            talkative.sendall(b"x" * 1_000_000)
            assert talkative.recv(1) == b""
        strange = open_sockets.enter_context(socket.create_connection(("127.0.0.1", port), 10))
        strange.sendall(b"\xff\x00\r\n\r\n")
        assert strange.recv(100).startswith(b"HTTP/1.1 400 ")
    assert ask(port, "/healthz") == (200, "ok\n")


def _answers(port: int) -> bool:
    try:
        return ask(port, "/healthz")[0] == 200
    except (OSError, ValueError):
        return False


def test_of_many_processes_their_supervisor_answers(bus: LiveBus, start_worker: StartWorker, tmp_path: Path) -> None:
    port, file = free_port(), tmp_path / "alive"
    worker = start_worker("--processes", "2", "--health-port", str(port), "--heartbeat-file", str(file))
    worker.wait_for("started", count=2)
    wait_until(lambda: ready(port) == (200, {"processes": {"ok": True}}), 10, "a process that works")
    assert file.exists()
    first, second = children(worker)
    os.kill(first, signal.SIGKILL)
    worker.wait_for("process_ended")
    assert ready(port)[0] == 200, "one is enough"
    os.kill(second, signal.SIGKILL)
    worker.wait_for("process_ended", count=2)
    assert ready(port) == (503, {"processes": {"ok": False, "reasons": ["none of 2 works"]}})
    assert ask(port, "/healthz") == (200, "ok\n")
    wait_until(lambda: ready(port)[0] == 200, 30, "one was started again and works")
    assert worker.stop() == 0
    assert not file.exists()


def test_a_port_that_is_taken_is_said_at_start(start_manage: StartManage) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        program = start_manage("runworker", "--health-port", str(port))
        assert program.wait() == 2
    assert program.output == f"CommandError: --health-port {port}: nothing can listen there: Address already in use.\n"
