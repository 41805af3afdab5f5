"""bench/benchmark/cases/: the cases, in tiny sizes, record each of their metrics with a figure that can be true.

`drain` and `costs` run in tests/e2e/test_benchmark.py. `sustainable` is `rate` many times over, and its
search is tested in tests/unit/test_benchmark_offer.py.
"""

import re
import sys
import time
from collections.abc import Callable
from functools import partial
from threading import Timer
from typing import LiteralString

import psycopg
import pytest

from bench.benchmark.case import Run
from bench.benchmark.cases import CASES, latency, snapshot
from bench.benchmark.cases.costs import counters
from bench.benchmark.cases.send import send_script
from bench.benchmark.cases.shapes import short_backoff
from bench.benchmark.console_pages import PAGES
from bench.benchmark.tables import page_table, page_value
from bench.errors import BenchError
from bench.programs import MeasuredProgram, worker
from bench.testbed import SUCCESS, Testbed, waiting_table
from commands.bus.bulk import NewCommand
from tests.support.testbeds import run_of

Performed = Callable[[str, dict[str, int]], Run]


@pytest.fixture
def performed(testbed: Testbed) -> Performed:
    """Runs a case for one round, in the sizes that are given."""

    def perform(name: str, sizes: dict[str, int]) -> Run:
        run = run_of(CASES[name], testbed, **sizes)
        CASES[name].perform(run)
        return run

    return perform


def figures(run: Run) -> dict[str, float]:
    """The first value of every metric: every metric of the case has one, and no other but those of processors."""
    found = {name: values[0] for name, values in run.result.values.items() if not name.endswith(":busy")}
    assert found.keys() == run.metrics.keys()
    assert min(found.values()) >= 0
    return found


def watched(run: Run) -> set[str]:
    """The metrics while which the processors were watched."""
    return {name.removesuffix(":busy") for name in run.result.values if name.endswith(":busy")}


def word_counts(testbed: Testbed) -> dict[str, int]:
    """How many commands have each status."""
    return dict(testbed.conn.execute("SELECT status, count(*) FROM commandbus.command GROUP BY status").fetchall())


def test_the_default_settings_are_compared_with_the_library(performed: Performed) -> None:
    run = performed("defaults", {"commands": 40, "library": 20})
    assert min(figures(run).values()) > 0
    assert watched(run) == {"native"}


def test_sending_is_compared_with_the_library_and_the_ceiling(performed: Performed, testbed: Testbed) -> None:
    run = performed("send", {"commands": 400, "library": 50})
    assert min(figures(run).values()) > 0
    assert watched(run) == {"ceiling-one", "ceiling-two"}
    assert word_counts(testbed) == {"PENDING": 50}, "each empties what the one before sent"


def test_a_million_is_a_stream_whose_sender_tells_its_time_and_memory(performed: Performed, testbed: Testbed) -> None:
    found = figures(performed("million", {"commands": 500}))
    assert 0 < found["seconds"] < 30
    assert 10 < found["memory"] < 300
    assert word_counts(testbed) == {"PENDING": 500}


def test_a_single_command_is_timed_at_each_of_its_stages(performed: Performed, testbed: Testbed) -> None:
    run = performed("latency", {"commands": 6})
    found = {name: values[0] for name, values in run.result.values.items()}
    assert run.metrics.keys() - found.keys() <= {"fdatasync-p50", "fdatasync-p99"}, "the disk may be another machine's"
    assert 0 < found["pickup-p50"] <= found["done-p50"] <= found["done-p99"]
    assert found["seen-p50"] > 0
    assert word_counts(testbed) == {"COMPLETED": 20 + 6 + 6}, "warm-up, those that were timed, and the ceiling's"


def test_a_rate_is_offered_and_what_came_of_it_is_compared_with_the_ceiling(
    performed: Performed, testbed: Testbed
) -> None:
    run = performed("rate", {"rate": 200, "seconds": 1})
    found = {name: values[0] for name, values in run.result.values.items()}
    assert run.metrics.keys() < found.keys()
    assert 0 < found["p50"] <= found["p99"]
    assert 0 <= found["delay-p99"] < found["p99"]
    assert found["ceiling-p99"] > 0
    assert watched(run) == {"ceiling-p99"}


