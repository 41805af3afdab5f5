"""What would become of a command of each behavior if it were sent now, for the page that sends."""

from collections.abc import Mapping
from dataclasses import dataclass

from django.core.exceptions import ValidationError

from commands.pages.forms import SendForm
from commands.rules.behaviors import PARAMETERS, Behavior, BehaviorError, BehaviorType
from commands.rules.courses import Circumstances
from commands.rules.expectation import expectation
from commands.rules.sentence import attempts_text, sentence
from commands.rules.words import Status
from settings_app.models import Configuration

DOES: Mapping[BehaviorType, str] = {
    BehaviorType.SUCCESS: "Works for its execution time, then succeeds.",
    BehaviorType.FAIL_PERMANENT: "Fails in a way that no retry can mend.",
    BehaviorType.BUSINESS_RULE: "Fails by its own rule: final, with a reply that says so, and no operator is needed.",
    BehaviorType.FAIL_TRANSIENT: "Fails at every attempt in a way that a retry might mend.",
    BehaviorType.FAIL_TRANSIENT_THEN_SUCCEED: "Fails the given number of times, then succeeds.",
    BehaviorType.TIMEOUT: "Works for its execution time, which is meant to be longer than the lease, then succeeds.",
}


@dataclass(frozen=True, kw_only=True)
class Outlook:
    """One behavior: what it ``does``, the ``statuses`` and ``attempts`` it may lead to, and a ``sentence`` on how.

    Where a number may not be as it is typed, ``statuses`` and ``attempts`` are empty, and the sentence says why.
    """

    type: BehaviorType
    does: str
    statuses: list[Status]
    attempts: str
    sentence: str


def outlooks(form: SendForm) -> list[Outlook]:
    """An outlook on each behavior, with the numbers that stand in the form and the settings as they are."""
    config = Configuration.load()
    return [_outlook(kind, form, config) for kind in BehaviorType]


def _outlook(kind: BehaviorType, form: SendForm, config: Configuration) -> Outlook:
    try:
        most = _number("max_attempts", form)
        circumstances = Circumstances(
            behavior=_behavior(kind, form),
            max_attempts=config.max_attempts if most is None else most,
            lease_s=config.visibility_timeout,
            base_delay_ms=config.base_delay_ms,
            max_delay_ms=config.max_delay_ms,
            backoff_multiplier=float(config.backoff_multiplier),
            heartbeat=config.heartbeat,
        )
    except ValidationError as exc:
        return _unknown(kind, exc.messages[0])
    except BehaviorError as exc:
        return _unknown(kind, exc.message)
    expected, said = expectation(circumstances), sentence(circumstances)
    return Outlook(
        type=kind,
        does=DOES[kind],
        statuses=[status for status in Status if status in expected.statuses],
        attempts=attempts_text(expected.attempts),
        sentence=f"{said[0].upper()}{said[1:]}.",
    )


def _behavior(kind: BehaviorType, form: SendForm) -> Behavior:
    """The behavior with the numbers typed for it. Raises BehaviorError, ValidationError."""
    names = {"execution_time_ms", "transient_failures"} & set(PARAMETERS[kind])
    numbers = {name: _number(name, form) for name in names}
    return Behavior.from_json({"type": kind} | {name: number for name, number in numbers.items() if number is not None})


def _number(name: str, form: SendForm) -> int | None:
    """What stands in a field; None where it is empty. Raises ValidationError."""
    number: int | None = form.fields[name].clean(form[name].value())
    return number


def _unknown(kind: BehaviorType, why: str) -> Outlook:
    return Outlook(type=kind, does=DOES[kind], statuses=[], attempts="", sentence=f"Not known: {why}")
