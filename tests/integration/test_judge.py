"""The verdict on every command of a run: commands driven by hand, ledgers written by hand."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from bench.oracle.facts import Facts
from bench.oracle.judge import Judged, judge
from bench.report.document import CommandVerdict, FaultRecord, Row, Story
from bench.scenarios.model import Scenario
from bench.scenarios.plan import Plan, kind_of
from commands.rules.behaviors import Behavior, BehaviorType
from commands.rules.courses import Circumstances
from commands.rules.expectation import expectation
from tests.support.bus import HandBus, Json, outcome

RUN = 7
MIX: Json = {"success": 1, "fail_permanent": 1, "business_rule": 1, "fail_transient_then_succeed": 1, "timeout": 1}
KILL: Json = {"do": "kill_worker"}
V = CommandVerdict


@dataclass
class Bench:
    """A run by hand: what is sent is in the sender's ledger, what is begun in the handlers'."""

    bus: HandBus
    scenario: Json = field(default_factory=dict)
    more: Json = field(default_factory=dict)  # facts
    began_at: datetime = field(init=False)
    _sent: int = 0

    def __post_init__(self) -> None:
        self.began_at = self.bus.value("SELECT clock_timestamp()")

    @property
    def plan(self) -> Plan:
        base = {"scenario": "by_hand", "about": "a test", "commands": 1, "mix": MIX, "bus": {"base_delay_ms": 0}}
        return Plan(Scenario.model_validate({**base, **self.scenario}), 1)

    def told(self, command_id: UUID, kind: str, answer: str = "acknowledged") -> UUID:
        """A line of the sender's ledger."""
        self.bus.conn.execute(
            "INSERT INTO bench_send VALUES (%s, %s, %s, %s, now(), now(), now(), %s)",
            [RUN, self._sent, command_id, kind, answer],
        )
        self._sent += 1
        return command_id

    def send(self, kind: str = "success", answer: str = "acknowledged") -> UUID:
        behavior = self.plan.behaviors[BehaviorType(kind)]
        sent = self.bus.send(behavior.to_json())
        return self.told(sent, kind_of(behavior, reply=True), answer)

    def begin(self, command_id: UUID) -> Json:
        """Begin an attempt, with its line in the handlers' ledger."""
        self.bus.expire_lease(command_id)
        answer = self.bus.receive(1, only=self.bus.command(command_id)["msg_id"])
        attempt: Json = answer["commands"][command_id]
        self.bus.conn.execute(
            "INSERT INTO bench_execution VALUES (%s, %s, %s, %s, 'w1.1', 1, clock_timestamp(), NULL, NULL)",
            [RUN, command_id, attempt["msg_id"], attempt["attempt"]],
        )
        return attempt

    def work(self, command_id: UUID, attempt: Json, how: str = "ok") -> None:
        """The handler has ended, and nobody was told."""
        self.bus.conn.execute(
            "UPDATE bench_execution SET ended_at = clock_timestamp(), outcome = %s"
            " WHERE command_id = %s AND attempt = %s",
            [how, command_id, attempt["attempt"]],
        )

    def end(self, command_id: UUID, attempt: Json, kind: str = "success") -> None:
        self.work(command_id, attempt, "ok" if kind == "success" else "SimulatedFailure")
        more = {"delay_ms": 0} if kind == "transient" else {}
        self.bus.finish(outcome(command_id, attempt, kind, **more))

    def perform(self, command_id: UUID, *kinds: str) -> UUID:
        """So many attempts, one after the other."""
        for kind in kinds or ("success",):
            self.end(command_id, self.begin(command_id), kind)
        return command_id

    def fault(self, do: str, began_s: float = 0, ended_s: float = 3600, *, fired: bool = True) -> FaultRecord:
        return FaultRecord(do=do, id="F1", text=do, planned_s=0, began_s=began_s, ended_s=ended_s, fired=fired)

    def killed(self, *, fired: bool = True) -> None:
        """A worker was killed at some time of this run."""
        self.scenario["faults"] = [KILL]
        self.more |= {"faults": (self.fault("kill_worker", fired=fired),), "loses_attempts": fired}

    def judged(self) -> Judged:
        facts = Facts(run_id=RUN, plan=self.plan, began_at=self.began_at, quiet=True, **self.more)
        found = judge(self.bus.conn, facts)
        accounting = found.accounting
        assert accounting.attempted == accounting.acknowledged + accounting.errors + accounting.unknown
        assert accounting.acknowledged == sum(
            getattr(accounting, name) for name in ("completed", "failed", "parked", "canceled", "stuck", "lost")
        )
        return found


