"""bench/pytest_plugin.py: what a result says when an assertion about it fails."""

import pytest

from bench.pytest_plugin import BenchFailure, Result
from bench.report.document import Accounting, Criterion, Document, FaultRecord, Head, Rule, RuleWord, Sample
from bench.scenarios.model import RunVerdict


def result(verdict: RunVerdict = RunVerdict.FAIL, verdicts: dict[str, int] | None = None) -> Result:
    head = Head(
        run=1, scenario="x", about="It is small.", seed=7, engines=["native"], verdict=verdict,
        expected_verdict=RunVerdict.PASS, why="2 commands are not as expected.", unknowns=["it never became quiet"],
        started_at="", ended_at="", seconds=4.5, command="manage.py bench run x --seed 7",
    )  # fmt: skip
    accounting = Accounting(
        attempted=3, acknowledged=3, errors=0, unknown=0, recovered=0, completed=3,
        failed=0, parked=0, canceled=0, stuck=0, lost=0, unexpected=0, duplicate_deliveries=0, duplicate_effects=0,
        duplicate_replies=0,
    )  # fmt: skip
    rules = [
        Rule(id="V11", text="attempts stay within their limit", when="A", word=RuleWord.BROKEN, violations=1,
             samples=[Sample(command_id="0193", detail="5 of 3", word="SRRRRR")]),
        Rule(id="V01", text="one SENT, and first", when="A", word=RuleWord.HOLDS),
    ]  # fmt: skip
    fault = FaultRecord(
        do="kill_worker", id="F1", text="", planned_s=1, began_s=None, ended_s=None, fired=False, detail="too late"
    )
    return Result(
        Document(
            head=head,
            scenario={},
            versions={},
            environment={},
            fleet=[],
            accounting=accounting,
            verdicts=verdicts or {},
            matrix=[],
            rules=rules,
            expectations=[Criterion(text="p99 under 1 s", held=False, seen="2 s")],
            sometimes=[],
            faults=[fault],
            phases=[],
            points=[],
            latency=[],
            lanes=[],
            stories=[],
            costs=[],
        )
    )


def test_a_failure_shows_verdict_why_broken_rules_and_how_to_run_it_again() -> None:
    with pytest.raises(BenchFailure) as failed:
        result().assert_verdict("PASS")
    assert str(failed.value).splitlines() == [
        "FAIL, and PASS was expected.",
        "FAIL x, seed 7, 4.5 s: 2 commands are not as expected.",
        "  unknown: it never became quiet",
        "  broken: V11 attempts stay within their limit",
        "    0193 SRRRRR 5 of 3",
        "  not so: p99 under 1 s (2 s)",
        "  did not fire: kill_worker too late",
        "  again: manage.py bench run x --seed 7",
    ]
    result(RunVerdict.PASS).assert_verdict("PASS")
    result().assert_verdict("FAIL")


@pytest.mark.parametrize(
    ("verdicts", "said"),
    [
        ({"MATCH": 1, "MISMATCH": 2}, "Not as the oracle says: 2 not as expected."),
        ({"MATCH": 2, "LOST": 1}, "Not as the oracle says: 1 lost."),
        ({"MATCH": 2, "STUCK": 1}, "Not as the oracle says: 1 not final in time."),
        ({"MATCH": 2}, "The oracle judged 2 commands of 3."),
        ({}, "The oracle judged 0 commands of 3."),
    ],
)
def test_what_the_oracle_does_not_expect_is_told(verdicts: dict[str, int], said: str) -> None:
    with pytest.raises(BenchFailure, match=said):
        result(verdicts=verdicts).assert_matches_oracle()


def test_what_it_expects_or_a_fault_allows_or_is_known_matches() -> None:
    result(verdicts={"MATCH": 1, "ALLOWED": 1, "KNOWN": 1}).assert_matches_oracle()
