"""Runs worked off one at a time: who is next, what becomes of dead ones, canceling, and what the row says at the end.

The runs here are real: they send into the test database, where no worker performs, and so come to a verdict soon.
"""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

import psycopg
import pytest

from bench.models import BenchRun
from bench.runs import row
from bench.runs.asked import of_text
from bench.runs.conduct import CanceledError
from bench.runs.queue import RUN_LOCK, WORK_LOCK, OthersRunError, Queue
from bench.runs.reading import document_of
from bench.runs.row import MOST_WAITING, BusyError, Rows, ask
from bench.scenarios.model import RunVerdict, Scenario
from e2e_site.database import session_params
from e2e_site.locks import held_lock
from tests.support.bench_runs import add_bench_run
from tests.support.waiting import wait_until

pytestmark = pytest.mark.django_db(transaction=True)

AT_THE_SITE = """
scenario: here
about: Commands that nobody performs.
place: site
workers: [{count: 0}]
mix: {success: 1}
"""
SHORT = of_text(AT_THE_SITE + "commands: 3\ndrains_within: 200ms\n")
LONG = of_text(AT_THE_SITE + "load: [{phase: steady, for: 60s, rate: 20}]\n")


@pytest.fixture
def conn(committed: str) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(committed, autocommit=True) as opened:
        yield opened


@pytest.fixture
def queue() -> Iterator[Queue]:
    with closing(queue_of()) as made:
        yield made


def queue_of(stopped: Callable[[], bool] = lambda: False) -> Queue:
    return Queue(show=lambda text: None, say=print, stopped=stopped)


def rows() -> list[BenchRun]:
    return list(BenchRun.objects.shown().order_by("run_id"))


# -- its turn --------------------------------------------------------------------------------------------------------


def test_a_run_ends_with_its_verdict_and_its_document_in_the_row(queue: Queue) -> None:
    run_id, document = queue.run(SHORT)
    (found,) = rows()
    assert (found.run_id, found.state, found.done, found.total) == (run_id, "ended", 3, 3)
    assert document.head.verdict is not RunVerdict.PASS, "nobody performed anything"
    assert (found.verdict, found.as_asked, found.why) == (document.head.verdict, False, document.head.why)
    assert document_of(found.document) == document
    assert document.head.run == run_id
    assert document.head.command == f"manage.py bench replay {run_id}"
    lock = held_lock(session_params(), RUN_LOCK)
    assert lock is not None, "nobody holds it any more"
    lock.close()


def test_what_pages_ask_for_is_worked_off_in_that_order(queue: Queue) -> None:
    asked = [ask(SHORT, by="ada"), ask(SHORT, by="bob")]
    assert [run.ahead for run in rows()] == [0, 1]
    queue.work(once=True)
    found = rows()
    assert [run.run_id for run in found] == asked
    assert [run.state for run in found] == ["ended", "ended"]
    assert found[0].ended_at is not None
    assert found[1].started_at is not None
    assert found[0].ended_at <= found[1].started_at
    assert [run.asked_by for run in found] == ["ada", "bob"]


def test_a_run_on_the_command_line_waits_for_those_that_someone_will_work_off(
    queue: Queue, conn: psycopg.Connection[Any]
) -> None:
    asked = ask(SHORT, by="ada")
    run_id, _ = queue.run(SHORT, waits=False)  # nobody works off what pages ask for
    assert [(run.run_id, run.state) for run in rows()] == [(asked, "waiting"), (run_id, "ended")]
    served = held_lock(session_params(), WORK_LOCK)  # bench work is there
    assert served is not None
    with closing(served), pytest.raises(OthersRunError):
        queue.run(SHORT, waits=False)
    assert rows()[-1].state == "canceled"


def test_it_waits_while_another_run_goes_on_and_runs_then(queue: Queue) -> None:
    lock = held_lock(session_params(), RUN_LOCK)
    assert lock is not None
    with closing(queue_of()) as second:
        thread = threading.Thread(target=second.run, args=(SHORT,))
        thread.start()
        try:
            wait_until(lambda: rows() and rows()[0].state == "waiting", 10)
            with pytest.raises(OthersRunError):
                queue.run(SHORT, waits=False)
        finally:
            lock.close()
            thread.join(20)
    assert [run.state for run in rows()] == ["ended", "canceled"]