def test_a_backlog_is_worked_off_in_parts_with_fresh_drains_between(performed: Performed, testbed: Testbed) -> None:
    run = performed("growth", {"large": 500, "part": 300, "middle": 20, "slice": 100})
    found = figures(run)
    assert min(found.values()) > 0
    values, series = run.result.values, run.result.series
    assert len(values["fresh"]) == len(values["memory"]) == len(series["fresh"]) >= 1
    assert len(values["slices"]) == len(series["slices"]) >= 3
    assert series["fresh"][-1][0] == 500, "after its last part all of the backlog is worked off"
    assert word_counts(testbed) == {"COMPLETED": 500 + 100 * len(values["fresh"]) + 20}


def test_delayed_messages_stay_while_what_came_later_is_worked_off(performed: Performed, testbed: Testbed) -> None:
    assert min(figures(performed("delayed", {"delayed": 60, "commands": 30})).values()) > 0
    assert word_counts(testbed) == {"PENDING": 60, "COMPLETED": 60}
    assert testbed.value(f"SELECT count(*) FROM {waiting_table('backlog').as_string(None)}") == 60


def test_the_console_is_visited_on_a_made_history_and_acts_on_many(performed: Performed, testbed: Testbed) -> None:
    sizes = {"commands": 100, "days": 1, "parked": 20, "parked-later": 70, "visits": 1, "sent": 30, "exported": 90}
    run = performed("console", sizes)
    values = {name: values[0] for name, values in run.result.values.items() if not name.startswith("page:")}
    assert values.keys() == run.metrics.keys()
    assert min(values.values()) > 0
    head, *pages = page_table(run.result)
    assert [name for name, *_ in pages] == [page.name for page in PAGES]
    assert {len(row) for row in pages} == {len(head)}
    assert values["median"] == max(run.result.values[page_value(page.name, "median")][0] for page in PAGES)
    assert word_counts(testbed)["PENDING"] >= 70 + 30, "what was retried and what was sent wait"


@pytest.mark.long
def test_the_api_is_driven_over_http_on_a_made_history(performed: Performed, testbed: Testbed) -> None:
    sizes = {"commands": 60, "days": 1, "clients": 2, "sends": 3, "bulk": 20, "reads": 1, "viewers": 2, "seconds": 2}
    run = performed("api", sizes)
    assert min(value for name, value in figures(run).items() if name != "viewers-cpu") > 0
    assert watched(run) == {"rate"}
    assert (
        testbed.value("SELECT count(*) FROM commandbus.command") == 60 + 2 * (20 + 3) + 20
    )  # 20 by each client before what is measured


def test_a_sampler_is_measured_beside_a_drain_and_alone(performed: Performed, testbed: Testbed) -> None:
    run = performed("observer", {"commands": 400, "rate": 300, "seconds": 2})
    values = {name: values[0] for name, values in run.result.values.items()}
    assert min(values["with"], values["without"]) > 0
    assert 0 <= values.get("processor", 0) < 100
    assert testbed.value("SELECT sum(sent) FROM e2e_sample WHERE width_s = 1") >= 600