@pytest.fixture
def bench(bus: HandBus) -> Iterator[Bench]:
    yield Bench(bus)
    bus.conn.execute("TRUNCATE bench_send, bench_execution")


def story(found: Judged, command_id: UUID) -> Story:
    (one,) = [one for one in found.stories if one.command_id == str(command_id)]
    return one


def row(found: Judged, behavior: str) -> Row:
    (one,) = [one for one in found.matrix if one.behavior == behavior]
    return one


def test_what_ended_as_it_had_to_is_a_match(bench: Bench) -> None:
    bench.perform(bench.send())
    bench.perform(bench.send("fail_permanent"), "permanent")
    bench.perform(bench.send("business_rule"), "business_rule")
    retried = bench.perform(bench.send("fail_transient_then_succeed"), "transient", "success")
    found = bench.judged()
    assert found.verdicts == {V.MATCH: 4}
    account = found.accounting
    assert (account.attempted, account.completed, account.failed, account.parked) == (4, 2, 1, 1)
    assert (account.duplicate_deliveries, account.duplicate_effects, account.duplicate_replies) == (0, 0, 0)
    assert account.samples["failed"] != account.samples["parked"]
    assert [one.behavior for one in found.matrix] == [
        "success", "fail_permanent", "business_rule", "fail_transient_then_succeed/1x",
    ]  # fmt: skip
    told = row(found, "fail_transient_then_succeed/1x")
    assert (told.said, told.expected, told.attempts, told.sent) == (
        "Fails once, then completes at attempt 2, at once.", ["COMPLETED"], (2, 2), 1,
    )  # fmt: skip
    (cell,) = told.cells
    assert (cell.status, cell.count, cell.expected, cell.attempts) == ("COMPLETED", 1, True, {"2": 1})
    assert (cell.verdicts, cell.commands) == ({"MATCH": 1}, [str(retried)])
    one = story(found, retried)
    assert (one.word, one.expected, one.status, one.verdict) == ("SRFRC", "SRFRC", "COMPLETED", V.MATCH)
    assert [(event.type, event.attempt, event.worker) for event in one.events] == [
        ("SENT", None, ""), ("RECEIVED", 1, "w1.1"), ("FAILED", 1, "w1.1"), ("RECEIVED", 2, "w1.1"),
        ("COMPLETED", 2, "w1.1"),
    ]  # fmt: skip
    assert [execution.outcome for execution in one.executions] == ["SimulatedFailure", "ok"]
    assert len(found.lanes) == 5


def test_another_end_is_a_mismatch_and_says_which(bench: Bench) -> None:
    bench.scenario["mix"] = {**MIX, "timeout": {"weight": 1, "sleep": "4s"}}
    parked, early = bench.perform(bench.send(), "permanent"), bench.perform(bench.send("timeout"))
    found = bench.judged()
    assert found.verdicts == {V.MISMATCH: 2}
    assert story(found, parked).why == "It is In TSQ and had to be Completed."
    assert story(found, early).why.startswith("It ended ")
    assert story(found, early).why.endswith(" after it was begun, and had to take at least 4 s.")
    (cell,) = row(found, "success").cells
    assert (cell.status, cell.expected, cell.verdicts) == ("IN_TROUBLESHOOTING_QUEUE", False, {"MISMATCH": 1})
    assert found.stories[0].verdict == V.MISMATCH


@pytest.mark.parametrize("fired", [True, False])
def test_an_attempt_that_a_fault_ended_is_allowed_and_without_the_fault_it_is_not(bench: Bench, fired: bool) -> None:
    bench.killed(fired=fired)
    sent = bench.send()
    bench.begin(sent)
    bench.perform(sent)
    found = bench.judged()
    assert found.verdicts == {V.ALLOWED if fired else V.MISMATCH: 1}
    if fired:
        assert story(found, sent).why == (
            "kill_worker kept 1 attempt from ending in time. With that, it ended as it may."
        )
    else:
        assert story(found, sent).why == "It took 2 attempts and had to take 1 attempt."
    account = found.accounting
    assert (account.duplicate_deliveries, account.duplicate_effects) == (1, 0)


def test_a_fault_allows_no_more_than_it_explains(bench: Bench) -> None:
    bench.killed()
    parked = bench.send()
    bench.begin(parked)
    bench.perform(parked, "permanent")
    exhausted = bench.send()
    for _ in range(3):
        bench.begin(exhausted)
    bench.bus.expire_lease(exhausted)
    bench.bus.receive()
    found = bench.judged()
    assert (story(found, parked).verdict, story(found, exhausted).verdict) == (V.MISMATCH, V.ALLOWED)
    assert "3 attempts" in story(found, exhausted).why