def test_runs_whose_process_died_are_lost_when_the_next_one_begins(queue: Queue, conn: psycopg.Connection[Any]) -> None:
    dead = [add_bench_run(conn, state=state) for state in ("running", "waiting")]
    alive = add_bench_run(conn, state="waiting", pid=None)
    conn.execute("UPDATE bench_run SET beat_at = clock_timestamp() - interval '1 min'")
    queue.run(SHORT)
    states = {run.run_id: run.state for run in rows()}
    assert [states[run_id] for run_id in dead] == ["lost", "lost"]
    assert states[alive] == "waiting", "it needs no process before its turn"
    lost = BenchRun.objects.get(run_id=dead[0])
    assert lost.why.startswith("Its process 4242 on alpha died")
    assert lost.ended_at == lost.beat_at


def test_no_more_wait_than_may() -> None:
    for _ in range(MOST_WAITING):
        ask(SHORT, by="ada")
    with pytest.raises(BusyError, match="50 runs wait already"):
        ask(SHORT, by="ada")


def test_the_newest_500_are_kept_and_those_that_are_not_over(conn: psycopg.Connection[Any]) -> None:
    waiting = add_bench_run(conn, state="waiting", pid=None)
    last = add_bench_run(conn)
    conn.execute(
        "INSERT INTO bench_run (state, scenario, seed, source, ended_at)"
        " SELECT 'canceled', 'x', 1, '{}', clock_timestamp() FROM generate_series(1, %s)",
        [BenchRun.KEPT - 1],
    )
    with closing(Rows(session_params())) as opened:
        opened.run("forget_old", kept=BenchRun.KEPT)
        assert BenchRun.objects.filter(run_id__in=(waiting, last)).count() == 2
        add_bench_run(conn)
        opened.run("forget_old", kept=BenchRun.KEPT)
    assert [run.run_id for run in BenchRun.objects.filter(run_id__in=(waiting, last))] == [waiting]


# -- canceling -------------------------------------------------------------------------------------------------------


def in_thread(queue: Queue, scenario: Scenario) -> tuple[threading.Thread, list[BaseException]]:
    """A run that goes on, and what it was ended by."""
    raised: list[BaseException] = []

    def run() -> None:
        try:
            queue.run(scenario)
        except BaseException as exc:  # noqa: BLE001  # told to the test
            raised.append(exc)

    thread = threading.Thread(target=run)
    thread.start()
    wait_until(lambda: rows() and rows()[0].done > 0, 20, "commands that were sent")
    return thread, raised


def test_one_that_waits_is_canceled_at_once_and_never_begins(queue: Queue) -> None:
    run_id = ask(SHORT, by="ada")
    assert row.cancel(run_id, by="bob")
    queue.work(once=True)
    (found,) = rows()
    assert (found.state, found.canceled_by, found.started_at) == ("canceled", "bob", None)
    assert found.ended_at is not None
    assert not row.cancel(run_id, by="eve"), "it is over"
    assert BenchRun.objects.get().canceled_by == "bob"


def test_one_that_runs_is_canceled_by_its_row_within_two_seconds(queue: Queue) -> None:
    thread, raised = in_thread(queue, LONG)
    began = time.monotonic()
    assert row.cancel(rows()[0].run_id, by="bob")
    thread.join(10)
    assert time.monotonic() - began < 3, "a second to hear it, and a moment to stop"
    assert isinstance(raised[0], CanceledError)
    (found,) = rows()
    assert (found.state, found.canceled_by, found.verdict) == ("canceled", "bob", None)
    assert found.why == "It was canceled by bob: it came to no verdict."
    assert 0 < found.done < found.total


def test_ctrl_c_ends_it_in_the_same_way() -> None:
    stop = threading.Event()
    with closing(queue_of(stop.is_set)) as queue:
        thread, raised = in_thread(queue, LONG)
        stop.set()
        thread.join(10)
    assert isinstance(raised[0], CanceledError)
    assert [(run.state, run.canceled_by) for run in rows()] == [("canceled", "Ctrl-C")]


def test_one_that_loses_its_lock_gives_up_since_another_may_begin(queue: Queue, conn: psycopg.Connection[Any]) -> None:
    thread, raised = in_thread(queue, LONG)
    conn.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'bench run'")
    thread.join(10)
    assert raised
    (found,) = rows()
    assert found.state == "broken"
    assert found.why.startswith("The site's database was lost while it ran: ")
