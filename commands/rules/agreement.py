"""Whether what became of a command is what had to become of it. Pure.

    Expectation, story ─► agreement: it agrees, not yet, it does not, or the expectation does not cover it

An expectation holds where no operator acts and no worker dies, and it is made of the settings of now. Where one of
these is not so, nothing is judged, and the reason says which.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from commands.rules.courses import Circumstances, courses
from commands.rules.ends import first_end
from commands.rules.expectation import Bounds, Expectation, expectation
from commands.rules.formatting import duration
from commands.rules.sentence import attempts_text
from commands.rules.timeline import Attempt, Event
from commands.rules.words import LATE, LETTERS, OPERATOR_EVENTS, EventType, Status, Word
from settings_app.values import SETTINGS

SHORTEST_LEASE_S = int(SETTINGS["visibility_timeout"].minimum)
MOST_ATTEMPTS = int(SETTINGS["max_attempts"].maximum)  # more would take long to compute, and no setting allows them
_DID = {
    EventType.OPERATOR_RETRY: "retried it",
    EventType.OPERATOR_CANCEL: "canceled it",
    EventType.OPERATOR_COMPLETE: "completed it by hand",
}


class Verdict(Word):
    """What the comparison comes to."""

    AGREES = "agrees", "Agrees"
    NOT_YET = "not_yet", "Not yet"
    DISAGREES = "disagrees", "Does not agree"
    NOT_COVERED = "not_covered", "Not covered"


@dataclass(frozen=True, kw_only=True)
class Agreement:
    """The ``verdict`` and, in a sentence or two, its ``reason``."""

    verdict: Verdict
    reason: str


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Who changed the settings of the workers last, and when. ``own``: a worker of the story ran with others."""

    changed: datetime
    by: str
    own: bool = False


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What became of a command so far. ``events`` and ``attempts`` are oldest first; ``replies`` are their outcomes.

    ``awaited``: an attempt may still end, too late to count.
    """

    status: Status
    events: Sequence[Event]
    attempts: Sequence[Attempt]
    now: datetime
    replies: Sequence[str] = ()
    awaited: bool = False

    def count(self, event_type: EventType) -> int:
        return sum(event.event_type == event_type for event in self.events)

    @property
    def sent(self) -> Event | None:
        return next((event for event in self.events if event.event_type == EventType.SENT), None)

    @property
    def word(self) -> str:
        """Its story in `LETTERS`, late events left out."""
        known = [EventType(event.event_type) for event in self.events if event.event_type in LETTERS]
        return "".join(LETTERS[event] for event in known if event not in LATE)

    def since_begun_ms(self, moment: datetime) -> float | None:
        """How long after its first attempt began."""
        begun = next((event.ts for event in self.events if event.event_type == EventType.RECEIVED), None)
        return None if begun is None else (moment - begun) / timedelta(milliseconds=1)


def agreement(circumstances: Circumstances, outcome: Outcome, settings: Settings) -> Agreement:
    """Compare what became of a command with what had to, by its circumstances and the settings of now."""
    if why := _not_covered(circumstances, outcome, settings):
        return Agreement(verdict=Verdict.NOT_COVERED, reason=why)
    expected = expectation(circumstances)
    timed = not _changed(outcome, settings) and not settings.own
    if broken := next(_broken(expected, outcome, timed=timed), ""):
        return Agreement(verdict=Verdict.DISAGREES, reason=broken)
    if not outcome.status.is_final:
        return Agreement(verdict=Verdict.NOT_YET, reason=_on_its_way(expected, outcome, timed=timed))
    if outcome.awaited:
        return Agreement(verdict=Verdict.NOT_YET, reason="It ended as it had to. An attempt may still end, too late.")
    return Agreement(verdict=Verdict.AGREES, reason="It ended as it had to.")


# -- what no expectation covers --------------------------------------------------------------------------------------


def _not_covered(circumstances: Circumstances, outcome: Outcome, settings: Settings) -> str:
    """Why nothing can be judged; empty where it can."""
    acted = next((event for event in outcome.events if event.event_type in OPERATOR_EVENTS), None)
    if acted:
        who = str(acted.details.get("operator") or "An operator")
        return f"{who} {_DID[EventType(acted.event_type)]}: what an operator does is not to be foreseen."
    if outcome.sent is None:
        return "The beginning of its story is not known."
    return _lost(outcome) or (_otherwise_set(outcome, settings) if _settings_matter(circumstances) else "")


def _otherwise_set(outcome: Outcome, settings: Settings) -> str:
    """Whether it ran with other settings than those of now, in words."""
    if settings.own:
        return "A worker ran with settings of its own, given on its command line."
    if _changed(outcome, settings):
        who = f" by {settings.by}" if settings.by else ""
        return f"The settings were changed{who} since it was sent: those that it ran with are not known any more."
    return ""


def _lost(outcome: Outcome) -> str:
    """An attempt that ended with its worker, or of whose end nothing is known."""
    for attempt in outcome.attempts:
        if attempt.lost or (attempt.end is None and attempt.silent and not outcome.status.is_final):
            return f"The worker of attempt {attempt.number} died, or gives no sign of life."
        if attempt.end is None and outcome.status.is_final and not attempt.awaited:
            return f"No end of attempt {attempt.number} is known."
    return ""


def _settings_matter(circumstances: Circumstances) -> bool:
    """Whether some lease would lead to another story: work that ends well within the shortest is done in one go."""
    shortest = replace(circumstances, lease_s=SHORTEST_LEASE_S, heartbeat=False, slots=None)
    return any(course.overlapping for course in courses(shortest))


def _changed(outcome: Outcome, settings: Settings) -> bool:
    return outcome.sent is not None and settings.changed > outcome.sent.ts


# -- what had to be otherwise ----------------------------------------------------------------------------------------


def _broken(expected: Expectation, outcome: Outcome, *, timed: bool) -> Iterator[str]:
    """Every way in which it is not what had to be."""
    attempts, retries = outcome.count(EventType.RECEIVED), outcome.count(EventType.FAILED)
    if not outcome.status.is_final:
        if attempts > expected.attempts.most:
            yield f"It began {_attempts(attempts)} and had to come to {attempts_text(expected.attempts)}."
        if retries > expected.retries.most:
            yield f"{retries} of its attempts failed for a moment, and at most {expected.retries.most} had to."
        return
    if outcome.status not in expected.statuses:
        allowed = " or ".join(status.label for status in Status if status in expected.statuses)
        yield f"It is {outcome.status.label} and had to be {allowed}."
    if attempts not in expected.attempts:
        yield f"It took {_attempts(attempts)} and had to take {attempts_text(expected.attempts)}."
    if not expected.allows(outcome.word):
        had_to = f" It had to be: {_told(expected.word)}." if expected.word else ""
        yield f"Its story is not one that its behavior leads to: {_told(outcome.word)}.{had_to}"
    if not outcome.awaited:
        yield from _late(expected, outcome)
    yield from _replied(expected, outcome)
    end = first_end(outcome.events)
    took = None if end is None else outcome.since_begun_ms(end.ts)
    if timed and took is not None and took < expected.ends_ms.least:
        least = duration(expected.ends_ms.least)
        yield f"It ended {duration(took)} after it was begun, and had to take at least {least}."


def _late(expected: Expectation, outcome: Outcome) -> Iterator[str]:
    for event, bounds in zip(LATE, (expected.late_completed, expected.late_failed), strict=True):
        if (found := outcome.count(event)) not in bounds:
            yield f"{_ends(found)} came too late, and there had to be {_range(bounds)} ({event.label.lower()})."


def _replied(expected: Expectation, outcome: Outcome) -> Iterator[str]:
    """Fewer than were due tell nothing: a sender may have taken them."""
    if len(outcome.replies) > expected.replies.most:
        yield f"There are {len(outcome.replies)} replies, and there had to be {_range(expected.replies)}."
    for reply in outcome.replies:
        if expected.reply and reply != expected.reply:
            yield f"Its reply says {reply} and had to say {expected.reply}."


def _on_its_way(expected: Expectation, outcome: Outcome, *, timed: bool) -> str:
    elapsed = outcome.since_begun_ms(outcome.now)
    if elapsed is None:
        return "It waits for its first attempt."
    if timed and elapsed > expected.ends_ms.most:
        most = duration(expected.ends_ms.most)
        return f"It is on its way, for longer than the {most} that it takes where a slot is always free."
    return "It is on its way."


def _attempts(number: int) -> str:
    return attempts_text(Bounds(least=number, most=number))


def _ends(number: int) -> str:
    return "1 end" if number == 1 else f"{number} ends"


def _range(bounds: Bounds) -> str:
    return f"{bounds.least}" if bounds.least == bounds.most else f"{bounds.least} to {bounds.most}"


def _told(word: str) -> str:
    """ "Sent, Received, Completed"."""
    labels = {letter: event.label for event, letter in LETTERS.items()}
    return ", ".join(labels[letter] for letter in word)
