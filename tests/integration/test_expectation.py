"""What is expected of a command against what becomes of it: generated behaviors and settings, the real functions.

The examples are the same in each run. Those with slots that are not known have a number of slots all the same, and
pauses in which none of them is free: whatever comes of it has to be expected.
"""

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

from hypothesis import HealthCheck, example, given, note, settings
from hypothesis import strategies as st

from commands.rules.agreement import Agreement, Outcome, Settings, Verdict, agreement
from commands.rules.behaviors import PARAMETERS, Behavior, BehaviorType
from commands.rules.courses import Circumstances
from commands.rules.expectation import REPLIES, SLACK_MS, Expectation, expectation
from commands.rules.rolled import rolled_expectation
from commands.rules.rolls import Rolls
from commands.rules.sentence import sentence
from commands.rules.timeline import Event, attempts, build
from commands.rules.words import LETTERS, EventType
from tests.support import databases
from tests.support.bus import HandBus
from tests.support.circumstances import circumstances
from tests.support.simulator import Simulator, Story

START = datetime(2026, 1, 1, tzinfo=UTC)
UNCHANGED = Settings(changed=START - timedelta(days=1), by="")


@dataclass(frozen=True, kw_only=True)
class Case:
    """``slots`` that there are, whether the circumstances know them or not; ``pauses`` in ms."""

    circumstances: Circumstances
    slots: int
    pauses: tuple[int, ...]

    @property
    def is_prompt(self) -> bool:
        """Whether each delivery is taken within the slack."""
        return all(pause <= SLACK_MS for pause in self.pauses)


@st.composite
def behaviors(draw: st.DrawFn, *, max_attempts: int, lease_s: int) -> Behavior:
    kind = draw(st.sampled_from(BehaviorType))
    # Quarters of the lease and their neighbors are where expectations change.
    near = st.integers(1, 28).flatmap(lambda n: st.integers(n * lease_s * 250 - 1, n * lease_s * 250 + 1))
    work_ms = draw(st.just(0) | near | st.integers(0, 7000 * lease_s))
    failures = draw(st.integers(1, max_attempts + 2)) if "transient_failures" in PARAMETERS[kind] else 1
    return Behavior(type=kind, execution_time_ms=work_ms, transient_failures=failures)


