"""What a program may send, as JSON: checked by the forms of the pages, so that one rule holds for both.

JSON values become what a browser would have sent; numbers, texts and ids as they are written, a payload as it is.
"""

from collections.abc import Mapping, Sequence
from copy import deepcopy
from typing import Any
from uuid import UUID

from django import forms
from django.core.exceptions import ValidationError

from commands.bus.one import Asked
from commands.forms.sending import FIELDS, SendForm
from commands.forms.sending_many import MixForm, PartForm
from commands.models import Domain
from commands.rules.words import DOMAIN
from e2e_site.texts import cut

MOST_PARTS = 20  # of a mix
_NIL = UUID(int=0)


class DomainField(forms.CharField):
    """The name of a domain that there is; `DOMAIN` where none is given."""

    def __init__(self) -> None:
        super().__init__(required=False, max_length=100)

    def clean(self, value: Any) -> str:
        name: str = super().clean(value) or DOMAIN
        if name != DOMAIN and name not in (names := list(Domain.objects.names())):
            raise ValidationError(f"domain must be one of {', '.join(names)}, not {cut(name, 40)!r}.", code="domain")
        return name


class _Fixed(dict[str, forms.Field]):
    """Fields that no form changes, so that all forms may have the same: copies are half the cost of a form."""

    def __deepcopy__(self, memo: object) -> "_Fixed":
        return _Fixed(self)


class SendOneForm(SendForm):
    """`SendForm`, and what only programs choose: ``command_id`` (None: a new one) and ``domain``."""

    command_id = forms.UUIDField(
        required=False,
        help_text="A UUID of your own: sent again with the same content, it is sent once.",
        error_messages={"invalid": "command_id must be a UUID, as in 0193a5b0-7c1e-7abc-8def-0123456789ab."},
    )
    domain = DomainField()

    def __init__(self, values: Mapping[str, Any]) -> None:
        """``values``: a JSON object with ``behavior`` and the other fields."""
        others = {name: value for name, value in values.items() if name != "behavior"}
        super().__init__(_typed({**values["behavior"], **others}))

    def clean_command_id(self) -> UUID | None:
        command_id: UUID | None = self.cleaned_data["command_id"]
        if command_id == _NIL:  # under it the audit keeps messages that are no command
            raise ValidationError("command_id must not be all zeros.", code="nil")
        return command_id

    @property
    def asked(self) -> Asked:
        """What a valid form asks for."""
        names = ("behavior", "payload", "reply", "command_id", "correlation_id", "max_attempts", "domain")
        return Asked(**{name: self.cleaned_data[name] for name in names})


SendOneForm.base_fields = _Fixed(SendOneForm.base_fields)


class MixPartForm(SendForm):
    """One behavior of a mix and its ``weight``."""

    weight = deepcopy(PartForm.base_fields["weight"])

    def __init__(self, part: Mapping[str, Any]) -> None:
        """``part``: a JSON object with ``behavior`` and ``weight``."""
        super().__init__(_typed({**part["behavior"], "weight": part["weight"]}))


class SendMixForm(MixForm):
    """That of programs: a behavior type may be in several parts, and there is a ``domain``."""

    domain = DomainField()
    parts: list[MixPartForm]

    def __init__(self, values: Mapping[str, Any], parts: Sequence[Mapping[str, Any]]) -> None:
        """``values``: a JSON object with all fields but the parts."""
        super().__init__(_typed(values))
        self.parts = [MixPartForm(part) for part in parts]


def path_of(field: str) -> str:
    """Where a field of a form stands in the JSON object."""
    return f"behavior.{field}" if field in ("type", *FIELDS) else field


def _typed(values: Mapping[str, Any]) -> dict[str, Any]:
    """What stands for JSON values in the data of a form."""
    kept = (bool, dict, list, str)
    return {
        name: value if isinstance(value, kept) else str(value) for name, value in values.items() if value is not None
    }
