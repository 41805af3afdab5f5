"""What must become of a command: the one answer for the page that sends, load tests and proofs. Pure.

    Circumstances ─► courses ─► expectation, or a sentence (sentence.py)

It is docs/promises.md in figures, and holds where no operator acts. Attempts that came to no end (``kills``) widen it:
each may have taken the place of one that failed, or made one more necessary.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import lru_cache

from commands.rules.courses import FAILED, FINAL_LETTERS, RECEIVED, SENT, Circumstances, courses
from commands.rules.words import LATE, LETTERS, ReplyOutcome, Status

SLACK_MS = 550  # for each attempt: until a worker with a free slot has begun it, and until its end is written
REPLIES = {Status.COMPLETED: ReplyOutcome.SUCCESS, Status.FAILED: ReplyOutcome.FAILED}
_LATE_LETTERS = {ord(LETTERS[event]): None for event in LATE}


@dataclass(frozen=True, kw_only=True)
class Bounds:
    """The least and the most that a number may be."""

    least: int
    most: int

    @classmethod
    def of(cls, numbers: Iterable[int]) -> "Bounds":
        found = tuple(numbers)
        return cls(least=min(found), most=max(found))

    def __contains__(self, number: float) -> bool:
        return self.least <= number <= self.most


@dataclass(frozen=True, kw_only=True)
class Expectation:
    """What a command may come to.

    ``retries``: events FAILED. ``pattern``: a regular expression for its whole story in `LETTERS`, late events left
    out. ``replies``: how many, of outcome ``reply``. ``ends_ms``: the earliest and the latest time of its final event,
    counted from the beginning of its first attempt; the latest holds where a slot is free when an attempt may begin.
    ``most_open``: so many attempts, the one that decided not counted, may have no event FAILED; None: ``pattern`` says.
    """

    statuses: frozenset[Status]
    attempts: Bounds
    retries: Bounds
    pattern: str
    late_completed: Bounds
    late_failed: Bounds
    replies: Bounds
    reply: ReplyOutcome | None
    ends_ms: Bounds
    most_open: int | None = None

    @property
    def word(self) -> str | None:
        """The story where only one is possible, late events left out."""
        return self.pattern if self.pattern.isalpha() else None

    def allows(self, word: str) -> bool:
        """Whether this may be its story; late events in it are passed over."""
        word = word.translate(_LATE_LETTERS)
        if self.most_open is not None and word.count(RECEIVED) - word.count(FAILED) - 1 > self.most_open:
            return False
        return re.fullmatch(self.pattern, word) is not None


@lru_cache(maxsize=4096)
def expectation(circumstances: Circumstances) -> Expectation:
    """What must become of a command: all the ways that it can go, as one set."""
    return _with_kills(circumstances) if circumstances.kills else _without_kills(circumstances)


def _without_kills(circumstances: Circumstances) -> Expectation:
    found = courses(circumstances)
    statuses = frozenset(course.status for course in found)
    attempts = Bounds.of(course.attempts for course in found)
    if len({course.overlapping for course in found}) == 1:
        pattern = "|".join(sorted({course.word for course in found}))
        ends = Bounds.of(course.ends_ms for course in found)
    else:
        pattern = _mixed_pattern(circumstances, statuses, attempts.most)
        ends = Bounds.of((*_mixed_ends(circumstances, statuses), *(course.ends_ms for course in found)))
    replies, reply = answers(circumstances, statuses)
    return Expectation(
        statuses=statuses,
        attempts=attempts,
        retries=Bounds.of(course.retries for course in found),
        pattern=pattern,
        late_completed=Bounds.of(course.late_completed for course in found),
        late_failed=Bounds.of(course.late_failed for course in found),
        replies=replies,
        reply=reply,
        ends_ms=Bounds(least=ends.least, most=ends.most + attempts.most * SLACK_MS),
    )


def answers(circumstances: Circumstances, statuses: frozenset[Status]) -> tuple[Bounds, ReplyOutcome | None]:
    """How many replies there are, and what they say, where it ends in one of these."""
    answered = [status for status in REPLIES if circumstances.reply and status in statuses]
    least = int(len(answered) == len(statuses))
    return Bounds(least=least, most=int(bool(answered))), REPLIES[answered[0]] if answered else None


# A command whose attempt was killed comes again when the lease has run out. The attempt may have been one that would
# have failed, or the one that would have decided. A killed worker's slots are away: how many are free, nobody knows.


def _with_kills(circumstances: Circumstances) -> Expectation:
    kills, most = circumstances.kills, circumstances.max_attempts
    calm = _without_kills(replace(circumstances, kills=0, slots=None))
    attempts = Bounds(least=calm.attempts.least, most=min(calm.attempts.most + kills, most))
    parked = {Status.IN_TROUBLESHOOTING_QUEUE} if calm.attempts.most + kills > most else set()
    statuses = calm.statuses | parked
    replies, reply = answers(circumstances, statuses)
    failing = attempts.most if circumstances.first_success is None else circumstances.first_success - 1
    most_late = attempts.most - failing - (statuses == {Status.COMPLETED})
    overlaps = any(course.overlapping for course in courses(replace(circumstances, kills=0, slots=None)))
    return Expectation(
        statuses=statuses,
        attempts=attempts,
        retries=_widened(calm.retries, kills, more=0),
        pattern=_mixed_pattern(circumstances, statuses, attempts.most),
        late_completed=_late_with_kills(calm.late_completed, kills, most_late),
        late_failed=_late_with_kills(calm.late_failed, kills, failing),
        replies=replies,
        reply=reply,
        ends_ms=Bounds(
            least=min(calm.ends_ms.least, _earliest_with_kills(circumstances)),
            most=calm.ends_ms.most + kills * _longest_lost_ms(circumstances),
        ),
        most_open=None if overlaps else kills,
    )


def loosened(expected: Expectation, kills: int, max_attempts: int) -> Expectation:
    """The same where so many attempts came to no end, of a command of which only its expectation is known."""
    if not kills:
        return expected
    attempts = _widened(expected.attempts, 0, more=kills)
    parked = {Status.IN_TROUBLESHOOTING_QUEUE} if attempts.most > max_attempts else set()
    statuses = expected.statuses | parked
    ends = "".join(sorted(FINAL_LETTERS[status] for status in statuses if status in FINAL_LETTERS))
    return replace(
        expected,
        statuses=statuses,
        attempts=Bounds(least=attempts.least, most=max(expected.attempts.most, min(attempts.most, max_attempts))),
        retries=_widened(expected.retries, kills, more=0),
        pattern=f"{expected.pattern}|{SENT}[{RECEIVED}{FAILED}]*{RECEIVED}[{ends}]",
        late_completed=_widened(expected.late_completed, kills, more=kills),
        late_failed=_widened(expected.late_failed, kills, more=kills),
        replies=Bounds(least=0 if parked else expected.replies.least, most=expected.replies.most),
        ends_ms=Bounds(least=0, most=expected.ends_ms.most),
    )


def _widened(bounds: Bounds, less: int, *, more: int) -> Bounds:
    return Bounds(least=max(0, bounds.least - less), most=bounds.most + more)


def _late_with_kills(bounds: Bounds, kills: int, most: int) -> Bounds:
    """An attempt whose process only stood still ends late."""
    return Bounds(least=max(0, bounds.least - kills), most=max(bounds.most, min(bounds.most + kills, most)))


def _earliest_with_kills(circumstances: Circumstances) -> int:
    """The longest waits are those after attempts that were killed, and then no longer than a lease."""
    work, lease = circumstances.work_ms, circumstances.lease_ms
    gaps = sorted((work + wait for wait in circumstances.waits_ms()), reverse=True)
    killed, others = gaps[: circumstances.kills], gaps[circumstances.kills :]
    return sum(min(gap, lease) for gap in killed) + sum(others) + min(work, lease)


def _longest_lost_ms(circumstances: Circumstances) -> int:
    """How much later one lost attempt makes the end: its lease, which a heartbeat may have extended to its last moment,
    or the slot that it held."""
    work, lease = circumstances.work_ms, circumstances.lease_ms
    return (work + lease if circumstances.keeps_its_lease else max(work, lease)) + SLACK_MS


def _mixed_pattern(circumstances: Circumstances, statuses: frozenset[Status], most: int) -> str:
    """Attempts that fail and are followed by another, then those of which the first success or the end counts."""
    failures = circumstances.retries
    ends = [_repeated(RECEIVED, 1, most - failures) + FINAL_LETTERS[status] for status in REPLIES if status in statuses]
    if Status.IN_TROUBLESHOOTING_QUEUE in statuses:
        left = most - failures
        fewest = 1 if circumstances.own_end is Status.IN_TROUBLESHOOTING_QUEUE else left  # its own end may park it, too
        ends.append(_repeated(RECEIVED, fewest, left) + FINAL_LETTERS[Status.IN_TROUBLESHOOTING_QUEUE])
    end = ends[0] if len(ends) == 1 else f"({'|'.join(ends)})"
    return SENT + _repeated(f"({RECEIVED}{FAILED}?)", failures, failures) + end


def _mixed_ends(circumstances: Circumstances, statuses: frozenset[Status]) -> tuple[int, int]:
    """The next attempt begins a lease after an attempt, or a backoff after its end; the last ends or is parked."""
    work, lease = circumstances.work_ms, circumstances.lease_ms
    gaps = [(lease, work + wait) for wait in circumstances.waits_ms()]
    lasts = []
    if Status.COMPLETED in statuses or circumstances.first_success is None:
        lasts.append(work)
    if Status.IN_TROUBLESHOOTING_QUEUE in statuses:
        lasts.append((circumstances.max_attempts - circumstances.retries) * lease)
    return sum(map(min, gaps)) + min(lasts), sum(map(max, gaps)) + max(lasts)


def _repeated(part: str, least: int, most: int) -> str:
    """A regular expression for so many of them."""
    if least < most:
        return f"{part}{{{least},{most}}}"
    return part * least if len(part) == 1 or least < 2 else f"{part}{{{least}}}"
