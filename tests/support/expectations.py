"""Behaviors in their circumstances, and what must become of each: the rows of docs/promises.md, one by one."""

from dataclasses import dataclass

from commands.rules.courses import Circumstances
from commands.rules.expectation import Bounds, Expectation
from commands.rules.words import ReplyOutcome, Status
from tests.support.circumstances import circumstances

DONE, PARKED, FAILED = Status.COMPLETED, Status.IN_TROUBLESHOOTING_QUEUE, Status.FAILED
EITHER = {DONE, PARKED}
REPLY = {DONE: ReplyOutcome.SUCCESS, FAILED: ReplyOutcome.FAILED}


@dataclass(frozen=True, kw_only=True)
class Row:
    """One behavior in its circumstances, and all that is expected. A number stands for bounds that are one number."""

    of: Circumstances
    statuses: set[Status]
    attempts: int | tuple[int, int]
    pattern: str
    ends_ms: tuple[int, int]
    late_completed: int | tuple[int, int] = 0
    late_failed: int | tuple[int, int] = 0
    retries: int | tuple[int, int] = 0
    said: str

    @property
    def expected(self) -> Expectation:
        replies = {status: int(status is not PARKED) for status in self.statuses}.values()
        return Expectation(
            statuses=frozenset(self.statuses),
            attempts=bounds(self.attempts),
            retries=bounds(self.retries),
            pattern=self.pattern,
            late_completed=bounds(self.late_completed),
            late_failed=bounds(self.late_failed),
            replies=Bounds(least=min(replies), most=max(replies)),
            reply=next((REPLY[status] for status in REPLY if status in self.statuses), None),
            ends_ms=bounds(self.ends_ms),
        )


def bounds(numbers: int | tuple[int, int]) -> Bounds:
    return Bounds.of((numbers,) if isinstance(numbers, int) else numbers)


# Work that ends well before its lease: exact, whatever slots there are.
WITHIN_THE_LEASE = {
    "success": Row(
        of=circumstances("success"),
        statuses={DONE}, attempts=1, pattern="SRC", ends_ms=(0, 550),
        said="completes at attempt 1, at once",
    ),
    "success that works": Row(
        of=circumstances("success", 5000, slots=1),
        statuses={DONE}, attempts=1, pattern="SRC", ends_ms=(5000, 5550),
        said="completes at attempt 1, after about 5 s",
    ),
    "fail_permanent": Row(
        of=circumstances("fail_permanent", 20),
        statuses={PARKED}, attempts=1, pattern="SRT", ends_ms=(20, 570),
        said="fails for good at attempt 1, then goes to the TSQ, after about 20 ms",
    ),
    "business_rule": Row(
        of=circumstances("business_rule", 20),
        statuses={FAILED}, attempts=1, pattern="SRB", ends_ms=(20, 570),
        said="fails by its own rule at attempt 1, after about 20 ms",
    ),
    "fail_transient": Row(
        of=circumstances("fail_transient"),
        statuses={PARKED}, attempts=3, pattern="SRFRFRT", retries=2, ends_ms=(3000, 4650),
        said="fails at each of its 3 attempts, then goes to the TSQ, after about 3 s",
    ),
    "fail_transient, one attempt": Row(
        of=circumstances("fail_transient", max_attempts=1),
        statuses={PARKED}, attempts=1, pattern="SRT", ends_ms=(0, 550),
        said="fails at its only attempt, then goes to the TSQ, at once",
    ),
    "fail_transient, the longest backoff reached": Row(
        of=circumstances("fail_transient", 100, max_attempts=5, max_delay_ms=2500),
        statuses={PARKED}, attempts=5, pattern="SRFRFRFRFRT", retries=4, ends_ms=(8500, 11_250),
        said="fails at each of its 5 attempts, then goes to the TSQ, after about 8.5 s",
    ),
    "then_succeed, once": Row(
        of=circumstances("fail_transient_then_succeed"),
        statuses={DONE}, attempts=2, pattern="SRFRC", retries=1, ends_ms=(1000, 2100),
        said="fails once, then completes at attempt 2, after about 1 s",
    ),
    "then_succeed, as often as possible": Row(
        of=circumstances("fail_transient_then_succeed", failures=2),
        statuses={DONE}, attempts=3, pattern="SRFRFRC", retries=2, ends_ms=(3000, 4650),
        said="fails twice, then completes at attempt 3, after about 3 s",
    ),
    "then_succeed, three times": Row(
        of=circumstances("fail_transient_then_succeed", 1000, 3, max_attempts=10),
        statuses={DONE}, attempts=4, pattern="SRFRFRFRC", retries=3, ends_ms=(11_000, 13_200),
        said="fails 3 times, then completes at attempt 4, after about 11 s",
    ),
    "then_succeed, too often": Row(
        of=circumstances("fail_transient_then_succeed", failures=3),
        statuses={PARKED}, attempts=3, pattern="SRFRFRT", retries=2, ends_ms=(3000, 4650),
        said="fails at each of its 3 attempts (it would complete at attempt 4), then goes to the TSQ, after about 3 s",
    ),
    "timeout": Row(
        of=circumstances("timeout", 22_500),
        statuses={DONE}, attempts=1, pattern="SRC", ends_ms=(22_500, 23_050),
        said="completes at attempt 1, after about 22.5 s: its work is shorter than the lease of 30 s",
    ),
    "the heartbeat keeps a lease": Row(
        of=circumstances("success", 5000, lease_s=2, heartbeat=True),
        statuses={DONE}, attempts=1, pattern="SRC", ends_ms=(5000, 5550),
        said="works 5 s with a lease of 2 s, which the heartbeat extends: completes at attempt 1, after about 5 s",
    ),
}  # fmt: skip