def test_a_fault_explains_nothing_that_happened_long_before_it(bench: Bench) -> None:
    bench.killed()
    sent = bench.send()
    bench.begin(sent)
    bench.perform(sent)
    bench.more["faults"] = (bench.fault("kill_worker", 1000, 1001),)
    assert bench.judged().verdicts == {V.MISMATCH: 1}


def test_an_end_that_never_arrived_or_came_too_late_is_allowed(bench: Bench) -> None:
    bench.killed()
    unsaid, late = bench.send(), bench.send()
    bench.work(unsaid, bench.begin(unsaid))
    bench.perform(unsaid)
    first, second = bench.begin(late), bench.begin(late)
    bench.end(late, second)
    bench.end(late, first)
    found = bench.judged()
    assert found.verdicts == {V.ALLOWED: 2}
    assert story(found, late).word == "SRRCc"
    assert found.accounting.duplicate_effects == 2


def test_a_receive_whose_answer_was_lost_is_an_attempt_lost(bench: Bench) -> None:
    bench.killed()
    sent = bench.send()
    bench.bus.receive()
    bench.perform(sent)
    assert bench.judged().verdicts == {V.ALLOWED: 1}


def test_what_the_library_is_known_for_is_known_where_it_is_judged_as_it_is_built(bench: Bench) -> None:
    sent = bench.send()
    first, second = bench.begin(sent), bench.begin(sent)
    bench.end(sent, first)
    bench.work(sent, second)
    bench.bus.conn.execute(
        "INSERT INTO commandbus.audit (domain, command_id, event_type, details_json)"
        " VALUES ('test', %s, 'COMPLETED', '{}')",
        [sent],
    )
    bench.bus.conn.execute(
        "INSERT INTO pgmq.q_test__replies (vt, message) SELECT vt, message FROM pgmq.q_test__replies"
    )
    assert bench.judged().verdicts == {V.MISMATCH: 1}
    bench.scenario["expect"] = {"oracle": "as_built"}
    found = bench.judged()
    assert found.verdicts == {V.KNOWN: 1}
    (deviation,) = found.deviations
    assert (deviation.id, deviation.word, deviation.commands) == ("D4", "present", [str(sent)])
    assert (found.accounting.duplicate_replies, found.accounting.duplicate_effects) == (1, 1)


def test_what_is_not_final_is_stuck(bench: Bench) -> None:
    waiting, running = bench.send(), bench.send("timeout")
    bench.begin(running)
    found = bench.judged()
    assert (found.verdicts, found.accounting.stuck) == ({V.STUCK: 2}, 2)
    assert set(found.accounting.samples["stuck"]) == {str(waiting), str(running)}
    assert story(found, running).why == "It is In progress though the run is over."


def test_what_was_acknowledged_and_is_not_there_is_lost(bench: Bench) -> None:
    gone = bench.told(uuid4(), "success/reply")
    found = bench.judged()
    assert (found.verdicts, found.accounting.lost) == ({V.LOST: 1}, 1)
    assert found.accounting.samples["lost"] == [str(gone)]
    (cell,) = row(found, "success").cells
    assert (cell.status, cell.expected, cell.commands) == ("LOST", False, [str(gone)])


def test_of_what_nobody_heard_there_is_a_verdict_only_where_it_is_there(bench: Bench) -> None:
    bench.told(uuid4(), "success/reply", "unknown")
    bench.perform(bench.send(answer="unknown"))
    found = bench.judged()
    account = found.accounting
    assert found.verdicts == {V.UNKNOWN: 1, V.MATCH: 1}
    assert (account.unknown, account.recovered, account.acknowledged) == (2, 1, 0)


def test_what_was_refused_must_not_be_there(bench: Bench) -> None:
    bench.told(uuid4(), "success/reply", "error")
    assert bench.judged().verdicts == {}
    refused = bench.perform(bench.send(answer="error"))
    found = bench.judged()
    assert (found.verdicts, found.accounting.errors, found.accounting.unexpected) == ({V.MISMATCH: 1}, 2, 1)
    assert found.accounting.samples["unexpected"] == [str(refused)]


def test_what_nobody_sent_is_unexpected_unless_a_fault_judges_it(bench: Bench) -> None:
    unsent = bench.bus.send()
    found = bench.judged()
    assert (found.verdicts, found.accounting.unexpected) == ({}, 1)
    assert found.accounting.samples["unexpected"] == [str(unsent)]
    bench.more["apart"] = frozenset({unsent})
    assert bench.judged().accounting.unexpected == 0


def test_a_command_sent_several_times_is_one(bench: Bench) -> None:
    sent = bench.perform(bench.send())
    for answer in ("duplicate", "duplicate", "unknown"):
        bench.told(sent, "success/reply", answer)
    account = bench.judged().accounting
    assert (account.attempted, account.acknowledged, account.duplicates_refused) == (1, 1, 1)


