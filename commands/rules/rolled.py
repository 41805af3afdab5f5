"""What must become of a command whose attempts roll how they end. Pure.

    Rolls, command ─► what each attempt does ─► expectation

Until the first attempt that may outlive its lease all is exact. From there on a slot may be free to take it again, or
not: the answer is everything that may come of it, and a little more.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from uuid import UUID

from commands.rules.behaviors import Behavior, BehaviorType
from commands.rules.courses import FAILED, FINAL_LETTERS, RECEIVED, SENT, Circumstances
from commands.rules.expectation import SLACK_MS, Bounds, Expectation, answers
from commands.rules.rolls import Rolls
from commands.rules.words import Status
from settings_app.backoff import backoff_ms


@dataclass(frozen=True, kw_only=True)
class _Attempt:
    """One attempt of the command. ``end``: the status to which its end leads; None: it is tried again.

    ``passed``: so many further ones may begin before it ends. ``wait_ms``: the backoff after it.
    """

    number: int
    work_ms: int
    end: Status | None
    passed: int
    wait_ms: int

    @property
    def succeeds(self) -> bool:
        return self.end is Status.COMPLETED


def rolled_expectation(rolls: Rolls, command_id: UUID, circumstances: Circumstances) -> Expectation:
    """What must become of it; ``circumstances`` have what attempts do that roll nothing."""
    attempts = _attempts(rolls, command_id, circumstances)
    calm: list[_Attempt] = []
    for attempt in attempts:
        if attempt.passed or attempt.end:
            break
        calm.append(attempt)
    if not attempt.passed and not circumstances.kills:
        return _exact(circumstances, tuple(calm), attempt)
    return _set(circumstances, tuple(calm), (attempt, *attempts))


def _attempts(rolls: Rolls, command_id: UUID, circumstances: Circumstances) -> Iterator[_Attempt]:
    most = circumstances.max_attempts
    for number in range(1, most + 1):
        does = rolls.behavior(circumstances.behavior, command_id, number)
        end = _end(does, number)
        if end is None and number == most:
            end = Status.IN_TROUBLESHOOTING_QUEUE
        wait_ms = backoff_ms(
            number,
            base_delay_ms=circumstances.base_delay_ms,
            max_delay_ms=circumstances.max_delay_ms,
            multiplier=circumstances.backoff_multiplier,
        )
        passed = _passed(circumstances, does)
        yield _Attempt(number=number, work_ms=does.execution_time_ms, end=end, passed=passed, wait_ms=wait_ms)


def _end(does: Behavior, number: int) -> Status | None:
    match does.type:
        case BehaviorType.FAIL_PERMANENT:
            return Status.IN_TROUBLESHOOTING_QUEUE
        case BehaviorType.BUSINESS_RULE:
            return Status.FAILED
        case BehaviorType.FAIL_TRANSIENT:
            return None
        case BehaviorType.FAIL_TRANSIENT_THEN_SUCCEED:
            return None if number <= does.transient_failures else Status.COMPLETED
        case _:
            return Status.COMPLETED


def _passed(circumstances: Circumstances, does: Behavior) -> int:
    """How many deliveries may come while an attempt does that: one for each lease, and near to one counts too."""
    is_extended = circumstances.heartbeat and does.type is not BehaviorType.TIMEOUT
    if is_extended or circumstances.slots == 1:
        return 0
    return -(-(does.execution_time_ms + circumstances.margin_ms) // circumstances.lease_ms) - 1


@lru_cache(maxsize=4096)
def _exact(circumstances: Circumstances, calm: tuple[_Attempt, ...], last: _Attempt) -> Expectation:
    """Each attempt ends before the next begins."""
    assert last.end is not None
    statuses = frozenset({last.end})
    replies, reply = answers(circumstances, statuses)
    ends_ms = sum(attempt.work_ms + attempt.wait_ms for attempt in calm) + last.work_ms
    none = Bounds(least=0, most=0)
    return Expectation(
        statuses=statuses,
        attempts=Bounds.of([last.number]),
        retries=Bounds.of([len(calm)]),
        pattern=SENT + (RECEIVED + FAILED) * len(calm) + RECEIVED + FINAL_LETTERS[last.end],
        late_completed=none,
        late_failed=none,
        replies=replies,
        reply=reply,
        ends_ms=Bounds(least=ends_ms, most=ends_ms + last.number * SLACK_MS),
    )


# -- where attempts may overlap, or come to no end ---------------------------------------------------------------------


@lru_cache(maxsize=4096)
def _set(circumstances: Circumstances, calm: tuple[_Attempt, ...], following: tuple[_Attempt, ...]) -> Expectation:
    """Any of those that follow may be the last that begins, up to the first that leaves no time for another.

    ``calm`` are those before, which fail well within their lease.
    """
    kills, most = circumstances.kills, circumstances.max_attempts
    limit = _last_delivery(following, kills, most)
    begun = [attempt for attempt in following if attempt.number <= limit]
    parked = {Status.IN_TROUBLESHOOTING_QUEUE} if limit > most else set()
    statuses = frozenset({attempt.end for attempt in begun if attempt.end} | parked)
    replies, reply = answers(circumstances, statuses)
    successes = sum(attempt.succeeds for attempt in begun)
    failures = len(begun) - successes
    tried_again = sum(attempt.end is None for attempt in begun)
    # A killed one of those before may end late as well: it may only have stood still.
    frozen = min(kills, len(calm))
    least = next(attempt.number for attempt in following if attempt.end)
    letters = "".join(sorted(FINAL_LETTERS[status] for status in statuses))
    ending = letters if len(letters) == 1 else f"[{letters}]"
    before = _before(len(calm), kills)
    return Expectation(
        statuses=statuses,
        attempts=Bounds(least=least, most=min(limit, most)),
        retries=Bounds(least=max(0, len(calm) - kills), most=len(calm) + tried_again),
        pattern=f"{SENT}{before}{RECEIVED}[{RECEIVED}{FAILED}]*{ending}",
        late_completed=Bounds(least=0, most=successes - (statuses == {Status.COMPLETED})),
        late_failed=Bounds(least=0, most=failures + frozen),
        replies=replies,
        reply=reply,
        ends_ms=_ends(circumstances, [*calm, *begun], parked=bool(parked)),
        most_open=None if any(attempt.passed for attempt in begun) else kills,
    )


def _before(calm: int, kills: int) -> str:
    """Attempts that fail one by one; of which some may have come to no end."""
    if not kills:
        return (RECEIVED + FAILED) * calm
    return f"({RECEIVED}{FAILED}?){{{calm}}}" if calm else ""


def _last_delivery(following: Sequence[_Attempt], kills: int, most: int) -> int:
    """The last delivery that may come; beyond ``most``: the one that parks the command.

    An attempt of which the end decides, whatever came after it, ends it; ``kills`` of these may have been lost.
    """
    limits = sorted(
        attempt.number + attempt.passed
        for attempt in following
        if attempt.end and (attempt.succeeds or not attempt.passed)
    )
    return min(limits[kills], most + 1) if len(limits) > kills else most + 1


def _ends(circumstances: Circumstances, attempts: Sequence[_Attempt], *, parked: bool) -> Bounds:
    """The earliest and the latest end, whichever of the attempts decides."""
    lease, kills = circumstances.lease_ms, circumstances.kills
    earliest = latest = 0
    ends: list[tuple[int, int]] = []
    for attempt in attempts:
        gap = attempt.work_ms + attempt.wait_ms
        may_be_passed = attempt.passed or kills
        if attempt.end:
            ends.append((earliest + attempt.work_ms, latest + attempt.work_ms))
        # One that ends for good is followed by another only where its lease ran out before.
        earliest += lease if attempt.end and may_be_passed else min(gap, lease) if may_be_passed else gap
        latest += max(gap, lease) if may_be_passed else gap
    if parked:
        ends.append((earliest, latest))
    slack = len(attempts) * SLACK_MS + kills * (lease + SLACK_MS)
    return Bounds(least=min(end for end, _ in ends), most=max(end for _, end in ends) + slack)