AGAIN = "works {} s with a lease of 2 s: it is delivered again while it works; "
FIRST = "the first success counts, the others are late; "

# Lease 2 s: work that is longer is delivered again.
BEYOND_THE_LEASE = {
    "5 s of 6 s, free slots": Row(
        of=circumstances("timeout", 5000, lease_s=2, slots=3),
        statuses={DONE}, attempts=3, pattern="SRRRC", late_completed=2, ends_ms=(5000, 6650),
        said=AGAIN.format(5) + FIRST + "it completes with 3 attempts, after about 5 s",
    ),
    "5 s of 6 s, two slots": Row(
        of=circumstances("timeout", 5000, lease_s=2, slots=2),
        statuses={DONE}, attempts=2, pattern="SRRC", late_completed=1, ends_ms=(5000, 6100),
        said=AGAIN.format(5) + FIRST + "it completes with 2 attempts, after about 5 s",
    ),
    "5 s of 6 s, one slot": Row(
        of=circumstances("timeout", 5000, lease_s=2, slots=1),
        statuses={DONE}, attempts=1, pattern="SRC", ends_ms=(5000, 5550),
        said="works 5 s with a lease of 2 s, and no other slot is free to take it again: "
        "completes at attempt 1, after about 5 s",
    ),
    "5 s of 6 s, slots unknown": Row(
        of=circumstances("timeout", 5000, lease_s=2),
        statuses={DONE}, attempts=(1, 3), pattern="SR{1,3}C", late_completed=(0, 2), ends_ms=(5000, 6650),
        said=AGAIN.format(5) + FIRST + "it completes with 1 to 3 attempts, after about 5 s",
    ),
    "13 s of 6 s, free slots": Row(
        of=circumstances("timeout", 13_000, lease_s=2, slots=7),
        statuses={PARKED}, attempts=3, pattern="SRRRT", late_completed=3, ends_ms=(6000, 7650),
        said=AGAIN.format(13) + "every end is late; it goes to the TSQ with 3 attempts, after about 6 s",
    ),
    "13 s of 6 s, no slot to park it from": Row(
        of=circumstances("timeout", 13_000, lease_s=2, slots=3),
        statuses={DONE}, attempts=3, pattern="SRRRC", late_completed=2, ends_ms=(13_000, 14_650),
        said=AGAIN.format(13) + FIRST + "it completes with 3 attempts, after about 13 s",
    ),
    "13 s of 6 s, slots unknown": Row(
        of=circumstances("timeout", 13_000, lease_s=2),
        statuses=EITHER, attempts=(1, 3), pattern="S(R{1,3}C|RRRT)", late_completed=(0, 3), ends_ms=(6000, 14_650),
        said=AGAIN.format(13) + FIRST + "it completes after about 13 s, or goes to the TSQ after about 6 s, "
        "when its 3 deliveries are used up",
    ),
    "3 s of the only lease": Row(
        of=circumstances("success", 3000, lease_s=2, max_attempts=1),
        statuses=EITHER, attempts=1, pattern="S(RC|RT)", late_completed=(0, 1), ends_ms=(2000, 3550),
        said="works 3 s with a lease of 2 s: its only lease runs out while it works; it completes after about 3 s, "
        "or goes to the TSQ after about 2 s, when its delivery is used up",
    ),
    "fail_permanent, free slots": Row(
        of=circumstances("fail_permanent", 3000, lease_s=2, slots=6),
        statuses={PARKED}, attempts=3, pattern="SRRRT", late_failed=3, ends_ms=(6000, 7650),
        said=AGAIN.format(3) + "every failure is late; it goes to the TSQ with 3 attempts, after about 6 s",
    ),
    "fail_permanent, one slot": Row(
        of=circumstances("fail_permanent", 3000, lease_s=2, slots=1),
        statuses={PARKED}, attempts=1, pattern="SRT", ends_ms=(3000, 3550),
        said="works 3 s with a lease of 2 s, and no other slot is free to take it again: "
        "fails for good at attempt 1, then goes to the TSQ, after about 3 s",
    ),
    "fail_permanent, slots unknown": Row(
        of=circumstances("fail_permanent", 3000, lease_s=2),
        statuses={PARKED}, attempts=(1, 3), pattern="SR{1,3}T", late_failed=(0, 3), ends_ms=(3000, 7650),
        said=AGAIN.format(3) + "a failure counts only where no newer attempt has begun; "
        "it goes to the TSQ with 1 to 3 attempts, after about 3 s to 6 s",
    ),
    "business_rule, free slots": Row(
        of=circumstances("business_rule", 3000, lease_s=2, slots=2),
        statuses={PARKED}, attempts=3, pattern="SRRRT", late_failed=3, ends_ms=(6000, 7650),
        said=AGAIN.format(3) + "every failure is late; it goes to the TSQ with 3 attempts, after about 6 s",
    ),
    "business_rule, one slot": Row(
        of=circumstances("business_rule", 3000, lease_s=2, slots=1),
        statuses={FAILED}, attempts=1, pattern="SRB", ends_ms=(3000, 3550),
        said="works 3 s with a lease of 2 s, and no other slot is free to take it again: "
        "fails by its own rule at attempt 1, after about 3 s",
    ),
    "business_rule, slots unknown": Row(
        of=circumstances("business_rule", 3000, lease_s=2),
        statuses={FAILED, PARKED}, attempts=(1, 3), pattern="S(R{1,3}B|RRRT)", late_failed=(0, 3), ends_ms=(3000, 7650),
        said=AGAIN.format(3) + "a failure counts only where no newer attempt has begun; "
        "it fails by its own rule after about 3 s, or goes to the TSQ after about 6 s, "
        "when its 3 deliveries are used up",
    ),
    "fail_transient, free slots": Row(
        of=circumstances("fail_transient", 3000, lease_s=2, slots=6),
        statuses={PARKED}, attempts=3, pattern="SRRRT", late_failed=3, ends_ms=(6000, 7650),
        said=AGAIN.format(3) + "every failure is late; it goes to the TSQ with 3 attempts, after about 6 s",
    ),
    "fail_transient, two slots, each taken longer than both leases": Row(
        of=circumstances("fail_transient", 5000, lease_s=2, slots=2),
        statuses={PARKED}, attempts=3, pattern="SRRRT", late_failed=3, ends_ms=(7000, 8650),
        said=AGAIN.format(5) + "every failure is late; it goes to the TSQ with 3 attempts, after about 7 s",
    ),
    "fail_transient, slots unknown": Row(
        of=circumstances("fail_transient", 3000, lease_s=2),
        statuses={PARKED}, attempts=3, pattern="S(RF?){2}RT", late_failed=(0, 3), retries=(0, 2),
        ends_ms=(6000, 13_650),
        said=AGAIN.format(3) + "a failure counts only where no newer attempt has begun; "
        "it goes to the TSQ with 3 attempts, after about 6 s to 12 s",
    ),
    "then_succeed, free slots": Row(
        of=circumstances("fail_transient_then_succeed", 3000, lease_s=2, slots=2),
        statuses={DONE}, attempts=3, pattern="SRRRC", late_completed=1, late_failed=1, ends_ms=(5000, 6650),
        said=AGAIN.format(3) + "every failure is late, the first success counts; "
        "it completes with 3 attempts, after about 5 s",
    ),
    "then_succeed, its success comes after its last lease": Row(
        of=circumstances("fail_transient_then_succeed", 3000, 2, lease_s=2, slots=9),
        statuses={PARKED}, attempts=3, pattern="SRRRT", late_completed=1, late_failed=2, ends_ms=(6000, 7650),
        said=AGAIN.format(3) + "every end is late; it goes to the TSQ with 3 attempts, after about 6 s",
    ),
    "then_succeed, slots unknown": Row(
        of=circumstances("fail_transient_then_succeed", 3000, lease_s=2),
        statuses={DONE}, attempts=(2, 3), pattern="S(RF?)R{1,2}C", late_completed=(0, 1), late_failed=(0, 1),
        retries=(0, 1), ends_ms=(5000, 8650),
        said=AGAIN.format(3) + "a failure counts only where no newer attempt has begun, the first success counts; "
        "it completes with 2 or 3 attempts, after about 5 s to 7 s",
    ),
    "timeout never keeps its lease": Row(
        of=circumstances("timeout", 5000, lease_s=2, slots=3, heartbeat=True),
        statuses={DONE}, attempts=3, pattern="SRRRC", late_completed=2, ends_ms=(5000, 6650),
        said=AGAIN.format(5) + FIRST + "it completes with 3 attempts, after about 5 s",
    ),
}  # fmt: skip

