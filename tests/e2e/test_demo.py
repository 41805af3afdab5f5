"""bin/demo: the whole site from one command."""

import http.cookiejar
import re
import signal
import socket
import time
import urllib.parse
import urllib.request
from pathlib import Path

import psutil
import psycopg
import pytest

from e2e_site.embedded.process import free_port
from tests.support.checkouts import NO_NETWORK, Checkout
from tests.support.programs import StartedProgram
from tests.support.waiting import wait_until

FINAL = "('COMPLETED', 'FAILED', 'CANCELED', 'IN_TROUBLESHOOTING_QUEUE')"


class Demo:
    """A running bin/demo."""

    def __init__(self, checkout: Checkout, *arguments: str, **environment: str) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.program = checkout.start("bin/demo", *arguments, **{"PORT": str(self.port), **environment})
        self.program.wait_for_output("Ctrl-C stops everything", 60)

    @property
    def output(self) -> str:
        return self.program.output

    @property
    def login(self) -> str:
        found = re.search(r"login: admin, password: (\S+)", self.output)
        assert found
        return found[1]

    def child(self, word: str) -> psutil.Process:
        """Its worker (``runworker``), what works off runs (``work``), or its web server (``serve``)."""
        children = psutil.Process(self.program.pid).children()
        return next(child for child in children if word in child.cmdline())

    def page(self, path: str = "/") -> str:
        with urllib.request.urlopen(self.url + path, timeout=10) as answer:  # noqa: S310 — our own http address
            return str(answer.read().decode())

    def stop(self) -> None:
        self.program.send_signal(signal.SIGINT)
        assert self.program.wait(60) == 0


def database_process(checkout: Checkout) -> psutil.Process:
    ((data,),) = checkout.query("SHOW data_directory")
    return psutil.Process(int((Path(str(data)) / "postmaster.pid").read_text().splitlines()[0]))


def all_final(checkout: Checkout) -> bool:
    return checkout.query(f"SELECT bool_and(status IN {FINAL}) FROM commandbus.command") == [(True,)]


def test_six_behaviors_reach_their_ends_and_a_second_start_finds_them_without_a_network(checkout: Checkout) -> None:
    """Its second stop leaves the database to other clients."""
    first = Demo(checkout)
    wait_until(lambda: all_final(checkout), 30, "End of the six commands")
    rows = checkout.query(
        """
        SELECT t.behavior ->> 'type', c.status, t.attempts FROM public.test_command t
        JOIN commandbus.command c USING (command_id) ORDER BY 1
        """
    )
    assert rows == [
        ("business_rule", "FAILED", 1),
        ("fail_permanent", "IN_TROUBLESHOOTING_QUEUE", 1),
        ("fail_transient", "IN_TROUBLESHOOTING_QUEUE", 3),
        ("fail_transient_then_succeed", "COMPLETED", 3),
        ("success", "COMPLETED", 1),
        ("timeout", "COMPLETED", 1),
    ]
    password = first.login
    first.stop()
    assert not checkout.cluster.is_running()

    began = time.monotonic()
    second = Demo(checkout, **NO_NETWORK)
    assert "<html" in second.page()
    assert time.monotonic() - began < 10
    assert second.login == password
    assert checkout.query("SELECT count(*) FROM public.test_command") == [(6,)]
    assert_login_opens_the_admin(second)

    with psycopg.connect(checkout.cluster.url()) as other:
        second.stop()
        assert "Other clients are connected (1): the database stays" in second.output
        assert other.execute("SELECT 1").fetchone() == (1,)
    assert checkout.manage("embeddedpg", "stop") == "Stopped.\n"
    assert not checkout.cluster.is_running()


def assert_login_opens_the_admin(demo: Demo) -> None:
    """The one that it printed."""
    cookies = http.cookiejar.CookieJar()
    browser = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(cookies))
    form = browser.open(f"{demo.url}/admin/login/", timeout=10).read().decode()
    token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', form)
    assert token
    fields = {"username": "admin", "password": demo.login, "next": "/admin/", "csrfmiddlewaretoken": token[1]}
    answer = browser.open(f"{demo.url}/admin/login/", urllib.parse.urlencode(fields).encode(), timeout=10)
    assert answer.url == f"{demo.url}/admin/"


def test_ctrl_c_lets_running_commands_end_and_stops_worker_web_and_database_in_order(checkout: Checkout) -> None:
    demo = Demo(checkout, "--empty")
    assert checkout.query("SELECT count(*) FROM public.test_command") == [(0,)]
    processes = [demo.child("runworker"), demo.child("work"), demo.child("serve"), database_process(checkout)]
    checkout.send(type="timeout", execution_time_ms=2000)
    wait_until(
        lambda: checkout.query("SELECT status FROM commandbus.command") == [("IN_PROGRESS",)],
        message="Start of the work",
    )
    demo.stop()
    stops = [demo.output.index(f"Stopping the {name}") for name in ("worker", "bench", "web server", "database")]
    assert stops == sorted(stops)
    assert not any(process.is_running() and process.status() != psutil.STATUS_ZOMBIE for process in processes)
    checkout.cluster.ensure_running()
    assert checkout.query("SELECT status, attempts FROM commandbus.command") == [("COMPLETED", 1)]


