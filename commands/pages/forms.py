"""What a person may type to send a test command."""

from typing import Any

from django import forms

from commands.fields import JSONFormField, validate_payload
from commands.rules.behaviors import (
    MAX_ERROR_CODE_LENGTH,
    MAX_ERROR_MESSAGE_LENGTH,
    MAX_EXECUTION_TIME_MS,
    MAX_TRANSIENT_FAILURES,
    PARAMETERS,
    Behavior,
    BehaviorError,
    BehaviorType,
)
from commands.rules.words import DOMAIN, reply_queue
from settings_app.values import SETTINGS

PARAMETER_NAMES = tuple(sorted({name for names in PARAMETERS.values() for name in names}))
DEFAULTS: dict[str, int] = {"execution_time_ms": 0, "transient_failures": 1}
ATTEMPTS = SETTINGS["max_attempts"]


def _applies_to(parameter: str) -> dict[str, str]:
    """Tells a script in the page which types take the field: it disables the others, so that they are not sent."""
    return {"data-applies-to": " ".join(kind for kind in BehaviorType if parameter in PARAMETERS[kind])}


class WholeNumberField(forms.IntegerField):
    """A whole number that may be left empty; ``name`` and ``range_text`` are in what is said of anything else.

    Bounds are kept where they are given, else by what takes the number.
    """

    def __init__(self, name: str, range_text: str, **kwargs: Any) -> None:
        problem = f"{name} must be a whole number from {range_text}."
        messages = dict.fromkeys(("invalid", "min_value", "max_value"), problem)
        super().__init__(required=False, error_messages=messages, **kwargs)


class SendForm(forms.Form):
    """One command. A valid form has ``cleaned_data["behavior"]``, a `Behavior`, beside ``max_attempts`` (None: as the
    settings say when it is sent), ``payload`` and ``reply``.

    A field that the chosen type does not take may be left as it is; filled in, it is an error: it would do nothing.
    """

    type = forms.ChoiceField(
        label="Behavior",
        choices=[(kind.value, kind.value) for kind in BehaviorType],
        error_messages={"invalid_choice": f"type must be one of {', '.join(BehaviorType)}."},
    )
    execution_time_ms = WholeNumberField(
        "execution_time_ms",
        f"0 to {MAX_EXECUTION_TIME_MS:,}",
        label="Execution time (ms)",
        initial=DEFAULTS["execution_time_ms"],
        help_text=f"How long each attempt works before it acts: 0 to {MAX_EXECUTION_TIME_MS:,} ms.",
        widget=forms.NumberInput(attrs={"min": 0, "max": MAX_EXECUTION_TIME_MS}),
    )
    transient_failures = WholeNumberField(
        "transient_failures",
        f"1 to {MAX_TRANSIENT_FAILURES}",
        label="Transient failures",
        initial=DEFAULTS["transient_failures"],
        help_text=f"How often it fails before it succeeds: 1 to {MAX_TRANSIENT_FAILURES}.",
        widget=forms.NumberInput(
            attrs={"min": 1, "max": MAX_TRANSIENT_FAILURES, **_applies_to("transient_failures")},
        ),
    )
    error_code = forms.CharField(
        label="Error code",
        required=False,
        help_text="The code that it fails with; PERMANENT, BUSINESS_RULE or TRANSIENT if left empty.",
        widget=forms.TextInput(attrs={"maxlength": MAX_ERROR_CODE_LENGTH, **_applies_to("error_code")}),
    )
    error_message = forms.CharField(
        label="Error message",
        required=False,
        help_text="The message that it fails with.",
        widget=forms.TextInput(attrs={"maxlength": MAX_ERROR_MESSAGE_LENGTH, **_applies_to("error_message")}),
    )
    max_attempts = WholeNumberField(
        "max_attempts",
        ATTEMPTS.range_text,
        label="Max attempts",
        min_value=int(ATTEMPTS.minimum),
        max_value=int(ATTEMPTS.maximum),
        help_text=f"How often it is delivered before it is parked: {ATTEMPTS.range_text}. As the settings say if left "
        "empty.",
    )
    payload = JSONFormField(
        label="Payload",
        required=False,
        initial=dict,
        help_text="A JSON object of at most 64 KiB. No behavior reads it; its numbers keep every digit.",
        widget=forms.Textarea(attrs={"rows": 4, "spellcheck": "false"}),
    )
    reply = forms.BooleanField(
        label=f"Send a reply to {reply_queue(DOMAIN)}",
        required=False,
        initial=True,
    )

    def clean_payload(self) -> dict[str, Any]:
        payload: dict[str, Any] = self.cleaned_data["payload"]
        validate_payload(payload)
        return payload

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        if self.errors.keys() - {"payload", "max_attempts"}:
            return cleaned
        kind = BehaviorType(cleaned["type"])
        filled = {
            name: cleaned[name]
            for name in ("execution_time_ms", "transient_failures", "error_code", "error_message")
            if cleaned[name] not in (None, "", DEFAULTS.get(name))
        }
        try:
            cleaned["behavior"] = Behavior.from_json({"type": kind, **filled})
        except BehaviorError as exc:
            self.add_error(exc.key, exc.message)
        return cleaned


def fields_of(behavior: Any) -> dict[str, Any]:
    """The fields of the form that would send this behavior again; a stored one may be anything."""
    known = behavior if isinstance(behavior, dict) else {}
    return {name: known[name] for name in ("type", *PARAMETER_NAMES) if name in known}