# Work that ends within a quarter of a lease of a multiple of the lease: either side.
NEAR_A_LEASE = {
    "just within one": Row(
        of=circumstances("success", 1900, lease_s=2, slots=9),
        statuses={DONE}, attempts=(1, 2), pattern="SR{1,2}C", late_completed=(0, 1), ends_ms=(1900, 3000),
        said="works 1.9 s with a lease of 2 s: it may be delivered again while it works; " + FIRST
        + "it completes with 1 or 2 attempts, after about 1.9 s",
    ),
    "just beyond two": Row(
        of=circumstances("success", 4100, lease_s=2, slots=9),
        statuses={DONE}, attempts=(2, 3), pattern="SRRC|SRRRC", late_completed=(1, 2), ends_ms=(4100, 5750),
        said=AGAIN.format("4.1") + FIRST + "it completes with 2 or 3 attempts, after about 4.1 s",
    ),
    "just within the last": Row(
        of=circumstances("success", 5900, lease_s=2, slots=9),
        statuses=EITHER, attempts=3, pattern="SRRRC|SRRRT", late_completed=(2, 3), ends_ms=(5900, 7650),
        said=AGAIN.format("5.9") + FIRST + "it completes after about 5.9 s, or goes to the TSQ after about 6 s, "
        "when its 3 deliveries are used up",
    ),
    "a failure just within one": Row(
        of=circumstances("fail_permanent", 1900, lease_s=2, slots=9),
        statuses={PARKED}, attempts=(1, 3), pattern="SR{1,3}T", late_failed=(0, 3), ends_ms=(1900, 7650),
        said="works 1.9 s with a lease of 2 s: it may be delivered again while it works; "
        "a failure counts only where no newer attempt has begun; "
        "it goes to the TSQ with 1 to 3 attempts, after about 1.9 s to 6 s",
    ),
    "failures just within one, with short backoffs": Row(
        of=circumstances("fail_transient", 1800, lease_s=2, slots=9, max_attempts=4, base_delay_ms=100),
        statuses={PARKED}, attempts=4, pattern="S(RF?){3}RT", late_failed=(0, 4), retries=(0, 3),
        ends_ms=(1900 + 2000 + 2000 + 1800, 2000 + 2000 + 2200 + 2000 + 4 * 550),
        said="works 1.8 s with a lease of 2 s: it may be delivered again while it works; "
        "a failure counts only where no newer attempt has begun; "
        "it goes to the TSQ with 4 attempts, after about 7.9 s to 8 s",
    ),
}  # fmt: skip

ROWS = WITHIN_THE_LEASE | BEYOND_THE_LEASE | NEAR_A_LEASE
