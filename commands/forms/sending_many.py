"""What a person may type to send many test commands: a mix of behaviors, how many, and how fast."""

from collections.abc import Mapping, Sequence
from copy import deepcopy
from secrets import randbelow
from typing import Any
from uuid import uuid4

from django import forms

from commands.bus.operations import MOST_RATE, MOST_SEED, MOST_SENT, Mix
from commands.bus.operators import MAX_REASON_LENGTH
from commands.forms.sending import DEFAULTS, EachForm, SendForm, WholeNumberField, behavior_of
from commands.rules.behaviors import PARAMETERS, Behavior, BehaviorError, BehaviorType
from commands.rules.mix import MAX_WEIGHT

WEIGHT_PROBLEM = f"weight must be a number from 0 to {MAX_WEIGHT:,}."


class PartForm(forms.Form):
    """One behavior type of a mix: its weight, and the fields that the type takes.

    Without a weight, or with 0, none of it is sent. A valid form has ``cleaned_data["behavior"]``.
    """

    weight = forms.FloatField(
        label="Weight",
        required=False,
        min_value=0,
        max_value=MAX_WEIGHT,
        error_messages=dict.fromkeys(("invalid", "min_value", "max_value"), WEIGHT_PROBLEM),
    )

    def __init__(self, kind: BehaviorType, data: Any = None, initial: Mapping[str, Any] | None = None) -> None:
        super().__init__(data, prefix=kind.value, initial=dict(initial or {}))
        self.kind = kind
        for name in PARAMETERS[kind]:
            self.fields[name] = deepcopy(SendForm.base_fields[name])
            self.fields[name].widget.attrs.pop("data-applies-to", None)

    @property
    def own_fields(self) -> list[forms.BoundField]:
        """What the type takes beside its weight."""
        return [self[name] for name in PARAMETERS[self.kind]]

    @property
    def filled(self) -> str:
        """What stands in its own fields beside their defaults: "execution_time_ms 10"."""
        values = {field.name: field.value() for field in self.own_fields}
        said = [f"{name} {value}" for name, value in values.items() if str(value or "") not in ("", _default(name))]
        return ", ".join(said)

    @property
    def is_open(self) -> bool:
        """Something is wrong in a field of its own."""
        return any(field.errors for field in self.own_fields)

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        if not self.errors:
            try:
                cleaned["behavior"] = behavior_of(self.kind, cleaned)
            except BehaviorError as exc:
                self.add_error(exc.key, exc.message)
        return cleaned


def _default(name: str) -> str:
    return str(DEFAULTS.get(name, ""))


class MixForm(EachForm):
    """A bulk send. ``parts`` are forms with ``behavior`` and ``weight``; a valid form has a `mix`."""

    parts: Sequence[forms.Form]

    count = WholeNumberField(
        "count",
        f"1 to {MOST_SENT:,}",
        label="How many",
        min_value=1,
        max_value=MOST_SENT,
        initial=1000,
        help_text=f"1 to {MOST_SENT:,} commands.",
    )
    in_turn = forms.BooleanField(
        label="One of each in turn, whatever their weights",
        required=False,
    )
    seed = WholeNumberField(
        "seed",
        f"0 to {MOST_SEED:,}",
        label="Seed",
        min_value=0,
        max_value=MOST_SEED,
        help_text="The same seed draws the same behaviors in the same order. Drawn if left empty, and shown.",
    )
    rate = WholeNumberField(
        "rate",
        f"1 to {MOST_RATE:,}",
        label="Commands per second",
        min_value=1,
        max_value=MOST_RATE,
        help_text=f"Send no faster than this: 1 to {MOST_RATE:,}. As fast as it goes if left empty.",
    )
    reason = forms.CharField(
        label="Reason",
        required=False,
        max_length=MAX_REASON_LENGTH,
        help_text="What it is for. The list of operations shows it.",
    )

    # Sent twice, it asks once.
    key = forms.UUIDField(required=False, initial=uuid4, widget=forms.HiddenInput)

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        if cleaned.get("count") is None and "count" not in self.errors:
            self.add_error("count", self.fields["count"].error_messages["invalid"])
        wrong = [part for part in self.parts if not part.is_valid()]
        if wrong:
            self.add_error(None, "Nothing was sent: correct what is marked in the mix.")
        elif not self._weighted():
            self.add_error(None, "Nothing was sent: at least one behavior needs a weight above 0.")
        return cleaned

    def mix(self) -> Mix:
        """What a valid form asks for; a seed is drawn where none is given."""
        seed = self.cleaned_data["seed"]
        same = {name: self.cleaned_data[name] for name in ("count", "in_turn", "payload", "reply", "max_attempts")}
        return Mix(parts=self._weighted(), seed=randbelow(MOST_SEED + 1) if seed is None else seed, **same)

    def _weighted(self) -> list[tuple[Behavior, float]]:
        cleaned = [part.cleaned_data for part in self.parts]
        return [(part["behavior"], part["weight"]) for part in cleaned if part["weight"]]


class SendManyForm(MixForm):
    """That of the page: it has a `PartForm` for each behavior type."""

    parts: list[PartForm]

    def __init__(
        self, data: Any = None, *, initial: Mapping[str, Any] | None = None,
        parts: Mapping[BehaviorType, Mapping[str, Any]] | None = None,
    ) -> None:  # fmt: skip
        super().__init__(data, initial=dict(initial or {}))
        self.parts = [PartForm(kind, data, (parts or {}).get(kind)) for kind in BehaviorType]
