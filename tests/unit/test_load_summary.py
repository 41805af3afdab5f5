"""What a load test comes to, in figures and in words."""

import io
from typing import Any

import pytest

from bench.loadtest import report, summary
from bench.loadtest.pictures import per_second
from bench.loadtest.progress import Progress, line
from bench.loadtest.sampler import Counts, Percentiles
from bench.loadtest.watch import sample_interval
from e2e_site.charts.scales import short_time
from tests.support.load_runs import LATENCY, document, plan

DONE = ["success", "COMPLETED", False, 1, 900]
PARKED = ["fail_permanent", "IN_TROUBLESHOOTING_QUEUE", False, 1, 100]


def test_a_run_in_which_all_ended_as_they_must_adds_up() -> None:
    found = document(plan())
    assert summary.verdict(found) == (True, "Every command ended as its behavior says.")
    assert report.accounting_line(found["accounting"]) == "1,000 sent = 900 completed + 100 in TSQ + 0 left + 0 lost"
    assert found["rates"] == {
        "asked_per_s": None,
        "sending_per_s": 2000,
        "processing_per_s": 500,
        "middle_per_s": 500,
    }
    assert found["cost"]["wal_bytes_per_command"] == 2000
    assert found["cost"]["transactions_per_command"] == 0.05
    assert found["generator"] is None
    assert found["attempts"] == {"begun": 1000, "late": 0}


@pytest.mark.parametrize(
    ("outcomes", "account", "verdict"),
    [
        ([DONE, ["fail_permanent", "COMPLETED", False, 1, 100]], {}, "100 of 1,000 commands ended otherwise"),
        ([DONE, ["fail_permanent", "PENDING", True, 0, 100]], {"left": 100}, "100 of 1,000 commands had not ended."),
        ([DONE, ["fail_permanent", "IN_PROGRESS", False, 1, 100]], {"lost": 100}, "100 of 1,000 commands were lost."),
        ([DONE], {"lost": 100}, "100 of 1,000 commands were lost."),
        (
            [DONE, [None, "IN_TROUBLESHOOTING_QUEUE", False, 0, 100]],
            {"in_tsq": 100},
            "100 of 1,000 commands ended other",
        ),
    ],
    ids=["ended otherwise", "still queued", "no message left", "no row left", "no behavior known"],
)
def test_what_did_not_end_as_it_must_is_counted_as_what_it_is(
    outcomes: list[list[Any]], account: dict[str, int], verdict: str
) -> None:
    found = document(plan(), outcomes=outcomes)
    as_expected, text = summary.verdict(found)
    assert not as_expected
    assert text.startswith(verdict)
    assert account.items() <= found["accounting"].items()
    parts = ("completed", "failed", "canceled", "in_tsq", "left", "lost")
    assert sum(found["accounting"][part] for part in parts) == found["accounting"]["sent"] == 1000


def test_what_is_expected_follows_from_the_options_and_settings_of_the_run() -> None:
    made = plan(mix="success=1,timeout=1", execution_time="5000", lease="2")
    ledger = summary.Ledger(sent=2, seconds=1, taken={})

    def expected(**more: bool) -> dict[str, tuple[list[str], tuple[int, int]]]:
        results = summary.behavior_results(made.each, ledger, [], {**made.to_json(), **more})
        return {result.behavior: (result.expected, result.expected_attempts) for result in results}

    assert expected() == {"success": (["COMPLETED"], (1, 3)), "timeout": (["COMPLETED"], (1, 3))}
    assert expected(heartbeat=True) == {"success": (["COMPLETED"], (1, 1)), "timeout": (["COMPLETED"], (1, 3))}


@pytest.mark.parametrize(("p99", "limited"), [(49.0, False), (51.0, True)])
def test_a_schedule_that_was_not_kept_is_said(p99: float, limited: bool) -> None:
    found = document(plan(rate="500"), latency={"end_to_end": LATENCY, "send_delay": {**LATENCY, "p99": p99}})
    assert found["generator"]["limited"] is limited
    text = report.text({**found, "run": 3, "state": "finished", "verdict": "Well."})
    assert ("GENERATOR-LIMITED" in text) is limited
    assert "asked 500/s" in text


