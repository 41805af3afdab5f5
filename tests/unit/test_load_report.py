"""bench/loadtest/report.py, pictures.py and styles.py: a load test's summary in lines, tables, charts and badges."""

from typing import Any

import pytest

from bench.loadtest import report
from bench.loadtest.pictures import charts, per_second
from bench.loadtest.styles import PHASES, command_line, state_style
from bench.templatetags.load_styles import mix_text, rate, whole
from tests.support.load_runs import LATENCY, document, plan

Json = dict[str, Any]


# -- lines -----------------------------------------------------------------------------------------------------------


def account(**numbers: int) -> Json:
    names = ("asked", "sent", "completed", "failed", "canceled", "in_tsq", "left", "lost")
    return {**dict.fromkeys(names, 0), **numbers}


@pytest.mark.parametrize(
    ("numbers", "line"),
    [
        ({"asked": 10, "sent": 10, "completed": 10}, "10 sent = 10 completed + 0 left + 0 lost"),
        (
            {"asked": 9_000, "sent": 9_000, "completed": 7_000, "failed": 1_000, "canceled": 400, "in_tsq": 600},
            "9,000 sent = 7,000 completed + 1,000 failed + 400 canceled + 600 in TSQ + 0 left + 0 lost",
        ),
        (
            {"asked": 5_000, "sent": 20, "left": 15, "lost": 5},
            "20 sent = 0 completed + 15 left + 5 lost; 4,980 not sent",
        ),
    ],
)
def test_an_account_names_what_there_was_and_always_what_is_left_and_lost(numbers: Json, line: str) -> None:
    assert report.accounting_line(account(**numbers)) == line


def test_the_workers_are_described_with_where_their_settings_came_from() -> None:
    options = plan(concurrency="20", lease="5").to_json()
    assert report.workers_line(options) == ("Workers    2 with concurrency 20, batch 10 (setting), lease 5 s; seed 7")


def test_rates_are_short_and_one_that_was_not_measured_is_a_dash() -> None:
    rates = {"sending_per_s": 12_345.6, "asked_per_s": 500, "processing_per_s": 3.14, "middle_per_s": None}
    assert report.rates_line(rates) == "Rates      sent 12,346/s, asked 500/s, processed 3.1/s, middle 80 % \u2013"
    assert "asked" not in report.rates_line({**rates, "asked_per_s": None})


def test_costs_are_per_command_and_of_nothing_there_are_none() -> None:
    assert report.cost_line({"cost": {"wal_bytes_per_command": 2_345.6, "transactions_per_command": 0.0216}}) == (
        "Cost       2,346 bytes of WAL and 0.022 transactions per command, the whole server's"
    )
    assert report.cost_line({"cost": {"wal_bytes_per_command": None}}) == "Cost       nothing ended"


@pytest.mark.parametrize(
    ("attempts", "text"),
    [({"1": 900}, "attempts 1"), ({"10": 5, "2": 1_000}, "attempts 2: 1,000, 10: 5"), ({}, "attempts none")],
)
def test_attempts_are_told_in_their_order_with_how_many_took_them(attempts: Json, text: str) -> None:
    assert report.attempts_text({"attempts": attempts}) == text


# -- tables ----------------------------------------------------------------------------------------------------------


def test_latencies_stand_below_each_other_to_the_right() -> None:
    slow = {"n": 12_000, "p50": 900.0, "p95": 61_000.0, "p99": 125_000.0, "max": 125_000.0}
    assert report.latency_lines({"end_to_end": slow, "pickup": LATENCY}) == [
        "Latency          n     p50        p95        p99        max",
        "pickup       1,000   12 ms      80 ms      1.5 s      2.1 s",
        "end to end  12,000  900 ms  1 min 1 s  2 min 5 s  2 min 5 s",
    ]


def test_a_table_without_rows_has_its_head() -> None:
    assert [line.split() for line in report.latency_lines({})] == [["Latency", "n", "p50", "p95", "p99", "max"]]


