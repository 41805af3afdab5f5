"""What must become of a command: the one answer for the page that sends, load tests and proofs. Pure.

    Circumstances ─► courses ─► expectation, or a sentence (sentence.py)

It is docs/promises.md in figures, and holds where no worker dies and no operator acts.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
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

    @property
    def word(self) -> str | None:
        """The story where only one is possible, late events left out."""
        return self.pattern if self.pattern.isalpha() else None

    def allows(self, word: str) -> bool:
        """Whether this may be its story; late events in it are passed over."""
        return re.fullmatch(self.pattern, word.translate(_LATE_LETTERS)) is not None


@lru_cache(maxsize=4096)
def expectation(circumstances: Circumstances) -> Expectation:
    """What must become of a command: all the ways that it can go, as one set."""
    found = courses(circumstances)
    statuses = frozenset(course.status for course in found)
    attempts = Bounds.of(course.attempts for course in found)
    if len({course.overlapping for course in found}) == 1:
        pattern = "|".join(sorted({course.word for course in found}))
        ends = Bounds.of(course.ends_ms for course in found)
    else:
        pattern = _mixed_pattern(circumstances, statuses, attempts.most)
        ends = Bounds.of((*_mixed_ends(circumstances, statuses), *(course.ends_ms for course in found)))
    answered = [status for status in statuses if circumstances.reply and status in REPLIES]
    return Expectation(
        statuses=statuses,
        attempts=attempts,
        retries=Bounds.of(course.retries for course in found),
        pattern=pattern,
        late_completed=Bounds.of(course.late_completed for course in found),
        late_failed=Bounds.of(course.late_failed for course in found),
        replies=Bounds(least=int(len(answered) == len(statuses)), most=int(bool(answered))),
        reply=REPLIES[answered[0]] if answered else None,
        ends_ms=Bounds(least=ends.least, most=ends.most + attempts.most * SLACK_MS),
    )


# Where the next attempt may begin before an attempt ends, or not, it may do so after some attempts and not after
# others. So these ways are more than the courses.


def _mixed_pattern(circumstances: Circumstances, statuses: frozenset[Status], most: int) -> str:
    """Attempts that fail and are followed by another, then those of which the first success or the end counts."""
    failures = circumstances.retries
    ends = [_repeated(RECEIVED, 1, most - failures) + FINAL_LETTERS[status] for status in REPLIES if status in statuses]
    if Status.IN_TROUBLESHOOTING_QUEUE in statuses:
        left = circumstances.max_attempts - failures
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
