"""What a person may type to send a test command."""

from collections.abc import Mapping
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

FIELDS = ("execution_time_ms", "transient_failures", "error_code", "error_message")  # in the order of the form
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


class EachForm(forms.Form):
    """What one command and each of many have in common: ``max_attempts`` (None: as the settings say), ``payload`` and
    ``reply``."""

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

    def show_setting(self, max_attempts: int) -> None:
        """Say which number an empty field stands for."""
        field = self.fields["max_attempts"]
        field.widget.attrs["placeholder"] = f"{max_attempts}, as the settings say"
        field.help_text = (
            f"How often it is delivered before it is parked: {ATTEMPTS.range_text}. Left empty: {max_attempts}, as the "
            "settings say now."
        )


class SendForm(EachForm):
    """One command. A valid form has ``cleaned_data["behavior"]``, a `Behavior`, beside those of `EachForm` and
    ``correlation_id`` (None: a new one).

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
    correlation_id = forms.UUIDField(
        label="Correlation id",
        required=False,
        help_text="A UUID that ties commands together; the command and its reply carry it. A new one if left empty.",
        error_messages={"invalid": "correlation_id must be a UUID, as in 0193a5b0-7c1e-7abc-8def-0123456789ab."},
        widget=forms.TextInput(attrs={"maxlength": 45, "spellcheck": "false"}),
    )

    field_order = ("type", *FIELDS, "max_attempts", "payload", "correlation_id", "reply")

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        if self.errors.keys() - {"payload", "max_attempts", "correlation_id"}:
            return cleaned
        try:
            cleaned["behavior"] = behavior_of(BehaviorType(cleaned["type"]), cleaned)
        except BehaviorError as exc:
            self.add_error(exc.key, exc.message)
        return cleaned


def behavior_of(kind: BehaviorType, cleaned: Mapping[str, Any]) -> Behavior:
    """The behavior that was typed; a field that is empty or as it was is left out. Raises BehaviorError."""
    filled = {
        name: cleaned[name]
        for name in FIELDS
        if name in cleaned and cleaned[name] not in (None, "", DEFAULTS.get(name))
    }
    return Behavior.from_json({"type": kind, **filled})


def fields_of(behavior: Any) -> dict[str, Any]:
    """The fields of the form that would send this behavior again; a stored one may be anything."""
    known = behavior if isinstance(behavior, dict) else {}
    return {name: known[name] for name in ("type", *FIELDS) if name in known}