def test_behaviors_are_told_with_what_had_to_become_of_them_and_what_became() -> None:
    outcomes = [["success", "COMPLETED", False, 1, 900], ["fail_permanent", "IN_TROUBLESHOOTING_QUEUE", False, 1, 90],
                ["fail_permanent", "PENDING", True, 0, 10]]  # fmt: skip
    head, *rows = report.behavior_lines(document(plan(), outcomes=outcomes)["behaviors"])
    assert head.split() == ["Behavior", "sent", "expected", "actual"]
    success, permanent = sorted(rows, reverse=True)
    assert success.endswith("completed; attempts 1  900 completed; attempts 1")
    assert permanent.endswith("in TSQ; attempts 1     90 in TSQ, 10 pending; attempts 0: 10, 1: 90  !! 10 otherwise")
    places = {line.index(word) for line, word in ((head, "expected"), (success, "completed"), (permanent, "in TSQ"))}
    assert len(places) == 1, "columns begin at one place"


# -- charts ----------------------------------------------------------------------------------------------------------


def test_the_charts_of_a_run_show_speeds_queue_and_latencies() -> None:
    points = [
        {"at_s": second, "sent": 100 * second, "received": 90 * second, "ended": 80 * second, "waiting": 10 * second,
         "in_progress": second, "p50_ms": 10.0, "p95_ms": None, "p99_ms": 900.0 if second else None}
        for second in range(4)
    ]  # fmt: skip
    drawn = charts(per_second(points))
    assert {name: len(chart.lines) for name, chart in drawn.items()} == {"rates": 3, "queue": 2, "latency": 3}
    assert drawn["rates"].lines[0].path.count("L") == 2, "a first point has no speed, and three have two ways between"
    p50, p95, p99 = drawn["latency"].lines
    assert (p50.path.count("L"), p95.path, p99.path.count("L")) == (3, "", 2)


def test_two_points_of_one_moment_have_no_speed_between_them() -> None:
    point = {"at_s": 2.0, "sent": 10, "received": 10, "ended": 10}
    assert [found["sent_per_s"] for found in per_second([point, point])] == [5.0, None]


# -- badges ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("state", "as_expected", "silent", "label"),
    [
        ("running", None, False, "Running"),
        ("running", None, True, "Lost: its process died"),
        ("finished", True, False, "As expected"),
        ("finished", False, False, "Not as expected"),
        ("interrupted", None, False, "Interrupted"),
        ("failed", None, False, "Failed"),
    ],
)
def test_a_run_has_one_word_for_how_it_stands(state: str, as_expected: bool | None, silent: bool, label: str) -> None:
    assert state_style(state, as_expected=as_expected, silent=silent)[1] == label


def test_every_phase_has_words() -> None:
    assert all(PHASES.values())


def test_the_command_that_runs_it_again_has_what_was_given() -> None:
    options = plan(rate="12.5", execution_time="250").to_json()
    assert command_line(options) == (
        "manage.py loadtest --commands 1000 --workers 2 --mix success=90,fail_permanent=10 --execution-time 250"
        " --rate 12.5 --concurrency 4 --batch-size 10 --lease 30 --seed 7"
    )


def test_a_mix_of_one_is_its_name() -> None:
    assert mix_text({"mix": {"success": 100}}) == "success"
    assert mix_text({"mix": {"success": 90, "fail_permanent": 0.5}}) == "success 90, fail_permanent 0.5"


def test_a_rate_has_the_decimal_places_that_were_asked_for() -> None:
    assert [rate(number) for number in (0.5, 1.0, 12.5, 100_000.0)] == ["0.5", "1", "12.5", "100,000"]


def test_a_figure_that_was_not_measured_is_a_dash() -> None:
    assert (whole(12_345.6), whole(0.0), whole(None)) == ("12,346", "0", "\u2013")