@pytest.mark.long
def test_what_is_killed_is_started_again_and_this_is_said(checkout: Checkout) -> None:
    demo = Demo(checkout, "--empty")
    database_process(checkout).kill()
    demo.program.wait_for_output("The database ended; it is started again in 1 s.")
    demo.child("runworker").kill()
    demo.program.wait_for_output("The worker ended by signal 9; it is started again in 1 s.")
    demo.child("serve").kill()
    demo.program.wait_for_output("The web server ended by signal 9; it is started again in 1 s.")
    wait_until(checkout.cluster.is_running, 30, "The database")
    checkout.send(type="success")
    wait_until(lambda: all_final(checkout), 30, "End of a command sent after the kills")
    wait_until(lambda: _serves(demo), 30, "A page")
    demo.stop()


def _serves(demo: Demo) -> bool:
    try:
        return "<html" in demo.page()
    except OSError:
        return False


@pytest.mark.long
def test_after_kill_9_of_everything_a_new_demo_ends_every_acknowledged_command(checkout: Checkout) -> None:
    """The new one is killed alone: no process is left that holds its port."""
    demo = Demo(checkout, "--empty")
    checkout.query("UPDATE public.e2e_config SET visibility_timeout = 2 RETURNING 1")
    checkout.send(30, type="timeout", execution_time_ms=300)
    wait_until(
        lambda: checkout.query("SELECT count(*) FROM commandbus.command WHERE status = 'IN_PROGRESS'") != [(0,)],
        message="Start of the work",
    )
    killed = [psutil.Process(demo.program.pid), demo.child("runworker"), demo.child("serve")]
    for process in [*killed, database_process(checkout)]:
        process.kill()
    wait_until(lambda: not checkout.cluster.is_running(), message="Death of the database")

    again = Demo(checkout)
    wait_until(lambda: all_final(checkout), 60, "End of every command")
    assert checkout.query("SELECT status, count(*) FROM commandbus.command GROUP BY 1") == [("COMPLETED", 30)]

    children = psutil.Process(again.program.pid).children(recursive=True)
    psutil.Process(again.program.pid).kill()
    _, alive = psutil.wait_procs(children, timeout=20)
    assert [child for child in alive if child.status() != psutil.STATUS_ZOMBIE] == []
    socket.create_server(("127.0.0.1", again.port)).close()


class TestClearErrors:
    """Each is the last line, and leaves nothing started. After exit code 1 another try may go well, after 2 none."""

    def assert_refused(self, checkout: Checkout, program: StartedProgram, *words: str, code: int = 2) -> None:
        assert program.exit_code == code
        last = program.output.strip().splitlines()[-1]
        for word in words:
            assert word in last
        assert "Traceback" not in program.output
        assert not checkout.cluster.is_running()

    def test_a_port_that_is_taken(self, checkout: Checkout) -> None:
        with socket.create_server(("127.0.0.1", 0)) as other:
            port = other.getsockname()[1]
            program = checkout.run("bin/demo", PORT=str(port))
        self.assert_refused(checkout, program, f"Port {port} is taken", "PORT=")
        assert not checkout.cluster.state_dir.joinpath("state.json").exists()

    def test_a_port_that_is_none_and_a_broken_database_url(self, checkout: Checkout) -> None:
        program = checkout.run("bin/demo", PORT="http")
        self.assert_refused(checkout, program, "PORT is 'http'", "from 1 to 65535")
        for url, words, code in (
            ("nonsense", "DATABASE_URL must name a PostgreSQL database", 2),
            ("mysql://user@host/name", "DATABASE_URL must name a PostgreSQL database", 2),
            ("postgres://user:pass@127.0.0.1:1/name", "refused", 1),
            ("postgres://user:pass@127.0.0.1:port/name", "DATABASE_URL", 2),
        ):
            program = checkout.run("bin/demo", DATABASE_URL=url, SECRET_KEY="x" * 50, PORT=str(free_port()))
            self.assert_refused(checkout, program, words, code=code)
        program = checkout.run("bin/demo", DATABASE_URL="postgres://user@127.0.0.1:1/name", PORT=str(free_port()))
        self.assert_refused(checkout, program, "SECRET_KEY is required")

    def test_a_full_disk(self, small_disk: Path) -> None:
        checkout = Checkout(small_disk / "checkout")
        try:
            program = checkout.run("bin/demo", PORT=str(free_port()))
            self.assert_refused(checkout, program, "disk full", "MB free", code=1)
        finally:
            checkout.remove()
