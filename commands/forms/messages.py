"""What a person may ask about messages: replies to look at, to take and to put back; rejected messages to look at."""

from typing import Any

from django import forms

from commands.forms.audit import DomainField, command_field
from commands.reads import listing


class RepliesForm(forms.Form):
    """Which replies a page shows; ``archived`` where any value is given."""

    id = command_field()

    def __init__(self, data: Any, *, domains: list[str]) -> None:
        super().__init__(data)
        self.fields["domain"] = DomainField(domains)


class ActForm(forms.Form):
    """What is to be done (``take`` or ``put_back``) with which replies: ``only`` one, or each selected ``message``."""

    do = forms.ChoiceField(
        choices=[("take", "Take"), ("put_back", "Put back")],
        error_messages=dict.fromkeys(("required", "invalid_choice"), "do must be take or put_back."),
    )

    def __init__(self, data: Any, *, domains: list[str]) -> None:
        super().__init__(data)
        self.fields["domain"] = DomainField(domains)
        self.fields["message"] = NumbersField()

    def add_prefix(self, field_name: str) -> str:
        """The name under which a field comes."""
        return "only" if field_name == "message" and "only" in self.data else super().add_prefix(field_name)


class NumbersField(forms.Field):
    """The numbers of messages, as many as one page shows."""

    widget = forms.MultipleHiddenInput

    def clean(self, value: Any) -> list[int]:
        numbers = list(value or [])
        if not numbers:
            raise forms.ValidationError("No message was chosen.", code="required")
        if len(numbers) > max(listing.PAGE_SIZES):
            raise forms.ValidationError(f"At most {max(listing.PAGE_SIZES)} messages at once.", code="many")
        if not all(text.isascii() and text.isdecimal() and len(text) < 19 for text in numbers):
            raise forms.ValidationError("message must be the number of a message.", code="invalid")
        return sorted({int(text) for text in numbers})


class DomainForm(forms.Form):
    """Which domain's messages a page shows."""

    def __init__(self, data: Any, *, domains: list[str]) -> None:
        super().__init__(data)
        self.fields["domain"] = DomainField(domains)
