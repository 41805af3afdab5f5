"""Whether what became of a command is what had to become of it. Pure.

    Expectation, story ─► agreement: the verdict on the command, and why

An expectation is made of the settings of now, and holds where no operator acts. An attempt whose worker died widens it.
Where nobody can say what had to happen, the verdict is UNKNOWN, and the reason says why.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from commands.rules.courses import Circumstances, courses
from commands.rules.deviations import TITLES, Seen, known_deviation
from commands.rules.differences import Came, differences
from commands.rules.ends import first_end
from commands.rules.expectation import expectation
from commands.rules.formatting import duration
from commands.rules.timeline import Attempt, Event
from commands.rules.words import LETTERS, OPERATOR_EVENTS, EventType, Status, Word
from settings_app.values import SETTINGS

SHORTEST_LEASE_S = int(SETTINGS["visibility_timeout"].minimum)
MOST_ATTEMPTS = int(SETTINGS["max_attempts"].maximum)  # more would take long to compute, and no setting allows them
_DID = {
    EventType.OPERATOR_RETRY: "retried it",
    EventType.OPERATOR_CANCEL: "canceled it",
    EventType.OPERATOR_COMPLETE: "completed it by hand",
}


class Verdict(Word):
    """What the comparison comes to; the words are those of the bench."""

    MATCH = "MATCH", "Match"  # as it had to be
    ALLOWED = "ALLOWED", "Allowed"  # only because a worker died
    KNOWN = "KNOWN", "Known deviation"  # of engine library
    MISMATCH = "MISMATCH", "Mismatch"
    STUCK = "STUCK", "Stuck"  # on its way for longer than it takes
    NOT_YET = "NOT_YET", "Not yet"
    UNKNOWN = "UNKNOWN", "Unknown"  # nobody can say what had to become of it


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

    @property
    def sent(self) -> Event | None:
        return next((event for event in self.events if event.event_type == EventType.SENT), None)

    @property
    def word(self) -> str:
        """Its story in `LETTERS`."""
        known = [EventType(event.event_type) for event in self.events if event.event_type in LETTERS]
        return "".join(LETTERS[event] for event in known)

    @property
    def lost(self) -> list[Attempt]:
        """Attempts that came to no end and of whose worker nothing is heard any more."""
        return [attempt for attempt in self.attempts if attempt.lost or (attempt.end is None and attempt.silent)]

    def since_begun_ms(self, moment: datetime) -> float | None:
        """How long after its first attempt began."""
        begun = next((event.ts for event in self.events if event.event_type == EventType.RECEIVED), None)
        return None if begun is None else (moment - begun) / timedelta(milliseconds=1)


def agreement(circumstances: Circumstances, outcome: Outcome, settings: Settings) -> Agreement:
    """Compare what became of a command with what had to, by its circumstances and the settings of now."""
    if why := _not_covered(circumstances, outcome, settings):
        return Agreement(verdict=Verdict.UNKNOWN, reason=why)
    timed = not _changed(outcome, settings) and not settings.own
    came = _came(outcome, timed=timed)
    if broken := next(differences(expectation(circumstances), came, late=not outcome.awaited), ""):
        return _otherwise(circumstances, outcome, came, broken, timed=timed)
    if not outcome.status.is_final:
        return _on_its_way(circumstances, outcome, timed=timed)
    if outcome.awaited:
        return Agreement(verdict=Verdict.NOT_YET, reason="It ended as it had to. An attempt may still end, too late.")
    return Agreement(verdict=Verdict.MATCH, reason="It ended as it had to.")


def _came(outcome: Outcome, *, timed: bool) -> Came:
    end = first_end(outcome.events)
    took_ms = outcome.since_begun_ms(end.ts) if end and timed else None
    return Came(status=outcome.status, word=outcome.word, replies=outcome.replies, took_ms=took_ms)


def _otherwise(circumstances: Circumstances, outcome: Outcome, came: Came, broken: str, *, timed: bool) -> Agreement:
    """It is not what had to be where no attempt is lost: what may be the reason, and which is none."""
    if lost := outcome.lost:
        wider = expectation(replace(circumstances, kills=len(lost)))
        if not any(differences(wider, came, late=not outcome.awaited)):
            if outcome.status.is_final:
                return Agreement(verdict=Verdict.ALLOWED, reason=f"{_died(lost)} With that, it ended as it may.")
            return _on_its_way(circumstances, outcome, timed=timed)
    if deviation := _deviation(circumstances, outcome, came):
        reason = f"{broken} Engine library is known for that, {deviation}: {TITLES[deviation]}."
        return Agreement(verdict=Verdict.KNOWN, reason=reason)
    return Agreement(verdict=Verdict.MISMATCH, reason=broken)


def _deviation(circumstances: Circumstances, outcome: Outcome, came: Came) -> str | None:
    """What engine library is known to do otherwise; its events name no worker."""
    if any(attempt.worker_id for attempt in outcome.attempts):
        return None
    return known_deviation(
        Seen(
            word=came.word,
            status=came.status,
            attempts=came.count(EventType.RECEIVED),
            max_attempts=circumstances.max_attempts,
            expected=expectation(circumstances).pattern,
            executions=came.count(EventType.RECEIVED),
            replies=len(came.replies),
            behavior=circumstances.behavior.type,
        )
    )


def _died(lost: Sequence[Attempt]) -> str:
    if len(lost) > 1:
        return f"The workers of {len(lost)} attempts died, or give no sign of life."
    return f"The worker of attempt {lost[0].number} died, or gives no sign of life."


def _on_its_way(circumstances: Circumstances, outcome: Outcome, *, timed: bool) -> Agreement:
    elapsed = outcome.since_begun_ms(outcome.now)
    if elapsed is None:
        return Agreement(verdict=Verdict.NOT_YET, reason="It waits for its first attempt.")
    lost = outcome.lost
    latest = expectation(replace(circumstances, kills=len(lost))).ends_ms.most
    died = f"{_died(lost)} " if lost else ""
    if timed and elapsed > latest:
        reason = f"It is on its way, for longer than the {duration(latest)} that it takes where a slot is always free."
        return Agreement(verdict=Verdict.STUCK, reason=f"{died}{reason}")
    return Agreement(verdict=Verdict.NOT_YET, reason=f"{died}It is on its way.")


# -- what no expectation covers --------------------------------------------------------------------------------------


def _not_covered(circumstances: Circumstances, outcome: Outcome, settings: Settings) -> str:
    """Why nothing can be judged; empty where it can."""
    acted = next((event for event in outcome.events if event.event_type in OPERATOR_EVENTS), None)
    if acted:
        who = str(acted.details.get("operator") or "An operator")
        return f"{who} {_DID[EventType(acted.event_type)]}: what an operator does is not to be foreseen."
    if outcome.sent is None:
        return "The beginning of its story is not known."
    return _endless(outcome) or (_otherwise_set(outcome, settings) if _settings_matter(circumstances) else "")


def _otherwise_set(outcome: Outcome, settings: Settings) -> str:
    """Whether it ran with other settings than those of now, in words."""
    if settings.own:
        return "A worker ran with settings of its own, given on its command line."
    if _changed(outcome, settings):
        who = f" by {settings.by}" if settings.by else ""
        return f"The settings were changed{who} since it was sent: those that it ran with are not known any more."
    return ""


def _endless(outcome: Outcome) -> str:
    """An attempt of whose end nothing is known, though its worker lives, or nobody knows which it was."""
    lost = {attempt.number for attempt in outcome.lost}
    for attempt in outcome.attempts if outcome.status.is_final else ():
        if attempt.end is None and not attempt.awaited and attempt.number not in lost:
            return f"No end of attempt {attempt.number} is known."
    return ""


def _settings_matter(circumstances: Circumstances) -> bool:
    """Whether some lease would lead to another story: work that ends well within the shortest is done in one go."""
    shortest = replace(circumstances, lease_s=SHORTEST_LEASE_S, heartbeat=False, slots=None)
    return any(course.overlapping for course in courses(shortest))


def _changed(outcome: Outcome, settings: Settings) -> bool:
    return outcome.sent is not None and settings.changed > outcome.sent.ts