def test_a_reply_that_is_missing_is_noticed(bench: Bench) -> None:
    sent = bench.perform(bench.send())
    bench.bus.conn.execute("DELETE FROM pgmq.q_test__replies")
    assert story(bench.judged(), sent).why == "There is no reply, and there had to be 1."
    bench.scenario |= {"place": "site", "workers": [{"count": 0}]}
    assert bench.judged().verdicts == {V.MATCH: 1}  # there a sender may have taken it


def test_commands_of_faults_are_judged_by_what_the_fault_expects(bench: Bench) -> None:
    bench.killed()
    odd = Behavior(type=BehaviorType.FAIL_TRANSIENT)
    circumstances: Circumstances = bench.plan.circumstances(odd, reply=True)
    bench.more["expected"] = {"unregistered": expectation(circumstances)}
    good, killed, unknown = (bench.told(bench.bus.send(), kind) for kind in ("unregistered", "unregistered", "odd"))
    bench.perform(good, "transient", "transient", "transient")
    bench.begin(killed)
    bench.perform(killed, "transient", "transient")
    bench.perform(unknown)
    found = bench.judged()
    assert [story(found, one).verdict for one in (good, killed, unknown)] == [V.MATCH, V.ALLOWED, V.MISMATCH]
    assert row(found, "unregistered").said == "In TSQ with 3 attempts."
    assert story(found, unknown).why == "Nothing says what had to become of it."


def as_rolled(bench: Bench, sent: UUID, begin: int = 1) -> list[str]:
    """How its attempts from then on end, where some fail for a moment."""
    rolls, most = bench.plan.rolls, bench.plan.scenario.bus.max_attempts
    assert rolls is not None
    ends = []
    for attempt in range(begin, most + 1):
        fails = rolls.behavior(Behavior(type=BehaviorType.SUCCESS), sent, attempt).type != BehaviorType.SUCCESS
        ends.append("transient" if fails else "success")
        if not fails:
            break
    return ends


def test_commands_whose_attempts_roll_have_expectations_of_their_own(bench: Bench) -> None:
    bench.killed()
    bench.scenario["rolls"] = {"transient": 0.5}
    for _ in range(8):
        sent = bench.send()
        bench.perform(sent, *as_rolled(bench, sent))
    killed, wrong = bench.send(), bench.send()
    bench.begin(killed)
    bench.perform(killed, *as_rolled(bench, killed, 2))
    bench.perform(wrong, "success" if as_rolled(bench, wrong)[0] == "transient" else "permanent")
    found = bench.judged()
    assert found.verdicts == {V.MATCH: 8, V.ALLOWED: 1, V.MISMATCH: 1}
    assert story(found, wrong).verdict == V.MISMATCH
    said = "Completes at attempt 1, at once, where no attempt rolls otherwise: 50.00% fail for a moment; "
    assert row(found, "success").said == f"{said}each command has its own expectation."


def test_only_so_many_commands_are_told_in_full_and_the_worst_first(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bench.oracle.telling.MOST_STORIES", 3)
    bench.perform(bench.send())
    parked = bench.perform(bench.send(), "permanent")
    gone = [bench.told(uuid4(), "success/reply") for _ in range(2)]
    found = bench.judged()
    assert {one.command_id for one in found.stories[:2]} == set(map(str, gone))
    assert [one.verdict for one in found.stories] == [V.LOST, V.LOST, V.MISMATCH]
    assert found.stories[2].command_id == str(parked)


def test_of_many_executions_those_around_the_first_fault_are_shown(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bench.oracle.telling.MOST_LANES", 4)
    bench.bus.conn.execute(
        "INSERT INTO bench_execution SELECT %s, gen_random_uuid(), n, 1, 'w1.1', 1, at, at + interval '0.5 s', 'ok'"
        " FROM generate_series(1, 20) n, LATERAL (SELECT %s + n * interval '1 s' AS at) t",
        [RUN, bench.began_at],
    )
    assert [one.began_s for one in bench.judged().lanes] == [1, 2, 3, 4]
    bench.more["faults"] = (bench.fault("kill_worker", 10.5, 11),)
    assert [one.began_s for one in bench.judged().lanes] == [10, 11, 12, 13]


def test_nothing_is_left_behind(bench: Bench) -> None:
    bench.judged()
    left: list[Any] = bench.bus.rows("SELECT relname FROM pg_class WHERE relname LIKE 'judge%%'")
    assert left == []
    assert timedelta(0) <= bench.bus.value("SELECT clock_timestamp()") - bench.began_at
