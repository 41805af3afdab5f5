"""What had to become of a command, beside what became of it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import lru_cache
from typing import Any

from commands.rules.agreement import MOST_ATTEMPTS, Agreement, Outcome, Settings, Verdict, agreement
from commands.rules.bars import Lease
from commands.rules.behaviors import Behavior, BehaviorError, BehaviorType
from commands.rules.courses import Circumstances
from commands.rules.expectation import Bounds, Expectation, expectation
from commands.rules.formatting import Style
from commands.rules.sentence import attempts_text, sentence
from commands.rules.words import Status
from settings_app.models import Configuration

STYLES: dict[Verdict, Style] = {
    Verdict.MATCH: Style("check", "cyan"),
    Verdict.ALLOWED: Style("check", "blue"),
    Verdict.KNOWN: Style("info", "amber"),
    Verdict.MISMATCH: Style("alert", "rose"),
    Verdict.STUCK: Style("clock", "amber"),
    Verdict.NOT_YET: Style("clock", "blue"),
    Verdict.UNKNOWN: Style("info", "slate"),
}


@dataclass(frozen=True, kw_only=True)
class Expected:
    """What had to happen, with the settings of now, and whether it did.

    ``statuses``, ``attempts`` and ``sentence`` are empty where nobody can say, and ``bounds`` of the attempts None.
    """

    agreement: Agreement
    statuses: list[Status]
    bounds: Bounds | None = None
    attempts: str = ""
    sentence: str = ""

    @property
    def label(self) -> str:
        return self.agreement.verdict.label

    @property
    def style(self) -> Style:
        return STYLES[self.agreement.verdict]


@dataclass(frozen=True, kw_only=True)
class Foreseen:
    """What has to become of a command that is sent now."""

    statuses: Sequence[Status]
    bounds: Bounds
    sentence: str


@lru_cache(maxsize=1024)
def foreseen(of: Circumstances) -> Foreseen:
    """In the words of the pages; remembered, since many send the same."""
    found = expectation(of)
    return Foreseen(statuses=_ordered(found), bounds=found.attempts, sentence=_said(of))


class UnknownError(ValueError):
    """Nobody can say what had to become of a command; the text says why."""


def circumstances_of(
    behavior: Behavior, max_attempts: int | None, config: Configuration, *, reply: bool = True
) -> Circumstances:
    """What decides about a command, with the settings as they are; ``max_attempts`` None: as they say."""
    return Circumstances(
        behavior=behavior,
        max_attempts=config.max_attempts if max_attempts is None else max_attempts,
        lease_s=config.visibility_timeout,
        base_delay_ms=config.base_delay_ms,
        max_delay_ms=config.max_delay_ms,
        backoff_multiplier=float(config.backoff_multiplier),
        heartbeat=config.heartbeat,
        reply=reply,
    )


def circumstances(command: dict[str, Any], config: Configuration) -> Circumstances:
    """Those of a row of `queries.command`, with the settings of now. Raises UnknownError."""
    if command["behavior_text"] is None:
        raise UnknownError("Nothing says what it has to do: it has no test_command row.")
    if not 1 <= command["max_attempts"] <= MOST_ATTEMPTS:
        allowed = f"the settings allow 1 to {MOST_ATTEMPTS}"
        raise UnknownError(f"It may have {command['max_attempts']:,} attempts, and {allowed}.")
    try:
        behavior = Behavior.from_json(command["behavior"])
    except BehaviorError as exc:
        raise UnknownError(f"Its behavior is none that the site knows: {exc.message}") from exc
    return circumstances_of(behavior, command["max_attempts"], config, reply=bool(command["reply_queue"]))


def expected(command: dict[str, Any], outcome: Outcome, config: Configuration) -> Expected:
    """What had to become of the command of a row of `queries.command`."""
    try:
        of = circumstances(command, config)
    except UnknownError as exc:
        return Expected(agreement=Agreement(verdict=Verdict.UNKNOWN, reason=str(exc)), statuses=[])
    judged = agreement(of, outcome, _settings(outcome, config))
    if judged.verdict is Verdict.ALLOWED:
        of = replace(of, kills=len(outcome.lost))
    found = expectation(of)
    return Expected(
        agreement=judged,
        statuses=_ordered(found),
        bounds=found.attempts,
        attempts=attempts_text(found.attempts),
        sentence=_said(of),
    )


def lease(command: dict[str, Any], outcome: Outcome, config: Configuration) -> Lease:
    """How long its leases were: known where the settings are those that it began with, and nothing extends them."""
    settings = _settings(outcome, config)
    begun = min((attempt.started for attempt in outcome.attempts), default=outcome.now)
    kind = command["behavior"].get("type") if isinstance(command["behavior"], dict) else None
    if settings.own or settings.changed > begun or (config.heartbeat and kind != BehaviorType.TIMEOUT):
        return Lease(length=None)
    return Lease(length=timedelta(seconds=config.visibility_timeout))


def _settings(outcome: Outcome, config: Configuration) -> Settings:
    own = any(attempt.worker and attempt.worker.own for attempt in outcome.attempts)
    return Settings(changed=config.updated_at, by=config.updated_by, own=own)


def _ordered(found: Expectation) -> list[Status]:
    return [status for status in Status if status in found.statuses]


def _said(of: Circumstances) -> str:
    said = sentence(of)
    return f"{said[0].upper()}{said[1:]}."