def test_a_snapshot_is_held_in_the_middle_of_a_drain(
    performed: Performed, testbed: Testbed, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A worker that is slow enough for a backlog that is small enough, and not a second more than there has to be.
    monkeypatch.setattr(snapshot, "worker", partial(worker, concurrency=1, batch_size=1))
    monkeypatch.setattr(snapshot, "RAMP_S", 0)
    run = performed("snapshot", {"commands": 20_000, "trial": 300, "before_s": 1, "held_s": 1, "after_s": 3})
    found = figures(run)
    assert found["before"] > 0
    assert found["during"] > 0
    assert found["recovery"] in (0, 3)
    seconds = [second for second, _ in run.result.series["rate"]]
    assert min(seconds) < 0 <= max(seconds)
    assert word_counts(testbed)["PENDING"] > 0, "it was not worked off too early"


def test_a_backlog_that_is_gone_too_early_ends_the_case_with_what_to_do(
    performed: Performed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(snapshot, "RAMP_S", 0)
    with pytest.raises(
        BenchError, match=r"worked off too early: try again, or give a greater --size snapshot\.commands=N"
    ):
        performed("snapshot", {"commands": 20, "trial": 10, "before_s": 1, "held_s": 1, "after_s": 3})


def test_several_processes_begin_together(performed: Performed, testbed: Testbed) -> None:
    assert min(figures(performed("processes", {"commands": 800})).values()) > 0
    first = testbed.value("SELECT min(ts) FROM commandbus.audit WHERE event_type = 'RECEIVED'")
    starts = testbed.conn.execute("SELECT started_at FROM public.e2e_worker ORDER BY started_at").fetchall()
    assert len(starts) == 1 + 2 + 4
    assert all(start < first for (start,) in starts), "the last four too"


def test_commands_that_take_time_take_no_less(performed: Performed) -> None:
    found = figures(performed("times", {"ms-0": 20, "ms-10": 20, "ms-200": 20}))
    assert found["ms-200"] <= 20 / 0.2
    assert found["ms-10"] <= 20 / 0.01
    assert 0 < found["share-200"] <= 0.1, "20 commands leave most of the 200 slots empty"


def test_of_a_mix_all_come_to_their_ends_and_the_settings_are_put_back(performed: Performed, testbed: Testbed) -> None:
    before = testbed.value("SELECT to_jsonb(c) - 'version' - 'updated_at' FROM e2e_config c")
    found = figures(performed("mix", {"commands": 30}))
    assert found["attempts"] > found["commands"]
    assert word_counts(testbed) == {"COMPLETED": 24, "IN_TROUBLESHOOTING_QUEUE": 6}
    assert testbed.value("SELECT sum(attempts) FROM test_command") == 3 * (6 * 1 + 2 + 3 + 1 + 3)
    assert testbed.value("SELECT to_jsonb(c) - 'version' - 'updated_at' FROM e2e_config c") == before


def test_a_metric_that_no_table_would_show_is_a_mistake(testbed: Testbed) -> None:
    run = run_of(CASES["mix"], testbed)
    with pytest.raises(KeyError, match="speed"):
        run.record("speed", 1.0)
    assert run.result.values == {}


# -- what the cases are made of --------------------------------------------------------------------------------------


def test_retries_come_soon_meanwhile_and_as_before_afterwards_whatever_happens(testbed: Testbed) -> None:
    def fail() -> None:
        with short_backoff(testbed):
            assert testbed.conn.execute(delays).fetchone() == (20, 100)
            raise KeyboardInterrupt

    delays: LiteralString = "SELECT base_delay_ms, max_delay_ms FROM public.e2e_config"
    testbed.conn.execute("UPDATE public.e2e_config SET base_delay_ms = 777, max_delay_ms = 8888")
    with pytest.raises(KeyboardInterrupt):
        fail()
    assert testbed.conn.execute(delays).fetchone() == (777, 8888)


def test_counters_tell_what_was_spent_between_two_moments(testbed: Testbed) -> None:
    testbed.fill(1)
    before = counters(testbed)
    for _ in range(20):
        testbed.conn.execute("UPDATE public.e2e_config SET base_delay_ms = base_delay_ms + 1")
    spent = counters(testbed).since(before)
    assert 20 <= spent.transactions < 60
    assert spent.wal > 20 * 50
    assert spent.buffers >= 20


def test_counters_wait_until_the_sessions_of_workers_have_ended(testbed: Testbed) -> None:
    def leave() -> None:
        left.append(time.monotonic())
        working.close()

    left: list[float] = []
    working = psycopg.connect(**{**testbed.database.params, "application_name": "runworker 4711"})
    Timer(0.4, leave).start()
    counters(testbed)
    assert left


def test_a_command_without_an_answer_ends_the_case(testbed: Testbed, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(latency, "ANSWER_S", 0.2)
    idle = MeasuredProgram([sys.executable, "-c", "import time; time.sleep(60)"], testbed.database.environment())
    with idle, pytest.raises(BenchError, match=r"A command was not answered within 0\.2 s"):
        latency.send_one_by_one(run_of(CASES["latency"], testbed), 1, idle)


def test_the_text_of_a_chunk_is_that_of_a_sender_but_for_how_its_ids_begin() -> None:
    (step,) = send_script(3)
    ids = re.findall(r'"(@{8}-@{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})"', step.sql)
    assert len(set(ids)) == 3
    assert ids == sorted(ids)
    (ours,) = re.findall(r"'\[(.*)\]'", step.sql)
    sender = ",".join(NewCommand(behavior=SUCCESS).to_json() for _ in range(3))
    blank = re.compile(r"[0-9a-f@]{8}(-[0-9a-f@]{4}){3}-[0-9a-f]{12}")
    assert blank.sub("id", ours) == blank.sub("id", sender)


def test_the_ledger_has_each_execution_of_a_witnessed_drain(performed: Performed) -> None:
    assert min(figures(performed("ledger", {"commands": 60})).values()) > 0
