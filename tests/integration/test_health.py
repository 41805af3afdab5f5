"""``/healthz`` and ``/readyz``: what they say, to whom, and that nothing keeps them from an answer."""

import logging
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import psycopg
import pytest
from django.test import Client
from pytest_django import DjangoDbBlocker
from pytest_django.fixtures import Settings

from commands.pages import health
from commands.reads import readiness
from commands.reads.readiness import SILENT, Prober
from commands.rules.readiness import UNREACHABLE, Readiness, readiness_of
from e2e_site import hosts, limits
from tests.support.waiting import wait_until

NOWHERE = "postgres://nobody@127.0.0.1:1/nowhere"
WELL = {"database": {"ok": True}, "schema": {"ok": True}, "pgmq": {"ok": True}, "queue": {"ok": True}}


@pytest.fixture(autouse=True)
def _closed_site_by_https(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """What would keep a probe out: no reading without a login, and HTTPS; nothing is known from a test before."""
    settings.PUBLIC_READ = False
    settings.SECURE_SSL_REDIRECT = True
    settings.METRICS_NETWORKS = []
    monkeypatch.setattr(health, "prober", Prober())


@pytest.fixture
def probe() -> Client:
    """Asks by an address that is not in ALLOWED_HOSTS, with a session that the site would have to look up."""
    client = Client(headers={"Host": "10.1.2.3:5001"}, raise_request_exception=False)
    client.cookies["sessionid"] = "a session that the site would look up"
    return client


def test_healthz_asks_no_database(probe: Client) -> None:
    response = probe.get("/healthz")  # pytest-django blocks the database here
    assert (response.status_code, response.text, response["Cache-Control"]) == (200, "ok\n", "private, no-store")
    assert "sessionid" not in response.cookies
    head = probe.head("/healthz")
    assert (head.status_code, head.content) == (200, b"")
    assert probe.post("/healthz").status_code == 405


def test_readyz_of_a_site_that_is_set_up(
    probe: Client, database_url: str, django_uses: Callable[[str], None], django_db_blocker: DjangoDbBlocker
) -> None:
    with django_db_blocker.unblock():
        django_uses(database_url)
        response = probe.get("/readyz")
    assert (response.status_code, response.json()) == (200, {"ready": True, "checks": WELL})


@pytest.fixture
def unset_up(
    empty_database: Callable[[], str], django_uses: Callable[[str], None], django_db_blocker: DjangoDbBlocker
) -> Iterator[None]:
    """Django uses a database in which there is nothing."""
    with django_db_blocker.unblock():
        django_uses(empty_database())
        yield


@pytest.mark.usefixtures("unset_up")
@pytest.mark.parametrize("who", ["visitor", "watcher", "debug"])
def test_readyz_says_which_check_failed_and_why_to_whom_it_concerns(
    who: str, probe: Client, settings: Settings
) -> None:
    settings.METRICS_NETWORKS = [hosts.network("127.0.0.1")] if who == "watcher" else []
    settings.DEBUG = who == "debug"
    response = probe.get("/readyz")
    assert response.status_code == 503
    body = response.json()
    assert not body["ready"]
    assert {name: check["ok"] for name, check in body["checks"].items()} == {
        "database": True, "schema": False, "pgmq": False, "queue": None,
    }  # fmt: skip
    reasons = [check.get("reasons", []) for check in body["checks"].values()]
    if who == "visitor":
        assert reasons == [[], [], [], []]
    else:
        assert "V001__commandbus_schema.sql" in reasons[1][0]
        assert reasons[2] == ['PGMQ is missing. Run "manage.py setup".']


def test_readyz_without_a_server(
    probe: Client, django_uses: Callable[[str], None], django_db_blocker: DjangoDbBlocker
) -> None:
    with django_db_blocker.unblock():
        django_uses(NOWHERE)
        response = probe.get("/readyz")
    assert response.status_code == 503
    assert response.json()["checks"]["database"] == {"ok": False}
    assert response.json()["checks"]["queue"] == {"ok": None}


def test_readyz_of_a_queue_that_is_gone(
    probe: Client, settings: Settings, orders: str, committed: str, django_uses: Callable[[str], None]
) -> None:
    settings.DEBUG = True
    with psycopg.connect(committed, autocommit=True) as conn:
        conn.execute("SELECT pgmq.drop_queue('orders__commands')")
    django_uses(committed)
    checks = probe.get("/readyz").json()["checks"]
    assert {**WELL, "queue": checks["queue"]} == checks
    assert "The queue orders__commands is missing." in checks["queue"]["reasons"][0]
    with psycopg.connect(committed, autocommit=True) as conn:
        conn.execute("SELECT pgmq.create('orders__commands')")


def test_readyz_answers_in_time_though_the_server_is_frozen_and_all_places_are_taken(
    probe: Client, django_uses: Callable[[str], None], django_db_blocker: DjangoDbBlocker
) -> None:
    with ExitStack() as until_the_end, django_db_blocker.unblock():
        server = until_the_end.enter_context(socket.create_server(("127.0.0.1", 0)))  # takes, and never says a word
        for _ in range(limits._PLACES):
            assert limits._places._free.acquire(blocking=False)
            until_the_end.callback(limits._places._free.release)
        django_uses(f"postgres://ada@127.0.0.1:{server.getsockname()[1]}/bus")
        began = time.monotonic()
        response = probe.get("/readyz")
        assert time.monotonic() - began < readiness.DEADLINE_S + 0.5
    assert response.status_code == 503
    assert response.json()["checks"]["database"] == {"ok": False}


class Looks:
    """Stands for the database: each look waits until it is allowed to end."""

    def __init__(self) -> None:
        self.count = 0
        self.go_on = threading.Event()

    def __call__(self) -> Readiness:
        self.count += 1
        assert self.go_on.wait(30)
        return readiness_of([])


def test_many_who_ask_wait_for_one_look_and_after_its_deadline_for_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(readiness, "DEADLINE_S", 0.2)
    looks = Looks()
    prober = Prober(looks)
    with ThreadPoolExecutor(8) as pool:
        assert {answer is SILENT for answer in pool.map(lambda _: prober.readiness(), range(8))} == {True}
    assert looks.count == 1
    began = time.monotonic()
    assert prober.readiness() is SILENT  # the look still waits: nobody waits with it any more
    assert time.monotonic() - began < 0.1
    looks.go_on.set()
    wait_until(lambda: prober.readiness(fresh_s=60).is_ready)
    assert looks.count == 1
    assert prober.readiness(fresh_s=0).is_ready
    assert looks.count == 2


def test_a_defect_in_a_look_is_no_silence_and_the_next_look_is_made() -> None:
    looks = iter([ZeroDivisionError, KeyError])

    def look() -> Readiness:
        raise next(looks)

    prober = Prober(look)
    for defect in (ZeroDivisionError, KeyError):
        with pytest.raises(defect):
            prober.readiness()


def test_the_log_says_once_that_it_is_not_ready_and_once_that_it_is_again(caplog: pytest.LogCaptureFixture) -> None:
    away, well = readiness_of([(UNREACHABLE, "It is away.")]), readiness_of([])
    answers = iter([well, away, away, well, well])
    prober = Prober(lambda: next(answers))
    with caplog.at_level(logging.INFO, "commands.reads.readiness"):
        for _ in range(5):
            prober.readiness(fresh_s=0)
    assert [record.getMessage() for record in caplog.records] == ["not ready: It is away.", "ready again"]
