"""The form of the one settings row. It knows what its user started from, so that two users do not undo each other."""

from dataclasses import dataclass
from typing import Any, ClassVar, cast

from django import forms
from django.core.exceptions import ValidationError
from django.http import QueryDict

from settings_app.models import Configuration
from settings_app.values import LISTS, NAMES, SETTINGS, Value, shown


@dataclass(frozen=True, kw_only=True)
class Change:
    """One setting before and after; its text is "concurrency 4 → 8"."""

    name: str
    old: Value
    new: Value

    def __str__(self) -> str:
        return f"{self.name} {self.old_text} → {self.new_text}"

    @property
    def old_text(self) -> str:
        return shown(self.old)

    @property
    def new_text(self) -> str:
        return shown(self.new)


def differences(old: dict[str, Value], new: dict[str, Value]) -> list[Change]:
    """The settings that differ, in the order of `NAMES`."""
    return [
        Change(name=name, old=old[name], new=new[name])
        for name in NAMES
        if name in old and name in new and old[name] != new[name]
    ]


class FiniteDecimalField(forms.DecimalField):
    """Not even compares what is no number: Django does so before it validates."""

    def to_python(self, value: Any) -> Any:
        number = super().to_python(value)
        if number is not None and not number.is_finite():
            raise ValidationError(self.error_messages["invalid"], code="invalid")
        return number


class NameListField(forms.CharField):
    """A list of names as people type it, in lines or with commas; its value is the list as it is kept."""

    widget = forms.Textarea(attrs={"rows": 3, "spellcheck": "false"})

    def clean(self, value: Any) -> str:
        typed: str = super().clean(value)
        names = LISTS["redacted_keys"]
        if len(typed) > names.most_characters:
            raise ValidationError(f"At most {names.most_characters:,} characters.", code="names")
        try:
            return names.canonical(typed)
        except ValueError as exc:
            raise ValidationError(str(exc), code="names") from exc


class ConfigurationForm(forms.ModelForm):  # type: ignore[type-arg]  # takes none at run time
    """Every setting, and hidden beside them the version and the values that the user saw."""

    seen_version = forms.IntegerField(widget=forms.HiddenInput)

    class Meta:
        model = Configuration
        fields = tuple(NAMES)
        field_classes: ClassVar = {
            **{name: FiniteDecimalField for name in SETTINGS if SETTINGS[name].places},
            **dict.fromkeys(LISTS, NameListField),
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.before = self.instance.values()
        self.initial["seen_version"] = self.instance.version
        for name in NAMES:
            if name in self.fields:  # a user who may only look has none
                self.fields[name].show_hidden_initial = True

    def changes(self) -> list[Change]:
        """What a valid form changes in the row."""
        return differences(self.before, {name: self.cleaned_data[name] for name in NAMES})

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        seen = cleaned.get("seen_version")
        if seen is not None and seen != self.instance.version:
            raise self._conflict()
        return cleaned

    def _conflict(self) -> ValidationError:
        """Say who changed what meanwhile; show it in the fields that the user left alone, and keep what they typed."""
        now = self.instance
        theirs = differences(self._seen_values(), self.before)
        touched = set(self.changed_data)
        data = cast(QueryDict, self.data).copy()
        for name in NAMES:
            if name not in touched:
                data[self.add_prefix(name)] = str(self.before[name])
            data[self.add_initial_prefix(name)] = str(self.before[name])
        data[self.add_prefix("seen_version")] = str(now.version)
        self.data = data
        what = ", ".join(map(str, theirs)) or "no value that differs now"
        return ValidationError(
            f"{now.updated_by or 'Another user'} changed the settings at {now.updated_at:%H:%M:%S} UTC, while you were "
            f"editing: {what}. Nothing of yours is saved yet. What you typed is kept, the other fields show the "
            "newest values. Save again to apply yours on top.",
            code="conflict",
        )

    def _seen_values(self) -> dict[str, Value]:
        """What the user started from, as far as the form sent back what a setting may be."""
        seen: dict[str, Value] = {}
        for name in NAMES:
            try:
                value = self.fields[name].clean(self.data.get(self.add_initial_prefix(name)))
            except ValidationError:
                continue
            if value is not None:
                seen[name] = value
        return seen


class ResetForm(forms.Form):
    """Confirms a reset of the version that the user saw."""

    seen_version = forms.IntegerField(widget=forms.HiddenInput)