def test_the_text_of_a_summary_names_figures_settings_and_deviations() -> None:
    outcomes = [DONE, [*PARKED[:4], 90], ["fail_permanent", "COMPLETED", False, 2, 10]]
    text = report.text({**document(plan(), outcomes=outcomes), "run": 3, "state": "finished", "verdict": "Not well."})
    assert "Load test 3 finished: Not well." in text
    assert "2 with concurrency 4 (setting), batch 10 (setting), lease 30 (setting) s; seed 7" in text
    assert "10 completed, 90 in TSQ; attempts 1: 90, 2: 10  !! 10 otherwise" in text
    assert "2,000 bytes of WAL and 0.050 transactions per command" in text


def test_a_run_that_sent_nothing_has_a_text_too() -> None:
    text = report.text({"run": 3, "state": "failed", "verdict": "No workers.", "options": plan().to_json()})
    assert text.startswith("Load test 3 failed: No workers.")


def test_percentiles_lie_between_the_values_as_postgresql_has_them() -> None:
    assert Percentiles.of([7.0]) == Percentiles(p50=7, p95=7, p99=7)
    found = Percentiles.of([4.0, 1.0, 2.0, 3.0])
    assert (found.p50, found.p95, found.p99) == pytest.approx((2.5, 3.85, 3.97))


def test_the_line_of_the_moment_says_how_far_it_is_and_how_long_it_takes() -> None:
    counts = Counts(sent=1000, received=450, begun=440, completed=380, parked=20)
    text = line(counts, commands=2000, sent=1000, rate=160, latency=Percentiles(p50=12, p95=80, p99=1500))
    assert text == "sent 1,000  done 400 of 2,000  160/s  p50 12 ms  p95 80 ms  p99 1.5 s  queue 600  ETA 10 s"
    assert "ETA" not in line(counts, commands=2000, sent=1000, rate=0, latency=None)


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_terminal_sees_one_line_that_is_written_anew_and_a_file_one_every_few_seconds() -> None:
    terminal, file = _Terminal(), io.StringIO()
    for stream in (terminal, file):
        shown = Progress(stream)
        shown.show("one")
        shown.show("two")
        shown.say("a remark")
        shown.end()
    assert terminal.getvalue() == "\r\x1b[Kone\r\x1b[Ktwo\r\x1b[Ka remark\n"
    assert file.getvalue() == "one\na remark\n"


def test_a_terminal_that_has_gone_does_not_end_the_run() -> None:
    gone = _Terminal()
    gone.close()
    shown = Progress(gone)
    shown.show("one")
    shown.say("two")


def test_a_run_of_a_day_has_a_bounded_number_of_samples() -> None:
    elapsed, samples = 0.0, 0
    while elapsed < 86_400:
        elapsed += sample_interval(elapsed)
        samples += 1
    assert samples < 3500


def test_speeds_lie_between_two_points() -> None:
    points = [
        {"at_s": 0.0, "sent": 0, "received": 0, "ended": 0},
        {"at_s": 2.0, "sent": 100, "received": 50, "ended": 10},
        {"at_s": 3.0, "sent": 100, "received": 100, "ended": 60},
    ]
    first, second, third = per_second(points)
    assert first["sent_per_s"] is None
    assert (second["sent_per_s"], second["received_per_s"], second["ended_per_s"]) == (50, 25, 5)
    assert (third["sent_per_s"], third["ended_per_s"]) == (0, 50)


@pytest.mark.parametrize(("milliseconds", "text"), [(0.5, "0.5 ms"), (20, "20 ms"), (1500, "1.5 s"), (1e6, "1000 s")])
def test_times_on_an_axis_are_short(milliseconds: float, text: str) -> None:
    assert short_time(milliseconds) == text
