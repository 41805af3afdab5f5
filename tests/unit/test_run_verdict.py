"""bench/runs/verdict.py: what a run comes to, and why."""

from typing import Any

import pytest

from bench.report.document import Accounting, Criterion, FaultRecord, Rule, RuleWord
from bench.runs.verdict import Decided, Seen, decide

ACCOUNTING = Accounting(
    attempted=1000, acknowledged=1000, errors=0, unknown=0, recovered=0, completed=1000, failed=0, parked=0, canceled=0,
    stuck=0, lost=0, unexpected=0, duplicate_deliveries=0, duplicate_effects=0, duplicate_replies=0,
)  # fmt: skip


def rule(word: RuleWord = RuleWord.HOLDS, *, deviations: tuple[str, ...] = ()) -> Rule:
    return Rule(
        id="V15", text="one reply each", when="A", word=word, violations=2, why="too slow", deviations=list(deviations)
    )


def fault(*, fired: bool = True, held: bool | None = True) -> FaultRecord:
    return FaultRecord(
        do="kill_worker", id="F1", text="", planned_s=1, began_s=1, ended_s=2, fired=fired,
        criteria=[Criterion(text="it goes on", held=held, seen="9 s")],
    )  # fmt: skip


def decided(**seen: Any) -> Decided:
    given: dict[str, Any] = {
        "verdicts": {"MATCH": 1000},
        "rules": [],
        "faults": [],
        "expectations": [],
        "sometimes": [],
    }
    return decide(Seen(accounting=ACCOUNTING, **{**given, **seen}))


ALL = "All 1,000 acknowledged commands came to what had to become of them"
NOT_SO = [Criterion(text="p99 under 1 s", held=False, seen="2 s")]
NOT_TOLD = [Criterion(text="p99 under 1 s", held=None, seen="no command")]


@pytest.mark.parametrize(
    ("seen", "verdict", "why"),
    [
        ({}, "PASS", f"{ALL}."),
        ({"rules": [rule()], "faults": [fault()]}, "PASS", f"{ALL} through 1 fault."),
        ({"verdicts": {"MISMATCH": 1, "LOST": 2}}, "FAIL", "2 commands are lost (1 more)."),
        ({"rules": [rule(RuleWord.BROKEN)]}, "FAIL", "V15 is broken 2 times: one reply each."),
        ({"rules": [rule(RuleWord.UNKNOWN)]}, "UNKNOWN", "V15 was not decided: too slow."),
        ({"faults": [fault(held=False)]}, "FAIL", "Kill_worker: not so: it goes on (9 s)."),
        ({"faults": [fault(fired=False)]}, "UNKNOWN", "Kill_worker did not fire."),
        ({"expectations": NOT_SO}, "FAIL", "Not so: p99 under 1 s (2 s)."),
        ({"expectations": NOT_TOLD}, "UNKNOWN", "P99 under 1 s: no command."),
        ({"sometimes": NOT_SO}, "UNKNOWN", "P99 under 1 s: 2 s."),
        ({"unknowns": ["it never became quiet"]}, "UNKNOWN", "It never became quiet."),
        ({"unknowns": ["it never became quiet"], "expectations": NOT_SO}, "FAIL", "Not so: p99 under 1 s (2 s)."),
    ],
)
def test_what_is_broken_fails_it_and_what_is_not_told_leaves_it_unknown(
    seen: dict[str, Any], verdict: str, why: str
) -> None:
    found = decided(**seen)
    assert (found.verdict, found.why) == (verdict, why)


def test_a_rule_may_be_broken_by_a_deviation_that_the_scenario_knows_and_by_no_other() -> None:
    broken = {"rules": [rule(RuleWord.BROKEN, deviations=("D3", "D4"))], "verdicts": {"KNOWN": 10, "MATCH": 990}}
    assert decided(**broken, known=frozenset({"D2"})).verdict == "FAIL"
    found = decided(**broken, known=frozenset({"D2", "D4"}))
    assert (found.verdict, found.why) == ("PASS", f"{ALL}, 10 of them by known deviations of the engine.")
