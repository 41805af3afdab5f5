"""Whether a story is what had to become of a command: example by example, with the reason in words."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from commands.rules.agreement import Outcome, Settings, Verdict, agreement
from commands.rules.timeline import Event, WorkerSeen, attempts, build
from commands.rules.words import LETTERS, Status
from tests.support.circumstances import circumstances

START = datetime(2026, 1, 1, tzinfo=UTC)
SETTINGS = Settings(changed=START - timedelta(days=1), by="ada")
DEAD = WorkerSeen(name="a:1", alive=False)
EVENTS = {letter: event for event, letter in LETTERS.items()}
ENDED = "It ended as it had to."


def story(told: str, **more: Any) -> Outcome:
    """A story told as letters with the second of each: "S0 R0 C5"; its status follows from them, unless it is given.

    An end ends the oldest attempt that is open. The workers of the first ``died`` died. ``of_library``: no event names
    a worker.
    """
    events, begun, ended = [], 0, more.get("died", 0)
    for word in told.split():
        details: dict[str, Any] = {"msg_id": 7}
        if word[0] == "R":
            begun += 1
            details |= {"attempt": begun, "max_attempts": 3}
            details |= {} if more.get("of_library") else {"worker": "w"}
        elif word[0] in "FCBTcf":
            ended += 1
            details |= {"attempt": ended} if ended <= begun else {"reason": "LEASE_EXPIRED"}
        elif word[0] in "OXK":
            details = {"operator": "eve"}
        at = START + timedelta(seconds=float(word[1:]))
        events.append(Event(event_type=EVENTS[word[0]], ts=at, details=details))
    lines = attempts(build(events))[::-1]
    for attempt in lines:
        is_dead = attempt.number <= more.get("died", 0)
        attempt.worker = more.get("worker", DEAD if is_dead else WorkerSeen(name="a:1", alive=True))
        attempt.awaited = attempt.end is None and more.get("awaited", False)
    finals = {"C": Status.COMPLETED, "T": Status.IN_TROUBLESHOOTING_QUEUE, "B": Status.FAILED, "X": Status.CANCELED}
    status = next((finals[word[0]] for word in told.split() if word[0] in finals), Status.IN_PROGRESS)
    now = events[-1].ts + timedelta(seconds=more.get("later", 0)) if events else START
    return Outcome(
        status=more.get("status", status), events=events, attempts=lines, now=now,
        replies=more.get("replies", ()), awaited=more.get("awaited", False),
    )  # fmt: skip


FIVE_SECONDS = circumstances("timeout", 5000, lease_s=2)
OFTEN_COMPLETED = (
    "Its story is not one that its behavior leads to: Sent, Received, Received, Received, "
    "Completed, Completed, Completed."
)
CASES = {
    "a success": (circumstances("success"), story("S0 R1 C1"), Verdict.MATCH, ENDED),
    "a success with its reply": (
        circumstances("success"), story("S0 R1 C1", replies=["SUCCESS"]), Verdict.MATCH, ENDED,
    ),
    "retries": (circumstances("fail_transient_then_succeed"), story("S0 R0 F0 R1 C1"), Verdict.MATCH, ENDED),
    "exhausted": (circumstances("fail_transient"), story("S0 R0 F0 R1 F1 R3 T3"), Verdict.MATCH, ENDED),
    "performed more than once": (FIVE_SECONDS, story("S0 R0 R2 R4 C5 c7 c9"), Verdict.MATCH, ENDED),
    "a late end may still come": (
        FIVE_SECONDS, story("S0 R0 R2 C5", awaited=True), Verdict.NOT_YET,
        f"{ENDED} An attempt may still end, too late.",
    ),
    "waits": (
        circumstances("success"), story("S0", status=Status.PENDING), Verdict.NOT_YET,
        "It waits for its first attempt.",
    ),
    "runs": (circumstances("success", 5000), story("S0 R0", later=5), Verdict.NOT_YET, "It is on its way."),
    "runs too long": (
        circumstances("success", 5000), story("S0 R0", later=6), Verdict.STUCK,
        "It is on its way, for longer than the 5.55 s that it takes where a slot is always free.",
    ),
    "another status": (
        circumstances("success"), story("S0 R0 T0"), Verdict.MISMATCH, "It is In TSQ and had to be Completed.",
    ),
    "too many attempts": (
        circumstances("success"), story("S0 R0 F0 R1 C1"), Verdict.MISMATCH,
        "It took 2 attempts and had to take 1 attempt.",
    ),
    "too many attempts, while it runs": (
        circumstances("success"), story("S0 R0 F0 R1"), Verdict.MISMATCH,
        "It began 2 attempts and had to come to 1 attempt.",
    ),
    "a failure that its behavior has not": (
        circumstances("success"), story("S0 R0 F0"), Verdict.MISMATCH,
        "1 of its attempts failed for a moment, and at most 0 had to.",
    ),
    "two ends": (
        circumstances("success"), story("S0 R0 C0 C1"), Verdict.MISMATCH,
        (
            "Its story is not one that its behavior leads to: Sent, Received, Completed, Completed. "
            "It had to be: Sent, Received, Completed."
        ),
    ),
    "a late end that nothing explains": (
        circumstances("success"), story("S0 R0 C0 c1"), Verdict.MISMATCH,
        "1 end came too late, and there had to be 0 (completed too late).",
    ),
    "two replies": (
        circumstances("success"), story("S0 R0 C0", replies=["SUCCESS"] * 2), Verdict.MISMATCH,
        "There are 2 replies, and there had to be 1.",
    ),
    "another reply": (
        circumstances("business_rule"), story("S0 R0 B0", replies=["SUCCESS"]), Verdict.MISMATCH,
        "Its reply says SUCCESS and had to say FAILED.",
    ),
    "too early": (
        circumstances("success", 5000), story("S0 R0 C1"), Verdict.MISMATCH,
        "It ended 1 s after it was begun, and had to take at least 5 s.",
    ),
    "no beginning": (
        circumstances("success"), story("R0 C0"), Verdict.UNKNOWN, "The beginning of its story is not known.",
    ),
    "an operator retried it": (
        circumstances("fail_permanent"), story("S0 R0 T0 O5", status=Status.PENDING), Verdict.UNKNOWN,
        "eve retried it: what an operator does is not to be foreseen.",
    ),
    "an operator canceled it": (
        circumstances("success"), story("S0 X5"), Verdict.UNKNOWN,
        "eve canceled it: what an operator does is not to be foreseen.",
    ),
    "its worker died": (
        circumstances("success"), story("S0 R0", worker=DEAD), Verdict.NOT_YET,
        "The worker of attempt 1 died, or gives no sign of life. It is on its way.",
    ),
    "its worker died long ago": (
        circumstances("success"), story("S0 R0", worker=DEAD, later=60), Verdict.STUCK,
        (
            "The worker of attempt 1 died, or gives no sign of life. "
            "It is on its way, for longer than the 31.1 s that it takes where a slot is always free."
        ),
    ),
    "its worker died, and it was done again": (
        circumstances("success"), story("S0 R0 R30 C30", died=1), Verdict.ALLOWED,
        "The worker of attempt 1 died, or gives no sign of life. With that, it ended as it may.",
    ),
    "all its workers died": (
        circumstances("success"), story("S0 R0 R30 R60 T90", died=3), Verdict.ALLOWED,
        "The workers of 3 attempts died, or give no sign of life. With that, it ended as it may.",
    ),
    "its worker died, which explains no other end": (
        circumstances("success"), story("S0 R0 R30 T30", died=1), Verdict.MISMATCH,
        "It is In TSQ and had to be Completed.",
    ),
    "engine library": (
        FIVE_SECONDS, story("S0 R0 R2 R4 C5 C7 C9", replies=["SUCCESS"] * 3, of_library=True), Verdict.KNOWN,
        (
            f"{OFTEN_COMPLETED} Engine library is known for that, D4: "
            "Every overlapping attempt that succeeds sends its own reply."
        ),
    ),
    "engine native does nothing that only the library is known for": (
        FIVE_SECONDS, story("S0 R0 R2 R4 C5 C7 C9", replies=["SUCCESS"] * 3), Verdict.MISMATCH,
        OFTEN_COMPLETED,
    ),
    "nobody knows how an attempt ended": (
        FIVE_SECONDS, story("S0 R0 R2 C5"), Verdict.UNKNOWN, "No end of attempt 2 is known.",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_a_story_is_compared_with_what_had_to_happen(case: str) -> None:
    of, came, verdict, reason = CASES[case]
    found = agreement(of, came, SETTINGS)
    assert (found.verdict, found.reason) == (verdict, reason)


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        (
            Settings(changed=START + timedelta(hours=1), by="ada"),
            "The settings were changed by ada since it was sent: those that it ran with are not known any more.",
        ),
        (
            Settings(changed=START + timedelta(hours=1), by=""),
            "The settings were changed since it was sent: those that it ran with are not known any more.",
        ),
        (replace(SETTINGS, own=True), "A worker ran with settings of its own, given on its command line."),
    ],
)
def test_other_settings_are_not_judged_where_they_matter(settings: Settings, reason: str) -> None:
    found = agreement(FIVE_SECONDS, story("S0 R0 R2 R4 C5 c7 c9"), settings)
    assert (found.verdict, found.reason) == (Verdict.UNKNOWN, reason)


@pytest.mark.parametrize("own", [False, True])
def test_work_that_fits_every_lease_is_judged_whatever_the_settings_were_but_not_its_time(own: bool) -> None:
    settings = Settings(changed=START + timedelta(hours=1), by="ada", own=own)
    of = circumstances("fail_transient_then_succeed", 700, base_delay_ms=50_000)
    assert agreement(of, story("S0 R0 F1 R1 C2"), settings).verdict == Verdict.MATCH
    assert agreement(of, story("S0 R0 F1 R1 C2"), SETTINGS).verdict == Verdict.MISMATCH  # the backoff is 50 s
    assert agreement(of, story("S0 R0 T1"), settings).verdict == Verdict.MISMATCH
    longer = replace(of, behavior=replace(of.behavior, execution_time_ms=800))
    assert agreement(longer, story("S0 R0 F1 R1 C2"), settings).verdict == Verdict.UNKNOWN
