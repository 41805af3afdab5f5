"""What will happen to a command that is sent now, said before it is sent. Pure."""

from dataclasses import dataclass
from typing import assert_never

from commands.rules.behaviors import PARAMETERS, BehaviorType
from commands.rules.formatting import duration


@dataclass(frozen=True, kw_only=True)
class Outlook:
    """One behavior in words: what it ``does``, the ``status`` and ``attempts`` it leads to, and ``why``."""

    type: BehaviorType
    does: str
    status: str
    attempts: str
    why: str

    @property
    def parameters(self) -> tuple[str, ...]:
        """The fields of the form that it takes."""
        return PARAMETERS[self.type]


def outlook(kind: BehaviorType, *, max_attempts: int, lease_s: int, delays_ms: list[int]) -> Outlook:
    """``delays_ms``: the backoff before each of the ``max_attempts - 1`` retries."""
    match kind:
        case BehaviorType.SUCCESS:
            return _success(lease_s)
        case BehaviorType.FAIL_PERMANENT:
            return _fail_permanent()
        case BehaviorType.FAIL_TRANSIENT:
            return _fail_transient(max_attempts, delays_ms)
        case BehaviorType.FAIL_TRANSIENT_THEN_SUCCEED:
            return _fail_transient_then_succeed(max_attempts)
        case BehaviorType.TIMEOUT:
            return _timeout(max_attempts, lease_s)
        case _:
            assert_never(kind)


def _success(lease_s: int) -> Outlook:
    return Outlook(
        type=BehaviorType.SUCCESS,
        does="Works for its execution time, then succeeds.",
        status="COMPLETED",
        attempts="1 attempt",
        why=f"As long as the execution time is below the lease of {duration(lease_s * 1000)}.",
    )


def _fail_permanent() -> Outlook:
    return Outlook(
        type=BehaviorType.FAIL_PERMANENT,
        does="Fails in a way that no retry can mend.",
        status="IN_TROUBLESHOOTING_QUEUE",
        attempts="1 attempt",
        why="A permanent failure is never retried; an operator decides.",
    )


def _fail_transient(max_attempts: int, delays_ms: list[int]) -> Outlook:
    return Outlook(
        type=BehaviorType.FAIL_TRANSIENT,
        does="Fails at every attempt in a way that a retry might mend.",
        status="IN_TROUBLESHOOTING_QUEUE",
        attempts=_times(max_attempts),
        why=_retries(delays_ms),
    )


def _fail_transient_then_succeed(max_attempts: int) -> Outlook:
    most = max_attempts - 1
    return Outlook(
        type=BehaviorType.FAIL_TRANSIENT_THEN_SUCCEED,
        does="Fails the given number of times, then succeeds.",
        status="COMPLETED" if most else "IN_TROUBLESHOOTING_QUEUE",
        attempts="one attempt more than it fails" if most else "1 attempt",
        why=f"It completes with at most {_failures(most)}; with more it goes to the TSQ after {_times(max_attempts)}."
        if most
        else "Only one attempt is allowed now, and that one fails.",
    )


def _timeout(max_attempts: int, lease_s: int) -> Outlook:
    lease, longest = duration(lease_s * 1000), duration(max_attempts * lease_s * 1000)
    return Outlook(
        type=BehaviorType.TIMEOUT,
        does="Works for its execution time, which is meant to be longer than the lease, then succeeds.",
        status="COMPLETED",
        attempts=f"up to {_times(max_attempts)}",
        why=f"Above the lease of {lease} it is delivered again, beside the first attempt. The first success "
        f"counts, the others are late. Above {longest} it goes to the TSQ.",
    )


def _times(attempts: int) -> str:
    return "1 attempt" if attempts == 1 else f"{attempts} attempts"


def _failures(number: int) -> str:
    return "1 failure" if number == 1 else f"{number} failures"


def _retries(delays_ms: list[int]) -> str:
    if not delays_ms:
        return "Only one attempt is allowed now."
    shown = ", ".join(duration(delay) for delay in delays_ms[:4])
    more = ", …" if len(delays_ms) > 4 else ""
    return f"Each retry waits: {shown}{more}. Then an operator decides."