@st.composite
def cases(draw: st.DrawFn) -> Case:
    max_attempts, lease_s = draw(st.integers(1, 6)), draw(st.integers(1, 30))
    base_delay_ms = draw(st.integers(0, 10_000))
    some = st.integers(1, max_attempts + 3)
    asked = Circumstances(
        behavior=draw(behaviors(max_attempts=max_attempts, lease_s=lease_s)),
        max_attempts=max_attempts,
        lease_s=lease_s,
        base_delay_ms=base_delay_ms,
        max_delay_ms=base_delay_ms + draw(st.integers(0, 60_000)),
        backoff_multiplier=draw(st.sampled_from([1.0, 1.5, 2.0, 10.0])),
        heartbeat=draw(st.booleans()) and draw(st.booleans()),
        slots=draw(st.none() | some),
        reply=draw(st.booleans()),
    )
    known = asked.slots is not None
    # In all less than the margin: more could move a delivery across an end.
    longest = min(SLACK_MS, (asked.margin_ms - 1) // max_attempts) if known else 3000 * lease_s
    pauses = st.lists(st.integers(0, longest), max_size=max_attempts).map(tuple)
    return Case(circumstances=asked, slots=asked.slots or draw(some), pauses=draw(pauses))


def slow(kind: str, work_ms: int, *, slots: int, heartbeat: bool = False) -> Case:
    """An example of docs/promises.md: a lease of 2 s, 3 attempts."""
    asked = circumstances(kind, work_ms, lease_s=2, slots=slots, heartbeat=heartbeat)
    return Case(circumstances=asked, slots=slots, pauses=())


@settings(
    derandomize=True,
    database=None,
    deadline=None,
    max_examples=80,
    # Each example begins with an empty bus, and the connection is good for all of them.
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(case=cases())
@example(case=slow("timeout", 5000, slots=3))
@example(case=slow("timeout", 5000, slots=2))
@example(case=slow("timeout", 5000, slots=1))
@example(case=slow("timeout", 13_000, slots=4))
@example(case=slow("timeout", 13_000, slots=3))
@example(case=slow("timeout", 5000, slots=3, heartbeat=True))
@example(case=slow("success", 5000, slots=3, heartbeat=True))
@example(case=slow("fail_permanent", 3000, slots=2))
@example(case=slow("business_rule", 3000, slots=1))
@example(case=slow("business_rule", 3000, slots=2))
@example(case=slow("fail_transient", 13_000, slots=2))
@example(case=slow("fail_transient_then_succeed", 3000, slots=2))
@example(case=slow("fail_transient_then_succeed", 3000, slots=1))
def test_what_becomes_of_a_command_is_expected(bus: HandBus, case: Case) -> None:
    databases.clean(bus.url)
    note(sentence(case.circumstances))
    story = Simulator(bus, case.circumstances, slots=case.slots, pauses=case.pauses).run()
    note(f"{story}")
    assert_expected(story, case)
    # A command's page knows no slots.
    found = agreement(replace(case.circumstances, slots=None), outcome_of(story, bus), UNCHANGED)
    assert found == Agreement(verdict=Verdict.MATCH, reason="It ended as it had to.")


@dataclass(frozen=True, kw_only=True)
class Losses:
    """The attempts that come to no end, and whether they end at once or when they would have come to theirs."""

    attempts: frozenset[int] = field(default=frozenset())
    at_once: bool = False


losses = st.builds(Losses, attempts=st.frozensets(st.integers(1, 6), max_size=4), at_once=st.booleans())
many = settings(
    derandomize=True, database=None, deadline=None, max_examples=25,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)  # fmt: skip


@many
@given(case=cases(), losses=losses)
def test_what_becomes_of_a_command_of_which_attempts_are_lost_is_expected(
    bus: HandBus, case: Case, losses: Losses
) -> None:
    databases.clean(bus.url)
    simulator = Simulator(
        bus, case.circumstances, slots=case.slots, pauses=case.pauses, lost=losses.attempts, at_once=losses.at_once
    )
    story = simulator.run()
    known = replace(case, circumstances=replace(case.circumstances, kills=simulator.kills))
    note(f"{story}, {simulator.kills} lost: {sentence(known.circumstances)}")
    assert_expected(story, known)


@st.composite
def rolled(draw: st.DrawFn) -> Rolls:
    chance = st.sampled_from([0.0, 0.2, 0.5])
    return Rolls(
        seed=draw(st.integers(0, 2**63 - 1)),
        permanent=draw(chance),
        transient=draw(chance),
        business_rule=draw(chance),
        timeout=draw(chance),
        timeout_ms=draw(st.integers(0, 60_000)),
    )


@many
@given(case=cases(), rolls=rolled(), losses=losses | st.just(Losses()))
def test_what_becomes_of_a_command_whose_attempts_roll_is_expected(
    bus: HandBus, case: Case, rolls: Rolls, losses: Losses
) -> None:
    databases.clean(bus.url)
    of, one = replace(case.circumstances, heartbeat=False), UUID(int=1)
    simulator = Simulator(
        bus, of, slots=case.slots, pauses=case.pauses, lost=losses.attempts, at_once=losses.at_once,
        does=lambda attempt: rolls.behavior(of.behavior, one, attempt),
    )  # fmt: skip
    story = simulator.run()
    of = replace(of, kills=simulator.kills)
    expected = rolled_expectation(rolls, one, of)
    note(f"{story}, {simulator.kills} lost: {expected}")
    assert_within(story, expected, replace(case, circumstances=of))


def assert_expected(story: Story, case: Case) -> None:
    assert_within(story, expectation(case.circumstances), case)


def assert_within(story: Story, expected: Expectation, case: Case) -> None:
    answered = len(story.replies)
    assert story.status in expected.statuses
    assert story.attempts == counted(story, EventType.RECEIVED)
    assert story.attempts in expected.attempts
    assert expected.allows(story.word)
    assert counted(story, EventType.FAILED) in expected.retries
    assert counted(story, EventType.LATE_COMPLETED) in expected.late_completed
    assert counted(story, EventType.LATE_FAILED) in expected.late_failed
    assert answered in expected.replies
    assert answered == (case.circumstances.reply and story.status in REPLIES)
    assert story.replies in ([], [REPLIES.get(story.status)])
    assert len(expected.statuses & REPLIES.keys()) > 1 or story.replies in ([], [expected.reply])
    assert story.ended_ms >= expected.ends_ms.least
    if case.is_prompt:
        assert story.ended_ms <= expected.ends_ms.most


def outcome_of(story: Story, bus: HandBus) -> Outcome:
    """What a page reads of it, its last events at the time at which it ended by the simulator's clock."""
    events: list[Event] = []
    ended = False
    for row in bus.rows("SELECT event_type, details_json FROM commandbus.audit ORDER BY audit_id"):
        ended = ended or LETTERS[row["event_type"]] in "CTB"
        ts = START + timedelta(milliseconds=story.ended_ms if ended else 0)
        events.append(Event(event_type=row["event_type"], ts=ts, details=row["details_json"] or {}))
    lines = attempts(build(events))[::-1]
    return Outcome(status=story.status, events=events, attempts=lines, now=events[-1].ts, replies=story.replies)


def counted(story: Story, event: EventType) -> int:
    return story.word.count(LETTERS[event])
