"""In which ways a command came to something else than what had to become of it. Pure."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from commands.rules.expectation import REPLIES, Bounds, Expectation
from commands.rules.formatting import duration
from commands.rules.sentence import attempts_text
from commands.rules.words import LATE, LETTERS, EventType, Status

TOLERANCE_MS = 50  # of a measured time: a clock that is read twice, a sleep that ends a moment early


@dataclass(frozen=True, kw_only=True)
class Came:
    """What became of a command. ``word``: all its events in `LETTERS`; ``replies``: their outcomes.

    ``took_ms``: from the beginning of its first attempt to its final event; None: it is not compared.
    """

    status: Status
    word: str
    replies: Sequence[str] = ()
    took_ms: float | None = None

    def count(self, event: EventType) -> int:
        return self.word.count(LETTERS[event])

    @property
    def counted(self) -> str:
        """Its word without late events."""
        return "".join(letter for letter in self.word if letter not in {LETTERS[event] for event in LATE})


def differences(expected: Expectation, came: Came, *, late: bool = True, all_replies: bool = False) -> Iterator[str]:
    """Each in a sentence. Not ``late``: late ends may still come. ``all_replies``: no sender has taken any."""
    attempts, retries = came.count(EventType.RECEIVED), came.count(EventType.FAILED)
    if not came.status.is_final:
        if attempts > expected.attempts.most:
            yield f"It began {_attempts(attempts)} and had to come to {attempts_text(expected.attempts)}."
        if retries > expected.retries.most:
            yield f"{retries} of its attempts failed for a moment, and at most {expected.retries.most} had to."
        return
    if came.status not in expected.statuses:
        allowed = " or ".join(status.label for status in Status if status in expected.statuses)
        yield f"It is {came.status.label} and had to be {allowed}."
    if attempts not in expected.attempts:
        yield f"It took {_attempts(attempts)} and had to take {attempts_text(expected.attempts)}."
    if not expected.allows(came.word):
        had_to = f" It had to be: {told(expected.word)}." if expected.word else ""
        yield f"Its story is not one that its behavior leads to: {told(came.counted)}.{had_to}"
    elif retries not in expected.retries:
        yield f"{retries} of its attempts failed for a moment, and {_range(expected.retries)} had to."
    if late:
        yield from _late(expected, came)
    yield from _replied(expected, came, all_replies=all_replies)
    if came.took_ms is not None and came.took_ms + TOLERANCE_MS < expected.ends_ms.least:
        least = duration(expected.ends_ms.least)
        yield f"It ended {duration(came.took_ms)} after it was begun, and had to take at least {least}."


def told(word: str) -> str:
    """ "Sent, Received, Completed"."""
    labels = {letter: event.label for event, letter in LETTERS.items()}
    return ", ".join(labels[letter] for letter in word)


def _late(expected: Expectation, came: Came) -> Iterator[str]:
    for event, bounds in zip(LATE, (expected.late_completed, expected.late_failed), strict=True):
        if (found := came.count(event)) not in bounds:
            yield f"{_ends(found)} came too late, and there had to be {_range(bounds)} ({event.label.lower()})."


def _replied(expected: Expectation, came: Came, *, all_replies: bool) -> Iterator[str]:
    """Fewer than were due tell nothing where a sender may have taken them."""
    due = int(came.status in REPLIES and expected.replies.most > 0)
    number = len(came.replies)
    if number > due or (all_replies and number < due):
        there = {0: "is no reply", 1: "is 1 reply"}.get(number, f"are {number} replies")
        yield f"There {there}, and there had to be {due}."
    for reply in came.replies:
        if due and reply != REPLIES[came.status]:
            yield f"Its reply says {reply} and had to say {REPLIES[came.status]}."


def _attempts(number: int) -> str:
    return attempts_text(Bounds(least=number, most=number))


def _ends(number: int) -> str:
    return "1 end" if number == 1 else f"{number} ends"


def _range(bounds: Bounds) -> str:
    return f"{bounds.least}" if bounds.least == bounds.most else f"{bounds.least} to {bounds.most}"
