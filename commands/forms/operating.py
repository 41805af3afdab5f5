"""What a person confirms before an operator's action, and how: reason, other behavior or payload, rate and canary."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from django import forms

from commands.bus.operations import MOST_CANARY, MOST_RATE
from commands.bus.operators import MAX_REASON_LENGTH, Action
from commands.fields import JSONFormField, typed, validate_payload
from commands.forms.sending import ATTEMPTS, DEFAULTS, SendForm, WholeNumberField
from commands.rules.behaviors import Behavior, BehaviorError, BehaviorType
from commands.rules.payload import PayloadError, json_text
from commands.rules.words import OperationKind

MOST_AT_ONCE = 100  # commands; more are an operation
TYPED_FROM = 1000  # of more commands the number has to be typed
BEHAVIOR_FIELDS = ("execution_time_ms", "transient_failures", "error_code", "error_message")


def _reason(label: str, help_text: str, *, required: bool = False) -> forms.CharField:
    return forms.CharField(
        label=label,
        required=required,
        max_length=MAX_REASON_LENGTH,
        help_text=help_text,
        widget=forms.Textarea(attrs={"rows": 2}),
        error_messages={
            "required": "A reason is needed: who waits for a reply reads it.",
            "max_length": f"At most {MAX_REASON_LENGTH:,} characters.",
        },
    )


class ConfirmForm(forms.Form):
    """What all actions have in common. ``count`` is how many commands are met now, ``seen`` how many the page said.

    ``key`` is the page's own: sent twice, it asks once.
    """

    kind: OperationKind
    field_order = ("type", "payload", "max_attempts", "result", "reason")

    reason = _reason("Reason", "For the audit.")
    rate = WholeNumberField(
        "rate",
        f"1 to {MOST_RATE:,}",
        label="Rate limit (commands per second)",
        min_value=1,
        max_value=MOST_RATE,
        help_text=f"1 to {MOST_RATE:,}. No limit if left empty.",
        widget=forms.NumberInput(attrs={"min": 1, "max": MOST_RATE}),
    )
    typed = forms.CharField(
        label="The number of commands",
        required=False,
        max_length=20,
        widget=forms.TextInput(attrs={"inputmode": "numeric", "autocomplete": "off"}),
    )
    seen = forms.IntegerField(min_value=0, widget=forms.HiddenInput)
    key = forms.UUIDField(widget=forms.HiddenInput)

    def __init__(self, data: Any = None, *, count: int) -> None:
        super().__init__(data)
        self.count = count
        self.fields["typed"].help_text = f"Type {count:,}, so that it is no accident."
        if count <= TYPED_FROM:
            del self.fields["typed"]

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        if {"seen", "key"} & self.errors.keys():
            raise forms.ValidationError("This page was not complete. Look at it again, and confirm it once more.")
        if self.count > cleaned["seen"]:
            raise forms.ValidationError(f"They are more by now: {self.count:,}. Confirm it once more.")
        if "typed" in self.fields and _number(cleaned.get("typed", "")) != cleaned["seen"]:
            self.add_error("typed", f"The number of commands is {self.count:,}: type it, so that it is no accident.")
        return cleaned

    @property
    def is_gradual(self) -> bool:
        """Whether a valid form asks for a rate or a canary, which only an operation has."""
        return self.cleaned_data["rate"] is not None or self.cleaned_data.get("canary") is not None

    @property
    def key_sent(self) -> UUID | None:
        """The key that came with the form, valid or not as a whole."""
        return getattr(self, "cleaned_data", {}).get("key")

    def action(self, operator: str) -> Action:
        """What a valid form asks for."""
        return Action(kind=self.kind, operator=operator, reason=self.cleaned_data["reason"], **self.particulars())

    def particulars(self) -> dict[str, Any]:
        return {}


class RetryForm(ConfirmForm):
    """A valid form has ``cleaned_data["other"]``, the `Behavior` that takes the place of theirs, or None."""

    kind = OperationKind.RETRY

    type = forms.ChoiceField(
        label="Retry",
        required=False,
        choices=[("", "as it is"), *((kind.value, f"as {kind.value}") for kind in BehaviorType)],
        help_text="Another behavior takes the place of theirs, which the audit keeps.",
        error_messages={"invalid_choice": f"type must be empty or one of {', '.join(BehaviorType)}."},
    )
    execution_time_ms = SendForm.base_fields["execution_time_ms"]
    transient_failures = SendForm.base_fields["transient_failures"]
    error_code = SendForm.base_fields["error_code"]
    error_message = SendForm.base_fields["error_message"]
    payload = JSONFormField(
        label="Other payload",
        required=False,
        initial=typed(""),
        help_text="A JSON object of at most 64 KiB in place of theirs, which the audit keeps. As it is if left empty.",
        widget=forms.Textarea(attrs={"rows": 3, "spellcheck": "false"}),
    )
    max_attempts = WholeNumberField(
        "max_attempts",
        ATTEMPTS.range_text,
        label="At least so many attempts",
        min_value=int(ATTEMPTS.minimum),
        max_value=int(ATTEMPTS.maximum),
        help_text=f"{ATTEMPTS.range_text}. One that may have more keeps them; as it is if left empty.",
    )
    canary = WholeNumberField(
        "canary",
        f"0 to {MOST_CANARY}",
        label="Canary (percent)",
        min_value=0,
        max_value=MOST_CANARY,
        help_text="Retries one, waits for its end, then ten, then the rest, and stops by itself where more than so "
        f"many percent fail again: 0 to {MOST_CANARY}. All at once if left empty.",
        widget=forms.NumberInput(attrs={"min": 0, "max": MOST_CANARY}),
    )

    def clean_payload(self) -> dict[str, Any] | None:
        if not self.data.get("payload", "").strip():
            return None
        payload: dict[str, Any] = self.cleaned_data["payload"]
        validate_payload(payload)
        return payload

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean()
        if self.errors.keys() & {"type", *BEHAVIOR_FIELDS}:
            return cleaned
        names = [name for name in BEHAVIOR_FIELDS if cleaned[name] not in (None, "", DEFAULTS.get(name))]
        cleaned["other"] = None
        if cleaned["type"]:
            filled = {name: cleaned[name] for name in names}
            try:
                cleaned["other"] = Behavior.from_json({"type": BehaviorType(cleaned["type"]), **filled})
            except BehaviorError as exc:
                self.add_error(exc.key, exc.message)
        for name in names if not cleaned["type"] else ():
            self.add_error(name, f"{name} is for another behavior: choose one, or leave this empty.")
        return cleaned

    def particulars(self) -> dict[str, Any]:
        cleaned = self.cleaned_data
        return {
            "behavior": cleaned["other"],
            "payload": cleaned["payload"],
            "max_attempts": cleaned["max_attempts"],
        }


class CancelForm(ConfirmForm):
    kind = OperationKind.CANCEL
    reason = _reason("Reason", "For the audit, and for who waits for a reply.", required=True)


class CancelWaitingForm(forms.Form):
    """For a command that waits in its queue."""

    reason = forms.CharField(
        max_length=MAX_REASON_LENGTH,
        widget=forms.Textarea(attrs={"rows": 2}),
        help_text=f"Kept with the command, at most {MAX_REASON_LENGTH:,} characters.",
        error_messages={
            "required": "Say why: the reason is kept with the command.",
            "max_length": f"The reason has more than {MAX_REASON_LENGTH:,} characters.",
        },
    )


class CompleteForm(ConfirmForm):
    kind = OperationKind.COMPLETE
    result = JSONFormField(
        label="Result",
        required=False,
        initial=typed(""),
        help_text="JSON of at most 64 KiB, stored and replied; null if left empty.",
        widget=forms.Textarea(attrs={"rows": 3, "spellcheck": "false"}),
    )
    reason = _reason("Note", "For the audit.")

    def clean_result(self) -> Any:
        if not self.data.get("result", "").strip():
            return None
        try:
            json_text(self.cleaned_data["result"], "result")
        except PayloadError as exc:
            raise forms.ValidationError(str(exc), code="result") from exc
        return self.cleaned_data["result"]

    def particulars(self) -> dict[str, Any]:
        return {"result": self.cleaned_data["result"]}


FORMS: Mapping[OperationKind, type[ConfirmForm]] = {form.kind: form for form in (RetryForm, CancelForm, CompleteForm)}


def _number(text: str) -> int | None:
    """A typed number, "12,480" or "12480"."""
    digits = text.replace(",", "").replace(" ", "")
    return int(digits) if digits.isascii() and digits.isdecimal() else None
