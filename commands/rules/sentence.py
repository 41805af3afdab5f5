"""What must become of a command, in a sentence for people, with its values in it. Pure."""

from collections.abc import Iterable
from typing import assert_never

from commands.rules.behaviors import BehaviorType
from commands.rules.courses import Circumstances, Course, courses
from commands.rules.expectation import Bounds, expectation
from commands.rules.formatting import duration
from commands.rules.words import Status

_ENDS = {Status.COMPLETED: "completes", Status.FAILED: "fails by its own rule"}  # for which no operator is needed


def sentence(circumstances: Circumstances) -> str:
    """ "fails twice, then completes at attempt 3, after about 3 s": without capital letter and full stop."""
    calm = _calm(circumstances)
    return f"{calm}; {_with_lost_ones(circumstances)}" if circumstances.kills else calm


def _calm(circumstances: Circumstances) -> str:
    """Where no attempt is lost."""
    ways = courses(circumstances)
    if any(way.overlapping for way in ways):
        parts = (_comes_again(circumstances), _counts(circumstances, ways), _ends(circumstances, ways))
        return "; ".join(filter(None, parts))
    return f"{_alone(circumstances)}{_one_by_one(circumstances, ways[0])}{_within_its_lease(circumstances)}"


def attempts_text(attempts: Bounds) -> str:
    """ "1 attempt", "3 attempts", "1 or 2 attempts", "1 to 3 attempts"."""
    if attempts.least < attempts.most:
        joined = "or" if attempts.most - attempts.least == 1 else "to"
        return f"{attempts.least} {joined} {attempts.most} attempts"
    return "1 attempt" if attempts.most == 1 else f"{attempts.most} attempts"


def _with_lost_ones(circumstances: Circumstances) -> str:
    """What attempts that came to no end make of it."""
    found, lost = expectation(circumstances), circumstances.kills
    does = [_ENDS.get(status, "goes to the TSQ") for status in Status if status in found.statuses]
    which = "1 attempt that comes" if lost == 1 else f"{lost} attempts that come"
    return f"with {which} to no end it {' or '.join(does)} with {attempts_text(found.attempts)}"


# -- one attempt after the other -------------------------------------------------------------------------------------


def _one_by_one(circumstances: Circumstances, way: Course) -> str:
    when = "at once" if way.ends_ms == 0 else f"after about {duration(way.ends_ms)}"
    return f"{_failures(circumstances)}{_last(way)}, {when}"


def _failures(circumstances: Circumstances) -> str:
    """What it does before its end: "fails twice, then "."""
    most, failures = circumstances.max_attempts, circumstances.retries
    match circumstances.behavior.type:
        case BehaviorType.SUCCESS | BehaviorType.TIMEOUT | BehaviorType.BUSINESS_RULE:
            return ""
        case BehaviorType.FAIL_PERMANENT:
            return "fails for good at attempt 1, then "
        case BehaviorType.FAIL_TRANSIENT | BehaviorType.FAIL_TRANSIENT_THEN_SUCCEED:
            if circumstances.first_success:
                return f"fails {_times(failures)}, then "
            fails = "fails at its only attempt" if most == 1 else f"fails at each of its {most} attempts"
            return f"{fails}{_out_of_reach(circumstances)}, then "
        case _:
            assert_never(circumstances.behavior.type)


def _out_of_reach(circumstances: Circumstances) -> str:
    if circumstances.behavior.type is not BehaviorType.FAIL_TRANSIENT_THEN_SUCCEED:
        return ""
    return f" (it would complete at attempt {circumstances.behavior.transient_failures + 1})"


def _last(way: Course) -> str:
    if way.status is Status.IN_TROUBLESHOOTING_QUEUE:
        return "goes to the TSQ"
    return f"{_ENDS[way.status]} at attempt {way.attempts}"


def _times(number: int) -> str:
    return {1: "once", 2: "twice"}.get(number, f"{number} times")


def _alone(circumstances: Circumstances) -> str:
    """Why work that is longer than its lease does not come again."""
    if circumstances.work_ms <= circumstances.lease_ms:
        return ""
    works = f"works {duration(circumstances.work_ms)} with a lease of {duration(circumstances.lease_ms)}"
    if circumstances.keeps_its_lease:
        return f"{works}, which the heartbeat extends: "
    return f"{works}, and no other slot is free to take it again: "


def _within_its_lease(circumstances: Circumstances) -> str:
    """A timeout is there to outlive its lease."""
    if circumstances.behavior.type is BehaviorType.TIMEOUT and circumstances.work_ms < circumstances.lease_ms:
        return f": its work is shorter than the lease of {duration(circumstances.lease_ms)}"
    return ""


# -- attempts that overlap -------------------------------------------------------------------------------------------


def _comes_again(circumstances: Circumstances) -> str:
    clear = circumstances.work_ms >= circumstances.lease_ms + circumstances.margin_ms
    if circumstances.max_attempts == 1:
        again = "its only lease runs out" if clear else "its only lease may run out"
    else:
        again = "it is delivered again" if clear else "it may be delivered again"
    works = f"works {duration(circumstances.work_ms)} with a lease of {duration(circumstances.lease_ms)}"
    return f"{works}: {again} while it works"


def _counts(circumstances: Circumstances, ways: Iterable[Course]) -> str:
    """Which of several ends decides."""
    always, completes = all(way.overlapping for way in ways), any(way.status is Status.COMPLETED for way in ways)
    if circumstances.max_attempts == 1 and (completes or not always):
        return ""
    if circumstances.first_success and not completes:
        return "every end is late"
    if circumstances.first_success == 1:
        return "the first success counts, the others are late"
    failure = "every failure is late" if always else "a failure counts only where no newer attempt has begun"
    return f"{failure}, the first success counts" if circumstances.first_success else failure


def _ends(circumstances: Circumstances, ways: Iterable[Course]) -> str:
    ended = [way for way in ways if way.status in _ENDS]
    parked = [way for way in ways if way.status is Status.IN_TROUBLESHOOTING_QUEUE]
    if not ended:
        return f"it goes to the TSQ with {_attempts(parked)}, {_after(parked)}"
    does = _ENDS[circumstances.own_end]
    if not parked:
        return f"it {does} with {_attempts(ended)}, {_after(ended)}"
    most = circumstances.max_attempts
    used_up = "its delivery is used up" if most == 1 else f"its {most} deliveries are used up"
    return f"it {does} {_after(ended)}, or goes to the TSQ {_after(parked)}, when {used_up}"


def _attempts(ways: list[Course]) -> str:
    return attempts_text(Bounds.of(way.attempts for way in ways))


def _after(ways: list[Course]) -> str:
    ends = Bounds.of(way.ends_ms for way in ways)
    span = duration(ends.least) if ends.least == ends.most else f"{duration(ends.least)} to {duration(ends.most)}"
    return f"after about {span}"
