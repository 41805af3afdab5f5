"""What a person may filter the audit by: `AuditForm` reads an address, and says what is wrong with it."""

from collections.abc import Sequence
from typing import Any

from django import forms
from django.core.exceptions import ValidationError

from commands.forms.parked import MomentField
from commands.reads.events import EventFilter
from commands.reads.listing import LARGEST_NUMBER
from commands.reads.redacted import NO_SEARCH, may_search
from commands.rules.words import DOMAIN, EventType

MOST_TEXT = 200  # characters that are searched for
OPERATOR_LENGTH = 150  # characters of a user name


class DomainField(forms.CharField):
    """The name of a domain that there is; `DOMAIN` where none is given."""

    def __init__(self, names: Sequence[str]) -> None:
        widget = forms.Select(choices=[(name, name) for name in names], attrs={"class": "input"})
        super().__init__(label="Domain", required=False, widget=widget)
        self._names = names

    def clean(self, value: Any) -> str:
        name: str = super().clean(value) or DOMAIN
        if name not in self._names:
            raise ValidationError(f"domain must be one of {', '.join(self._names)}.", code="domain")
        return name


def operator_field() -> forms.CharField:
    """A user name."""
    too_long = f"operator must be a user name of at most {OPERATOR_LENGTH} characters."
    return forms.CharField(
        label="Operator",
        required=False,
        max_length=OPERATOR_LENGTH,
        error_messages={"max_length": too_long},
        widget=forms.TextInput(attrs={"class": "input", "spellcheck": "false"}),
    )


def command_field() -> forms.UUIDField:
    """A whole command id, as people paste it."""
    attributes = {"class": "input mono", "spellcheck": "false"}
    return forms.UUIDField(
        label="Command (whole id)",
        required=False,
        error_messages={"invalid": "id must be a whole command id (a UUID)."},
        widget=forms.TextInput(attrs=attributes),
    )


class AuditForm(forms.Form):
    """The filter of an address. A valid form has a `chosen`.

    ``may_see``: who asks may see what is redacted, and so search in details.
    """

    event = forms.MultipleChoiceField(
        label="Events",
        required=False,
        choices=EventType.choices(),
        error_messages={"invalid_choice": f"event must be one of {', '.join(EventType)}."},
        widget=forms.CheckboxSelectMultiple,
    )
    id = command_field()
    operator = operator_field()
    operation = forms.IntegerField(
        required=False,
        min_value=1,
        max_value=LARGEST_NUMBER,
        error_messages=dict.fromkeys(
            ("invalid", "min_value", "max_value"), "operation must be the number of an operation."
        ),
        widget=forms.HiddenInput,
    )
    text = forms.CharField(
        label="Text in details",
        required=False,
        max_length=MOST_TEXT,
        strip=False,
        error_messages={"max_length": f"text must have at most {MOST_TEXT} characters."},
        widget=forms.TextInput(attrs={"class": "input", "spellcheck": "false"}),
    )

    def __init__(self, data: Any, *, domains: Sequence[str], may_see: bool = False) -> None:
        super().__init__(data)
        self._may_see = may_see
        # In an address, "from" is what it is called; in Python it cannot be.
        self.fields["from"] = MomentField("from", label="From (UTC)", help_text="")
        self.fields["to"] = MomentField("to", label="To (UTC)", help_text="")
        for name in ("from", "to"):
            self.fields[name].widget.attrs["class"] = "input"
        self.fields["domain"] = DomainField(domains)

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        since, until = cleaned.get("from"), cleaned.get("to")
        if since and until and since >= until:
            self.add_error("to", "to must be later than from.")
        if cleaned.get("text") and not may_search(may_see=self._may_see):
            self.add_error("text", NO_SEARCH)
        for name in ("from", "to"):
            if name in self.errors:  # a browser shows what is no time only in a field for text
                self.fields[name].widget.input_type = "text"
        return cleaned

    @property
    def chosen(self) -> EventFilter:
        cleaned = self.cleaned_data
        return EventFilter(
            domain=cleaned["domain"],
            types=tuple(cleaned["event"]),
            command_id=cleaned["id"],
            operator=cleaned["operator"],
            operation=cleaned["operation"],
            text=cleaned["text"],
            since=cleaned["from"],
            until=cleaned["to"],
        )
