"""What would become of a command of each behavior if it were sent now, for the page that sends."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from django import forms
from django.core.exceptions import ValidationError

from commands.forms.sending import SendForm
from commands.reads.expected import circumstances_of
from commands.rules.behaviors import PARAMETERS, Behavior, BehaviorError, BehaviorType
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


def outlooks(form: SendForm, config: Configuration) -> list[Outlook]:
    """An outlook on each behavior, with the numbers that stand in the form and the settings as they are."""
    return [outlook(kind, form, form, config) for kind in BehaviorType]


def outlook(kind: BehaviorType, own: forms.Form, common: forms.Form, config: Configuration) -> Outlook:
    """An outlook on one behavior: ``own`` is the form with its fields, ``common`` the one with ``max_attempts``."""
    try:
        most = typed_number("max_attempts", common)
        circumstances = circumstances_of(_behavior(kind, own), most, config)
    except ValidationError as exc:
        return _unknown(kind, exc.messages[0])
    except BehaviorError as exc:
        return _unknown(kind, exc.message)
    said = sentence(circumstances)
    expected = expectation(circumstances)
    return Outlook(
        type=kind,
        does=DOES[kind],
        statuses=_ordered(expected.statuses),
        attempts=attempts_text(expected.attempts),
        sentence=f"{said[0].upper()}{said[1:]}.",
    )


def statuses_of(behavior: Behavior, max_attempts: int, config: Configuration) -> list[Status]:
    """Where a command with this behavior may end, with the settings as they are."""
    return _ordered(expectation(circumstances_of(behavior, max_attempts, config)).statuses)


def typed_number(name: str, form: forms.Form) -> Any:
    """What stands in a field of numbers; None where it is empty. Raises ValidationError."""
    return form.fields[name].clean(form[name].value())


def _behavior(kind: BehaviorType, form: forms.Form) -> Behavior:
    """The behavior with the numbers typed for it. Raises BehaviorError, ValidationError."""
    names = {"execution_time_ms", "transient_failures"} & set(PARAMETERS[kind])
    numbers = {name: typed_number(name, form) for name in names}
    return Behavior.from_json({"type": kind} | {name: number for name, number in numbers.items() if number is not None})


def _ordered(statuses: Collection[Status]) -> list[Status]:
    return [status for status in Status if status in statuses]


def _unknown(kind: BehaviorType, why: str) -> Outlook:
    return Outlook(type=kind, does=DOES[kind], statuses=[], attempts="", sentence=f"Not known: {why}")
